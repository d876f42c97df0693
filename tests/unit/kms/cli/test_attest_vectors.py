"""Folders of samples, made by the evidence factory."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from attestation.testing import VirtualPhone, VirtualVendor

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    """Two Android samples that are as they are expected to be: one good, one unlocked; and a row that is an anchor."""
    vendor = VirtualVendor.create(now=NOW)
    phone = VirtualPhone.create(vendor, now=NOW)
    phones = {"good": phone, "unlocked": phone.changed(locked=False)}
    folder = tmp_path / "android"
    folder.mkdir()
    (folder / "test-root.pem").write_bytes(_pem(vendor.certificate))
    for name, phone in phones.items():
        chain = phone.attest(b"challenge").named("certificate")
        (folder / f"{name}.pem").write_bytes(b"".join(map(_pem, chain)))
    rows = [
        _row("good", "accept", ""),
        _row("unlocked", "reject", "UNLOCKED_BOOTLOADER"),
        {"id": "root", "authentic": None, "verdict": "trust anchor", "reason": "", "files": []},
    ]
    _write(folder, rows)
    return tmp_path


def _row(name: str, verdict: str, reason: str) -> dict[str, object]:
    return {
        "id": name,
        "authentic": True,
        "verdict": verdict,
        "reason": reason,
        "files": [f"{name}.pem"],
        "verify_at": NOW.isoformat(),
        "claims": {"challenge_text": "challenge"},
    }


def _write(folder: Path, rows: list[dict[str, object]], vendor: str = "android") -> None:
    (folder / "expected.json").write_text(json.dumps({"vendor": vendor, "vectors": rows}))


def _rows(folder: Path) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads((folder / "expected.json").read_text())["vectors"]
    return found


def _pem(der: bytes) -> bytes:
    return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)


@pytest.mark.parametrize("inside", [False, True])
def test_what_is_right_ends_0(hallmark, samples: Path, inside) -> None:
    outcome = hallmark("attest", "verify-vectors", samples / "android" if inside else samples, "--json")
    assert outcome.code == 0
    total = outcome.document["total"]
    assert outcome.document["vendors"]["android"] == total
    assert total["p50_ms"] > 0
    assert {name: value for name, value in total.items() if not name.endswith("_ms")} == {
        "samples": 2,
        "authentic_right": 2,
        "verdict_right": 2,
        "reason_right": 2,
        "exceptions": 0,
        "wrong": [],
        "problems": [],
    }


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"verdict": "reject", "reason": "REVOKED"}, "verdict_right"),
        ({"authentic": False}, "authentic_right"),
        ({"verdict": "accept only if policy allows", "reason": "REVOKED"}, "verdict_right"),
    ],
)
def test_what_came_out_otherwise_is_counted_and_named(hallmark, samples: Path, change, wrong: str) -> None:
    folder = samples / "android"
    good, *others = _rows(folder)
    _write(folder, [good | change, *others])
    outcome = hallmark("attest", "verify-vectors", samples, "--json")
    assert outcome.code == 1
    assert outcome.document["total"]["wrong"] == ["good"]
    assert outcome.document["total"][wrong] == 1
    people = hallmark("attest", "verify-vectors", samples)
    assert people.code == 1
    assert "WRONG android good: expected" in people.out


def test_another_reason_is_wrong(hallmark, samples: Path) -> None:
    folder = samples / "android"
    good, unlocked, root = _rows(folder)
    _write(folder, [good, unlocked | {"reason": "REVOKED"}, root])
    total = hallmark("attest", "verify-vectors", samples, "--json").document["total"]
    assert (total["verdict_right"], total["reason_right"], total["wrong"]) == (2, 1, ["unlocked"])


def test_a_row_that_cannot_be_judged_is_an_exception(hallmark, samples: Path) -> None:
    (samples / "android" / "good.pem").unlink()
    outcome = hallmark("attest", "verify-vectors", samples, "--json")
    assert outcome.code == 1
    assert (outcome.document["total"]["exceptions"], outcome.document["total"]["wrong"]) == (1, ["good"])


def test_a_vendor_that_is_not_known_is_told(hallmark, samples: Path) -> None:
    _write(samples / "android", _rows(samples / "android"), vendor="acme")
    outcome = hallmark("attest", "verify-vectors", samples)
    assert outcome.code == 1
    assert "evidence of 'acme' is not known here" in outcome.out


@pytest.mark.parametrize("content", [b"not json", b"[]", b'{"vectors": 3}', b'{"vectors": [{}]}'])
def test_a_file_that_lists_no_samples_is_a_clear_error(hallmark, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "expected.json").write_bytes(content)
    outcome = hallmark("attest", "verify-vectors", tmp_path)
    assert outcome.code == 2
    assert "is not a list of samples" in outcome.err
    assert "Error(" not in outcome.err, "a sentence, not an exception of Python"


def test_one_set_that_cannot_be_read_does_not_hide_the_others(hallmark, samples: Path) -> None:
    (samples / "broken").mkdir()
    (samples / "broken" / "expected.json").write_text('{"vectors": [{}]}')
    outcome = hallmark("attest", "verify-vectors", samples, "--json")
    total, vendors = outcome.document["total"], outcome.document["vendors"]
    assert (outcome.code, total["exceptions"], total["wrong"]) == (1, 1, ["expected.json"])
    assert (vendors["android"]["verdict_right"], vendors["android"]["exceptions"]) == (2, 0)
    assert (vendors["broken"]["samples"], vendors["broken"]["exceptions"]) == (1, 1)
    (problem,) = vendors["broken"]["problems"]
    assert "vectors[0] must be an object with an id" in problem
    people = hallmark("attest", "verify-vectors", samples)
    assert people.code == 1
    assert f"WRONG broken expected.json: {samples / 'broken'}" in people.out


def test_no_set_that_can_be_read_is_a_clear_error(hallmark, samples: Path) -> None:
    (samples / "android" / "expected.json").write_text("not json")
    (samples / "broken").mkdir()
    (samples / "broken" / "expected.json").write_text("[]")
    outcome = hallmark("attest", "verify-vectors", samples)
    assert outcome.code == 2
    assert "android" in outcome.err
    assert "broken" in outcome.err


def test_a_folder_without_samples_is_a_clear_error(hallmark, tmp_path: Path) -> None:
    outcome = hallmark("attest", "verify-vectors", tmp_path)
    assert outcome.code not in {0, 1}
    assert "expected.json" in outcome.err
