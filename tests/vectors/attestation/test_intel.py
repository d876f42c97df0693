"""Genuine Intel quotes (`--vectors DIR`, folder attestation/intel): claims, the verdict on a later day, changed bytes."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from statistics import quantiles
from time import process_time

import pytest
from hallmark_test_options import vectors_folder

from attestation import Collateral, CollateralError, Expectation, Format, Reason, Unchecked, verify_case
from attestation.anchors_intel import INTEL_SGX_ROOT
from attestation.case import Case
from attestation.event_log import HashId, parse_event_log
from attestation.formats.intel import collateral_key, evidence
from attestation.formats.intel_quote import parse_quote
from attestation.intel_collateral import CollateralPieces, parse_intel_collateral
from attestation.pem import pem_certificates
from attestation.samples.expected import wanted_codes
from attestation.samples.intel import PHRASES, load
from attestation.samples.sample import Folder, Row
from attestation.x509 import parse_certificate

LATER = datetime(2026, 11, 20, tzinfo=UTC)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "row" not in metafunc.fixturenames:
        return
    folder = intel_folder(vectors_folder(metafunc.config))
    if folder is None:
        skip = pytest.mark.skip(reason="give --vectors DIR with a folder attestation/intel")
        metafunc.parametrize(("folder", "row"), [pytest.param(None, None, marks=skip, id="none")])
        return
    rows = [row for row in folder.rows.values() if row["authentic"] is not None]
    metafunc.parametrize(("folder", "row"), [pytest.param(folder, row, id=row["id"]) for row in rows])


def intel_folder(vectors: Path | None) -> Folder | None:
    path = vectors / "attestation" / "intel" if vectors else None
    if path is None or not (path / "expected.json").exists():
        return None
    rows = json.loads((path / "expected.json").read_text())["vectors"]
    return Folder(path, {row["id"]: row for row in rows})


@pytest.fixture
def intel(vectors: Path) -> Folder:
    folder = intel_folder(vectors)
    assert folder is not None
    return folder


def accepted(folder: Folder) -> list[Case]:
    """Quotes that some relying party accepts, each with its policy."""
    samples = [load(row, folder) for row in folder.rows.values() if row["verdict"].startswith("accept")]
    return [sample.strict if sample.judge_strictly().appraised else sample.lenient for sample in samples]


def test_claims_are_those_of_the_row(folder: Folder, row: Row):
    wanted = row["claims"]
    verdict = load(row, folder).judge_strictly()
    if not row["authentic"]:
        assert not verdict.authentic
        return
    found = {**dict(verdict.claims.vendor), **{item.name: item.digest.hex() for item in verdict.claims.measurements}}
    assert verdict.claims.versions.attestation == wanted["version"]
    assert verdict.claims.debug is wanted["debug"]
    assert verdict.claims.freshness.challenge.hex() == wanted["report_data"]
    assert verdict.claims.anchor == INTEL_SGX_ROOT.name
    names = {"tee", "fmspc", "pck_ca", "mrenclave", "mrsigner", "isv_prod_id", "isv_svn", "mrtd", "rtmr0"}
    for name in names | {"td_attributes", "tee_tcb_svn", "mrseam", "trailing_bytes"}:
        in_row = name.replace("isv_prod_id", "isvprodid").replace("isv_svn", "isvsvn")
        if in_row in wanted:
            assert found[name] == wanted[in_row], name
    if isinstance(wanted["tcb_level"], str):
        assert found["tcb_status"] is None
    else:
        status, date, advisories = wanted["tcb_level"]
        assert (found["tcb_status"], found["tcb_advisories"]) == (status, ",".join(advisories or ()))
        assert datetime.fromisoformat(found["tcb_date"]) == datetime.fromisoformat(date)


def test_verdict_on_a_later_day(folder: Folder, row: Row):
    """Collateral is stale by then; what is wrong with the quote itself still comes first."""
    verdict = verify_case(replace(load(row, folder).strict, at=LATER))
    assert not verdict.appraised
    codes = wanted_codes({"reason": row["verdict_2026_11_20"]}, phrases=PHRASES)
    assert verdict.reasons[0] in codes
    assert verdict.authentic is row["authentic"]


def test_collateral_bundles_say_what_their_rows_say(intel: Folder):
    rows = [row for row in intel.rows.values() if "tcbEvaluationDataNumber" in row["claims"]]
    for row in rows:
        claims = row["claims"]
        found = parse_intel_collateral(CollateralPieces.from_bundle(intel.read(row["files"][0])))
        assert found.tcb_info.fmspc.hex() == claims["fmspc"].lower()
        assert found.tcb_info.id == claims["tee"]
        assert found.tcb_info.validity.evaluation_number == claims["tcbEvaluationDataNumber"]
        assert len(found.pck_crl.revoked) == claims["pck_crl_revoked"]
    assert rows


def test_anchor_is_the_root_in_the_folder(intel: Folder):
    (name,) = intel.rows["root"]["files"]
    root = parse_certificate(pem_certificates(intel.read(name), at_most=1)[0])
    assert root.spki == INTEL_SGX_ROOT.spki


def test_event_log_of_a_genuine_guest_explains_its_registers(intel: Folder):
    path = intel.path / "ccel" / "cos-113-ccel_data.bin"
    case = load(intel.rows["tdx-v4-gcp-cos113"], intel).strict
    quote, log = case.evidence.named("quote")[0], path.read_bytes()
    verdict = verify_case(replace(case, evidence=evidence(quote, event_log=log)))
    assert verdict.appraised
    assert Unchecked.EVENT_LOG not in verdict.not_checked
    replayed = parse_event_log(log).replay(HashId.SHA384)
    assert tuple(replayed.get(index, bytes(48)) for index in (1, 2, 3, 4)) == parse_quote(quote).body.rtmrs
    for offset in Random(1).sample(range(0x100, 0x4000), 60):
        changed = log[:offset] + bytes([log[offset] ^ 1]) + log[offset + 1 :]
        verdict = verify_case(replace(case, evidence=evidence(quote, event_log=changed)))
        # data behind a digest is not measured as it stands, so changes there go unseen, and nothing rests on it
        assert verdict.appraised or verdict.reasons[0] in (Reason.EVENT_LOG_MISMATCH, Reason.MALFORMED)


def test_no_changed_byte_of_an_accepted_quote_goes_unseen(intel: Folder):
    """All bytes but the padding, and PEM text that Base64 reads alike."""
    random = Random(2)
    cases = accepted(intel)
    for case in cases:
        quote = case.evidence.named("quote")[0]
        end = len(quote) - parse_quote(quote).trailing_bytes
        for offset in random.sample(range(end), 50):
            changed = quote[:offset] + bytes([quote[offset] ^ 1 << random.randrange(8)]) + quote[offset + 1 :]
            verdict = verify_case(replace(case, evidence=replace(case.evidence, parts=evidence(changed).parts)))
            assert not verdict.authentic or same_chain(quote, changed), offset
    assert cases


def same_chain(first: bytes, second: bytes) -> bool:
    """Two quotes that differ only in how the PEM text is written."""
    one, other = parse_quote(first), parse_quote(second)
    chains = (pem_certificates(quote.qe.pck_chain, at_most=3) for quote in (one, other))
    return next(chains) == next(chains) and one.signed == other.signed and one.signature == other.signature


def test_no_changed_byte_of_signed_collateral_goes_unseen(intel: Folder):
    random = Random(3)
    for case in accepted(intel)[:6]:
        pieces = case.collateral.intel.pieces
        for name in (
            "tcb_info",
            "tcb_info_signature",
            "qe_identity",
            "qe_identity_signature",
            "pck_crl",
            "root_ca_crl",
        ):
            for offset in random.sample(range(len(getattr(pieces, name))), 5):
                piece = getattr(pieces, name)
                changed = piece[:offset] + bytes([piece[offset] ^ 1]) + piece[offset + 1 :]
                try:
                    collateral = parse_intel_collateral(replace(pieces, **{name: changed}))
                except CollateralError:
                    continue
                verdict = verify_case(replace(case, collateral=Collateral(intel=collateral)))
                assert verdict.reasons[0] is Reason.BAD_COLLATERAL_SIGNATURE


def test_another_challenge_and_trailing_bytes(intel: Folder):
    for case in accepted(intel):
        other = verify_case(replace(case, expectation=Expectation(b"another challenge")))
        assert other.reasons[0] is Reason.CHALLENGE_MISMATCH
        padded = evidence(case.evidence.named("quote")[0] + bytes(100))
        assert verify_case(replace(case, evidence=padded)).appraised


def test_collateral_of_another_platform(intel: Folder):
    cases = accepted(intel)
    for case in cases:
        for other in cases:
            if other.collateral.intel.tcb_info.fmspc != case.collateral.intel.tcb_info.fmspc:
                verdict = verify_case(replace(case, collateral=other.collateral, at=case.at))
                assert verdict.reasons[0] is Reason.COLLATERAL_MISMATCH
                assert verdict.authentic


def test_collateral_key_names_what_to_fetch(intel: Folder):
    for case in accepted(intel):
        key = collateral_key(case.evidence.named("quote")[0])
        assert key.fmspc == case.collateral.intel.tcb_info.fmspc.hex()
        assert (case.evidence.format is Format.INTEL_TDX) is (key.tee == "TDX")
        assert key.pck_ca.startswith("Intel SGX PCK ")


def test_verdicts_are_fast(intel: Folder):
    cases = accepted(intel)
    seconds = []
    for _ in range(10):
        for case in cases:
            start = process_time()
            verify_case(case)
            seconds.append(process_time() - start)
    assert quantiles(seconds, n=100)[98] < 0.02
