"""Genuine Nitro documents (`--vectors DIR`, folder attestation/aws_nitro): claims, years later, registers, bits."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from time import process_time
from typing import Any

import pytest
from hallmark_test_options import vectors_folder

from attestation import Expectation, Policy, Reason, verify_case
from attestation.anchors_aws import AWS_NITRO
from attestation.case import Case
from attestation.evidence import load_chain
from attestation.formats.nitro import DOCUMENT, evidence
from attestation.policy_aws import ExpectedPcr
from attestation.samples.aws_nitro import load
from attestation.samples.sample import Folder
from attestation.x509 import parse_certificate

LATER = datetime(2026, 11, 20, tzinfo=UTC)
STRIDE = 53
USER_DATA_DIGITS = 80  # rows show no more than the first forty bytes


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    root = vectors_folder(metafunc.config)
    path = root / "attestation" / "aws_nitro" if root else None
    if path is None or not (path / "expected.json").exists():
        skip = pytest.mark.skip(reason="give --vectors DIR with a folder attestation/aws_nitro")
        metafunc.parametrize(("folder", "row"), [pytest.param(None, None, marks=skip, id="none")])
        return
    rows = {row["id"]: row for row in json.loads((path / "expected.json").read_text())["vectors"]}
    wanted = WANTED.get(metafunc.function.__name__, lambda row: row["authentic"] is not None)
    folder = Folder(path, rows)
    metafunc.parametrize(
        ("folder", "row"), [pytest.param(folder, row, id=row["id"]) for row in rows.values() if wanted(row)]
    )


def case_of(folder: Folder, row: dict[str, Any]) -> Case:
    return load(row, folder).strict


def document_of(case: Case) -> bytes:
    (document,) = case.evidence.named(DOCUMENT)
    return document


def test_claims(folder, row):
    claims, vendor = verify_case(case_of(folder, row)).claims, row["claims"]
    assert claims.vendor_claim("module_id") == vendor["module_id"]
    assert round(claims.freshness.created_at.timestamp() * 1000) == vendor["timestamp_ms"]
    assert claims.debug is vendor["debug"]
    assert (claims.key is not None) is vendor["public_key"]
    assert claims.freshness.challenge.hex() == (vendor["nonce"] or "")
    assert (claims.vendor_claim("user_data") or "")[:USER_DATA_DIGITS] == (vendor["user_data"] or "")[:USER_DATA_DIGITS]
    registers = {item.name: item.digest for item in claims.measurements}
    assert {name: digest.hex() for name, digest in registers.items() if any(digest)} == {
        f"PCR{index}": digest for index, digest in vendor["pcrs"].items()
    }
    assert not claims.vendor_claim("tagged")


def test_verdict_years_later(folder, row):
    """Leaves live three hours. A debug enclave is then refused for its age first, since it is not authentic any more."""
    verdict = verify_case(replace(case_of(folder, row), at=LATER))
    assert row["verdict_2026_11_20"].startswith("reject")
    if row["authentic"]:
        assert verdict.reasons == (Reason.EXPIRED,)
    else:
        assert str(verdict.reasons[0]) in row["verdict_2026_11_20"]


def test_with_the_tag_it_says_the_same(folder, row):
    case = case_of(folder, row)
    tagged = verify_case(replace(case, evidence=evidence(b"\xd2" + document_of(case))))
    assert tagged.reasons == verify_case(case).reasons
    assert tagged.claims.vendor_claim("tagged")


def test_flipped_bits_never_stay_authentic(folder, row):
    case = case_of(folder, row)
    document = document_of(case)
    for index in (*range(0, len(document), STRIDE), *range(16), len(document) - 1):
        changed = bytearray(document)
        changed[index] ^= 1 << (index % 8)
        assert not verify_case(replace(case, evidence=evidence(bytes(changed)))).authentic
    for changed in (document[:-1], document + b"\0", document * 2):
        assert verify_case(replace(case, evidence=evidence(changed))).reasons == (Reason.MALFORMED,)


def test_another_challenge(folder, row):
    case = replace(case_of(folder, row), expectation=Expectation(b"another"), policy=Policy())
    assert verify_case(case).reasons == (Reason.CHALLENGE_MISMATCH,)


def test_registers(folder, row):
    """The registers of this document are accepted, each alone changed is not, one it does not have is missed."""
    case = case_of(folder, row)
    digests = {int(index): bytes.fromhex(digest) for index, digest in row["claims"]["pcrs"].items()}

    def reasons(expected: dict[int, bytes]) -> tuple[Reason, ...]:
        pcrs = tuple(ExpectedPcr(index, frozenset({digest})) for index, digest in expected.items())
        rules = replace(case.policy.aws_nitro, allow_debug=True, pcrs=pcrs)
        return verify_case(replace(case, policy=replace(case.policy, aws_nitro=rules))).reasons

    assert reasons(digests) == ()
    for index in digests:
        assert reasons(digests | {index: bytes(47) + b"\1"}) == (Reason.MEASUREMENT_MISMATCH,)
    assert reasons(digests | {16: bytes(48)}) == (Reason.MEASUREMENT_MISSING,)


def test_age(folder, row):
    case = case_of(folder, row)
    debug = (Reason.DEBUG_ENCLAVE,) if row["claims"]["debug"] else ()
    for minutes, late in ((4, ()), (6, (Reason.STALE_EVIDENCE,)), (200, None)):
        reasons = verify_case(replace(case, at=case.at + timedelta(minutes=minutes))).reasons
        assert reasons == ((Reason.EXPIRED,) if late is None else (*debug, *late))


def test_it_is_deterministic_and_fast(folder, row):
    case = case_of(folder, row)
    first = verify_case(case)
    start = process_time()
    for _ in range(10):
        assert verify_case(case) == first
    assert (process_time() - start) / 10 < 0.02


def test_the_anchor_is_the_published_root(folder, row):
    (root,) = load_chain(folder.read(row["files"][0]))
    (anchor,) = AWS_NITRO.items
    certificate = parse_certificate(root)
    assert certificate.spki == anchor.spki
    assert certificate.valid_between() == (anchor.not_before, anchor.not_after)


def is_genuine(row: dict[str, Any]) -> bool:
    return bool(row["authentic"])


WANTED: dict[str, Callable[[dict[str, Any]], bool]] = {
    "test_claims": is_genuine,
    "test_flipped_bits_never_stay_authentic": is_genuine,
    "test_another_challenge": is_genuine,
    "test_registers": is_genuine,
    "test_age": is_genuine,
    "test_the_anchor_is_the_published_root": lambda row: row["id"] == "root",
}
