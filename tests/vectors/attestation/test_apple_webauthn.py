"""Genuine Apple and WebAuthn evidence (`--vectors DIR`): claims, other days, edited bytes, speed, roots, receipts."""

import json
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from time import process_time
from typing import Any

import cbor2
import pytest
from hallmark_test_options import vectors_folder

from attestation import Part, Reason, load_chain, verdict_to_dict, verify_case
from attestation.anchors_apple import APPLE
from attestation.anchors_webauthn import WEBAUTHN
from attestation.case import Case
from attestation.formats.apple_receipt import check_signer, parse_receipt
from attestation.formats.webauthn_registration import U2F
from attestation.model import RECEIPT, Format
from attestation.samples.sample import Folder, Sample
from attestation.samples.vendors import VENDORS
from attestation.x509 import parse_certificate

NOW = datetime(2026, 11, 20, tzinfo=UTC)
FOLDERS = ("apple_appattest", "webauthn")

# What a sample's own kind of statement leaves unsigned: U2F's flags, counter and AAGUID.
U2F_UNSIGNED = range(32, 53)


@dataclass(frozen=True)
class Judged:
    """A row with its sample, and its file."""

    data: dict[str, Any]
    sample: Sample
    content: dict[str, Any]


def rows_of(folder: Path) -> dict[str, dict[str, Any]]:
    return {row["id"]: row for row in json.loads((folder / "expected.json").read_text())["vectors"]}


def judged(root: Path, vendor: str) -> list[Judged]:
    path = root / "attestation" / vendor
    folder = Folder(path, rows_of(path))
    evidence = (row for row in folder.rows.values() if row["authentic"] is not None)
    return [
        Judged(dict(row), VENDORS[vendor].load(row, folder), json.loads(folder.read(row["files"][0])))
        for row in evidence
    ]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "row" not in metafunc.fixturenames:
        return
    root = vectors_folder(metafunc.config)
    params = []
    for vendor in FOLDERS:
        if root is None or not (root / "attestation" / vendor / "expected.json").exists():
            skip = pytest.mark.skip(reason=f"give --vectors DIR with a folder attestation/{vendor}")
            params.append(pytest.param(None, marks=skip, id=f"{vendor}-none"))
            continue
        wanted = ONLY.get(metafunc.function.__name__, lambda _: True)
        params += [pytest.param(row, id=row.data["id"]) for row in judged(root, vendor) if wanted(row)]
    metafunc.parametrize("row", params)


# Tests that ask something only some rows can answer; those accepted "once" a root is configured have no known issuer.
ONLY: dict[str, Callable[[Judged], bool]] = {
    "test_the_key_is_the_one_of_the_file": lambda row: "publicKeySpki" in row.content,
    "test_edited_bytes_never_stay_authentic": lambda row: (
        bool(row.data["authentic"]) and not row.data["verdict"].startswith("accept once")
    ),
}


def test_the_verdict_on_another_day(row):
    """Leaves of phones and PCs expire, those of security keys do not."""
    expected, _, reason = row.data["verdict_2026_11_20"].partition(": ")
    relevant = row.sample.strict if row.data["verdict"] == "accept" else row.sample.lenient
    verdict = verify_case(replace(relevant, at=NOW))
    assert verdict.appraised is expected.startswith("accept")
    # The row of another app names that as its cause; here the certificate's end comes first, as authenticity does.
    codes = {code for code in Reason.__members__ if code in reason} | {"EXPIRED"}
    assert not verdict.reasons or verdict.reasons[0] in codes


def test_claims(row):
    expected, verdict = row.data["claims"], row.sample.judge_strictly()
    vendor = dict(verdict.claims.vendor)
    if "appId" in expected:
        assert vendor["environment"] == expected["environment"].split()[0]
        assert bytes.fromhex(vendor["key_id"]) == b64decode(expected["keyId"])
        assert vendor["os_versions"].split(",") == expected["os"]
        if "receipt.environment" in vendor:
            assert vendor["receipt.environment"] == expected["receipt_env"]
        if row.data["authentic"] and Reason.APP_ID_MISMATCH not in verdict.reasons:
            assert vendor["app_id"] == expected["appId"]
            assert verdict.claims.counter == expected.get("assertionCounter", expected["counter"])
    else:
        assert (vendor["aaguid"], vendor["algorithm"]) == (expected["aaguid"], expected["alg"])
        if " locked=True" in expected["binding"]:
            assert verdict.claims.boot.locked
            assert vendor["attestation_level"] == "TEE"


def test_the_key_is_the_one_of_the_file(row):
    assert row.sample.judge_strictly().claims.key.spki == b64decode(row.content["publicKeySpki"])


def test_it_is_deterministic_and_fast(row):
    first = row.sample.judge_strictly()
    assert row.sample.judge_strictly() == first
    json.dumps(verdict_to_dict(first))
    times = []
    for _ in range(5):
        start = process_time()
        row.sample.judge_strictly()
        times.append(process_time() - start)
    assert min(times) < 0.020  # seconds of one core


def changed_cases(case: Case, *, every: int) -> list[tuple[str, Case]]:
    """One bit in every so many bytes of all that is signed: authenticator data, statement, client data, receipt."""
    found: list[tuple[str, Case]] = []
    first, *rest = case.evidence.parts
    content = cbor2.loads(first.data)
    for name, data in (("authData", content["authData"]), *statement_fields(content)):
        for octet in range(len(name) % every, len(data), every):
            if content["fmt"] == U2F and name == "authData" and octet in U2F_UNSIGNED:
                continue
            edited = cbor2.dumps(put(content, name, flip(data, octet)))
            found.append((f"{name}[{octet}]", with_parts(case, (Part(first.name, edited), *rest))))
    for index, part in enumerate(rest):
        for octet in range(0, len(part.data), every):
            edited_parts = [*rest]
            edited_parts[index] = Part(part.name, flip(part.data, octet))
            found.append((f"{part.name}[{octet}]", with_parts(case, (first, *edited_parts))))
    return found


def statement_fields(content: dict[str, Any]) -> list[tuple[str, bytes]]:
    fields = [(name, value) for name, value in content["attStmt"].items() if isinstance(value, bytes)]
    return [*fields, *((f"x5c.{index}", data) for index, data in enumerate(content["attStmt"].get("x5c", ())))]


def put(content: dict[str, Any], name: str, data: bytes) -> dict[str, Any]:
    if name == "authData":
        return content | {"authData": data}
    statement = dict(content["attStmt"])
    if name.startswith("x5c."):
        chain = list(statement["x5c"])
        chain[int(name[4:])] = data
        statement["x5c"] = chain
    else:
        statement[name] = data
    return content | {"attStmt": statement}


def flip(data: bytes, octet: int) -> bytes:
    return data[:octet] + bytes([data[octet] ^ 1 << octet % 8]) + data[octet + 1 :]


def with_parts(case: Case, parts: tuple[Part, ...]) -> Case:
    return replace(case, evidence=replace(case.evidence, parts=parts))


def test_edited_bytes_never_stay_authentic(row):
    unnoticed = [name for name, case in changed_cases(row.sample.strict, every=61) if verify_case(case).authentic]
    assert unnoticed == []


@pytest.fixture(scope="module", params=FOLDERS)
def folder(request: pytest.FixtureRequest, vectors: Path) -> Path:
    path = vectors / "attestation" / request.param
    if not path.is_dir():
        pytest.skip(f"{vectors} has no folder attestation/{request.param}")
    return path


def test_the_anchors_are_the_published_roots(folder):
    """All roots beside the rows but those of web CAs and of the W3C's test vectors."""
    ours = {anchor.spki for anchor in (*APPLE.items, *WEBAUTHN.items)}
    files = [path for path in (folder / "roots").glob("*.pem") if not path.name.startswith(("GlobalSign", "W3C"))]
    assert files
    for path in files:
        (root,) = load_chain(path.read_bytes())
        assert parse_certificate(root).spki in ours, path.name


def test_all_receipts_are_signed_by_apple(vectors):
    anchors = APPLE.for_use(Format.APPLE_APP_ATTEST, RECEIPT)
    kinds = []
    for path in sorted((vectors / "attestation" / "apple_appattest").glob("*.json")):
        for item in json.loads(path.read_text()).get("receipts", ()):
            receipt = parse_receipt(b64decode(item["receipt"]))
            check_signer(receipt, anchors)
            kinds.append(receipt.kind)
            assert (receipt.risk_metric is None) is (receipt.kind == "ATTEST")
    assert {"ATTEST", "RECEIPT"} == set(kinds)
