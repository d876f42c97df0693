"""A second opinion: dcap-qvl, an implementation of Intel's rules in Rust, where it is installed.

It is stricter in one way (quotes without SEPT_VE_DISABLE, with debug or a service TD are errors, not statuses) and
knows no policy; it is asked about every genuine quote and about everything the evidence factory makes.
"""

import json
from datetime import UTC, datetime

import pytest
from hallmark_test_options import vectors_folder

from attestation import Reason, Verdict, verify_case
from attestation.case import Case
from attestation.pem import pem_certificates
from attestation.samples.intel import load
from attestation.samples.sample import Folder
from attestation.testing import intel
from attestation.testing.variant import Good, Variant

dcap_qvl = pytest.importorskip("dcap_qvl", reason="dcap-qvl, an optional second opinion, is not installed")

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
OURS_ALONE = {
    Reason.CHALLENGE_MISMATCH,
    Reason.KEY_MISMATCH,
    Reason.EVENT_LOG_MISMATCH,
    Reason.WRONG_TYPE,
    Reason.UNTRUSTED_ROOT,
}  # dcap-qvl is told neither challenge nor log nor format, and is given the root of the collateral
STRICTER = {
    "tdx": {"service TD allowed", "collateral within its grace"},
    "sgx": {"debug allowed", "collateral within its grace", "version 4", "version 5"},  # enclaves in version 3 only
}
# It has no bounds of its own, ignores certificates it does not need, and takes TCB info from any key under the root.
MILDER = {"oversize", "four certificates", "root missing", "root signature bit", "TCB info by a platform"}
NOT_ASKED = {"no quote", "two quotes", "unknown part", "event log of an enclave", "log with bytes behind it", "log cut"}


def ask(case: Case, root: bytes | None = None) -> tuple[str, list[str]] | None:
    """Status and advisories, or None where dcap-qvl refuses."""
    pieces = case.collateral.intel.pieces
    collateral = dcap_qvl.QuoteCollateralV3(
        pieces.pck_crl_chain.decode(), pieces.root_ca_crl, pieces.pck_crl,
        pieces.tcb_info_chain.decode(), pieces.tcb_info.decode(), pieces.tcb_info_signature,
        pieces.qe_identity_chain.decode(), pieces.qe_identity.decode(), pieces.qe_identity_signature,
    )  # fmt: skip
    quote, now = case.evidence.named("quote")[0], int(case.at.timestamp())
    try:
        if root is None:
            report = dcap_qvl.verify(quote, collateral, now)
        else:
            report = dcap_qvl.verify_with_root_ca(quote, collateral, root, now)
    except ValueError:
        return None
    return report.status, sorted(report.advisory_ids)


def tcb(verdict: Verdict) -> tuple[str, list[str]]:
    advisories = str(verdict.claims.vendor_claim("tcb_advisories") or "")
    return str(verdict.claims.vendor_claim("tcb_status")), sorted(filter(None, advisories.split(",")))


def test_genuine_quotes(request: pytest.FixtureRequest):
    vectors = vectors_folder(request.config)
    if vectors is None:
        pytest.skip("give --vectors DIR with a folder attestation/intel")
    path = vectors / "attestation" / "intel"
    folder = Folder(path, {row["id"]: row for row in json.loads((path / "expected.json").read_text())["vectors"]})
    agreed = 0
    for row in folder.rows.values():
        if row["authentic"] is None:
            continue
        case = load(row, folder).strict
        verdict, answer = verify_case(case), ask(case)
        if answer is None:
            assert not verdict.appraised, row["id"]
        else:
            assert verdict.authentic, row["id"]
            assert tcb(verdict) == answer, row["id"]
            agreed += 1
    assert agreed


@pytest.mark.parametrize("tee", ["sgx", "tdx"])
def test_factory(tee: str):
    made: list[Good | Variant] = [*getattr(intel, f"good_{tee}")(NOW), *getattr(intel, f"broken_{tee}")(NOW)]
    asked = [item for item in made if item.name not in NOT_ASKED and item.case.collateral.intel is not None]
    different = []
    for item in asked:
        root = pem_certificates(item.case.collateral.intel.pieces.pck_crl_chain, at_most=2)[-1]
        verdict, answer = verify_case(item.case), ask(item.case, root)
        if answer is None and verdict.appraised and item.name not in STRICTER[tee]:
            different.append((item.name, "refused by dcap-qvl only"))
        ours_alone = item.name in MILDER or OURS_ALONE.intersection(verdict.reasons)
        if answer is not None and not (verdict.authentic or ours_alone):
            different.append((item.name, answer, verdict.reasons))
        if answer is not None and verdict.appraised and tcb(verdict) != answer:
            different.append((item.name, answer, tcb(verdict)))
    assert not different
    assert len(asked) > 50
