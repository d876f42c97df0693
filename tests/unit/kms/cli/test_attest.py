import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from attestation.testing import VirtualPhone, VirtualVendor

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CHALLENGE = b"a challenge"


@pytest.fixture
def folder(tmp_path) -> Path:
    """Evidence of a good virtual phone, its root, and an empty status list."""
    vendor = VirtualVendor.create(now=NOW)
    chain = VirtualPhone.create(vendor, now=NOW).attest(CHALLENGE).named("certificate")
    (tmp_path / "chain.pem").write_bytes(b"".join(_pem(certificate) for certificate in chain))
    (tmp_path / "chain.der").write_bytes(b"".join(chain))
    (tmp_path / "root.pem").write_bytes(_pem(vendor.certificate))
    (tmp_path / "status.json").write_text('{"entries": {}}')
    return tmp_path


def _pem(der: bytes) -> bytes:
    return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)


def _arguments(folder: Path, *more: object, evidence: str = "chain.pem", challenge: bytes = CHALLENGE):
    at = NOW.isoformat()
    return ("attest", "verify", folder / evidence, "--challenge", challenge.hex(), "--at", at, *more)


@pytest.mark.parametrize("evidence", ["chain.pem", "chain.der"])
def test_good_evidence_ends_0(hallmark, folder, evidence: str) -> None:
    trust = ("--root", folder / "root.pem", "--status", folder / "status.json")
    outcome = hallmark(*_arguments(folder, *trust, evidence=evidence))
    assert outcome.code == 0
    assert "authentic: yes   appraised: yes" in outcome.out
    found = hallmark(*_arguments(folder, *trust, "--json", evidence=evidence)).document
    assert (found["authentic"], found["appraised"], found["reasons"]) == (True, True, [])


@pytest.mark.parametrize(
    ("more", "challenge", "reason"),
    [
        ((), CHALLENGE, "UNTRUSTED_ROOT"),
        (("--root", "root.pem"), CHALLENGE, "STATUS_LIST_MISSING"),
        (("--root", "root.pem", "--allow-missing-status"), b"another", "CHALLENGE_MISMATCH"),
    ],
)
def test_refused_evidence_ends_1_with_the_reason(hallmark, folder, more, challenge: bytes, reason: str) -> None:
    options = [folder / option if option == "root.pem" else option for option in more]
    outcome = hallmark(*_arguments(folder, *options, "--json", challenge=challenge))
    assert (outcome.code, outcome.document["reasons"][0]) == (1, reason)
    people = hallmark(*_arguments(folder, *options, challenge=challenge))
    assert people.code == 1
    assert reason in people.out
    assert "refused" in people.err


def test_old_evidence_is_refused_unless_judged_at_its_time(hallmark, folder) -> None:
    given = ["attest", "verify", folder / "chain.pem", "--challenge", CHALLENGE.hex(), "--root", folder / "root.pem"]
    late = (NOW + timedelta(days=400)).isoformat()
    outcome = hallmark(*given, "--allow-missing-status", "--at", late)
    assert (outcome.code, "EXPIRED" in outcome.out, "--at" in outcome.err) == (1, True, True)
    assert hallmark(*given, "--allow-missing-status", "--at", NOW.isoformat()).code == 0


def test_without_a_status_list_the_verdict_says_what_was_not_checked(hallmark, folder) -> None:
    outcome = hallmark(*_arguments(folder, "--root", folder / "root.pem", "--allow-missing-status"))
    assert (outcome.code, "STATUS_LIST" in outcome.out) == (0, True)


def test_a_revoked_certificate_is_refused(hallmark, folder) -> None:
    issuer = x509.load_pem_x509_certificates((folder / "chain.pem").read_bytes())[1]
    entries = {f"{issuer.serial_number:x}": {"status": "REVOKED", "reason": "KEY_COMPROMISE"}}
    (folder / "status.json").write_text(json.dumps({"entries": entries}))
    trust = ("--root", folder / "root.pem", "--status", folder / "status.json")
    outcome = hallmark(*_arguments(folder, *trust, "--json"))
    assert (outcome.code, outcome.document["reasons"]) == (1, ["REVOKED"])


@pytest.mark.parametrize("challenge", ["xyz", "", "00" * 129])
def test_a_challenge_is_1_to_128_bytes_in_hex(hallmark, folder, challenge: str) -> None:
    outcome = hallmark("attest", "verify", folder / "chain.pem", "--challenge", challenge)
    assert (outcome.code, "--challenge" in outcome.err) == (2, True)


def test_what_is_no_root_or_no_evidence_is_refused_in_a_sentence(hallmark, folder) -> None:
    (folder / "bad").write_bytes(b"bad")
    root = hallmark(*_arguments(folder, "--root", folder / "bad"))
    assert (root.code, "PEM" in root.err) == (2, True)
    status = hallmark(*_arguments(folder, "--status", folder / "bad"))
    assert (status.code, "status list" in status.err) == (2, True)
    evidence = hallmark(*_arguments(folder, evidence="bad"))
    assert (evidence.code, "Traceback" in evidence.err) == (1, False)


def test_a_genuine_pixel_chain_at_its_own_time(hallmark, vectors) -> None:
    chain = vectors / "attestation" / "android" / "caiman-sdk36-tee-ec-rkp.pem"
    if not chain.exists():
        pytest.skip(f"{chain} is not there")
    challenge = b"d688d763-6118-4ca6-94b2-e6cd9ed7e4e4".hex()
    given = ("attest", "verify", chain, "--challenge", challenge, "--at", "2025-09-26T15:31:20Z")
    outcome = hallmark(*given, "--allow-missing-status")
    assert (outcome.code, "Pixel 9 Pro" in outcome.out) == (0, True)
