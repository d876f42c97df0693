"""Edge rules of Intel quotes beside the catalogue: statuses that add up, levels, what is said to be unchecked, claims."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from attestation import Collateral, EvidenceError, Format, Reason, Unchecked, verdict_to_dict, verify_case
from attestation.anchors_intel import INTEL
from attestation.formats.intel import CollateralKey, collateral_key, evidence
from attestation.formats.intel_levels import combine
from attestation.formats.intel_quote import Tee, parse_quote
from attestation.intel_tcb import TcbStatus
from attestation.policy import Policy
from attestation.policy_intel import IntelPolicy, SgxPolicy, TdxPolicy
from attestation.testing.certificates import KeyKind, new_key
from attestation.testing.intel import LOG, MEASURED
from attestation.testing.intel_bench import CHALLENGE, Bench
from attestation.testing.intel_pcs import LEVEL_DATE
from attestation.testing.intel_platform import FMSPC, PLATFORM_CA, PPID, sign_raw
from attestation.testing.intel_quote import EnclaveState, TdState

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def sgx() -> Bench:
    return Bench.create(Tee.SGX, now=NOW)


@pytest.fixture(scope="module")
def tdx() -> Bench:
    return Bench.create(Tee.TDX, now=NOW)


def test_an_edited_quote_is_edited_first_and_expired_next(tdx):
    quote = bytearray(tdx.quote())
    quote[600] ^= 1
    verdict = verify_case(replace(tdx.case(bytes(quote)), at=NOW + timedelta(days=36500)))
    assert verdict.reasons[0] is Reason.BAD_SIGNATURE
    assert Reason.EXPIRED in verdict.reasons


UP, SW, CONF, BOTH, OLD, OLD_CONF, REVOKED = TcbStatus


@pytest.mark.parametrize(
    ("parts", "whole"),
    [
        ((UP, UP), UP),
        ((SW, UP), SW),
        ((SW, CONF), BOTH),
        ((UP, OLD), OLD),
        ((SW, OLD), OLD),
        ((CONF, OLD), OLD_CONF),
        ((BOTH, OLD), OLD_CONF),
        ((OLD_CONF, OLD), OLD_CONF),
        ((OLD, REVOKED), REVOKED),
        ((OLD_CONF, REVOKED, SW), REVOKED),
    ],
)
def test_the_worst_of_all_parts_holds(parts: tuple[TcbStatus, ...], whole: TcbStatus):
    assert combine(*parts) is combine(*reversed(parts)) is whole


def test_every_sum_of_statuses_is_a_status():
    for one, other in product(TcbStatus, repeat=2):
        assert combine(one, other) in TcbStatus
        assert combine(one, one) is one


def test_first_level_that_is_met_decides(tdx: Bench):
    def older_below(document: dict) -> None:
        first = document["tcbLevels"][0]
        better = [{"svn": item["svn"] + 1} for item in first["tcb"]["sgxtcbcomponents"]]
        newest = {**first, "tcb": {**first["tcb"], "sgxtcbcomponents": better}}
        document["tcbLevels"] = [newest, {**first, "tcbStatus": "OutOfDate"}, {**first, "tcbStatus": "Revoked"}]

    verdict = verify_case(replace(tdx.case(), collateral=tdx.collateral(edit_tcb_info=older_below)))
    assert verdict.reasons == (Reason.TCB_OUT_OF_DATE,)


def test_grace_ends_with_its_last_second(sgx: Bench):
    for over, reasons in ((timedelta(0), ()), (timedelta(seconds=1), (Reason.TCB_OUT_OF_DATE,))):
        grace = NOW - LEVEL_DATE - over
        case = replace(sgx.case(out_of_date_grace=grace), collateral=sgx.collateral(status="OutOfDate"))
        assert verify_case(case).reasons == reasons


def test_grace_is_for_platforms_out_of_date_only(sgx: Bench):
    case = sgx.case(out_of_date_grace=timedelta(days=36500))
    for status in ("Revoked", "ConfigurationNeeded"):
        assert not verify_case(replace(case, collateral=sgx.collateral(status=status))).appraised


def test_up_to_date_can_be_left_out_of_the_allowed_statuses(sgx: Bench):
    assert not verify_case(sgx.case(tcb_statuses=frozenset({TcbStatus.OUT_OF_DATE}))).appraised


def test_without_collateral_the_quote_is_still_authentic(sgx: Bench):
    bare = replace(sgx.case(), collateral=Collateral())
    verdict = verify_case(bare)
    assert (verdict.authentic, verdict.reasons) == (True, (Reason.TCB_COLLATERAL_MISSING,))
    allowed = verify_case(replace(bare, policy=Policy(intel=IntelPolicy(allow_missing_collateral=True))))
    assert allowed.appraised
    assert Unchecked.TCB_STATUS in allowed.not_checked
    assert Unchecked.TCB_STATUS not in verify_case(sgx.case()).not_checked


def test_debug_comes_before_stale_collateral(sgx: Bench):
    debug = replace(sgx.case(sgx.quote(EnclaveState(flags=7))), collateral=sgx.collateral(crl_next_update=-1))
    assert verify_case(debug).reasons == (Reason.DEBUG_ENCLAVE, Reason.STALE_COLLATERAL)


def test_all_causes_are_told(tdx: Bench):
    quote = tdx.quote(TdState(td_attributes=0))
    verdict = verify_case(replace(tdx.case(quote), collateral=tdx.collateral(status="OutOfDate")))
    assert verdict.reasons == (Reason.TCB_OUT_OF_DATE, Reason.ATTRIBUTES_NOT_ALLOWED)


def test_what_is_said_to_be_unchecked(sgx: Bench, tdx: Bench):
    assert verify_case(sgx.case()).not_checked == (
        Unchecked.KEY_BINDING,
        Unchecked.PLATFORM_IDENTITY,
        Unchecked.MEASUREMENTS,
    )
    named = tdx.case(
        tdx.quote(TdState(rtmrs=MEASURED)),
        event_log=LOG,
        platforms=frozenset({PPID}),
        tdx=TdxPolicy(mr_td=frozenset({TdState().mr_td})),
    )
    assert verify_case(named).not_checked == (Unchecked.KEY_BINDING,)
    assert Unchecked.EVENT_LOG in verify_case(tdx.case()).not_checked
    signers = SgxPolicy(signers=frozenset({EnclaveState().mr_signer}))
    assert Unchecked.MEASUREMENTS not in verify_case(sgx.case(sgx=signers)).not_checked


def test_registers_that_the_log_need_not_explain(tdx: Bench):
    """RTMR 3 belongs to the guest, who may extend it without the firmware's log."""
    measured = tdx.quote(TdState(rtmrs=(*MEASURED[:3], bytes([9]) * 48)))
    assert verify_case(tdx.case(measured, event_log=LOG)).reasons == (Reason.EVENT_LOG_MISMATCH,)
    policy = TdxPolicy(replayed_registers=frozenset({0, 1, 2}))
    assert verify_case(tdx.case(measured, event_log=LOG, tdx=policy)).appraised


def test_claims_of_an_enclave(sgx: Bench):
    claims = verify_case(sgx.case()).claims
    assert {item.name: item.digest for item in claims.measurements} == {
        "mrenclave": EnclaveState().mr_enclave,
        "mrsigner": EnclaveState().mr_signer,
    }
    assert (claims.debug, claims.security_level, claims.anchor) == (False, "ENCLAVE", "virtual-intel")
    assert claims.freshness.challenge == CHALLENGE.ljust(64, b"\0")
    assert claims.vendor_claim("tcb_status") == "UpToDate"
    assert (claims.vendor_claim("fmspc"), claims.vendor_claim("pck_ca")) == (FMSPC.hex(), PLATFORM_CA)
    assert claims.vendor_claim("isv_svn") == 5


def test_which_processor_it_was_is_personal_data(sgx: Bench):
    verdict = verify_case(sgx.case())
    assert verdict.claims.device.serial == PPID.hex()
    assert PPID.hex() not in str(verdict_to_dict(verdict))
    assert verdict_to_dict(verdict, identifiers=True)["claims"]["device"]["serial"] == PPID.hex()


def test_claims_of_a_newer_trust_domain(tdx: Bench):
    claims = verify_case(tdx.case(tdx.quote(TdState(newer=True), version=5))).claims
    assert claims.versions.attestation == 5
    assert claims.vendor_claim("tee_tcb_svn_2") == claims.vendor_claim("tee_tcb_svn")
    assert "mrservicetd" not in {item.name for item in claims.measurements}


def test_evidence_is_labelled_by_the_header():
    assert evidence(b"").format is Format.INTEL_SGX
    assert evidence(bytes.fromhex("0400020081000000")).format is Format.INTEL_TDX


def test_which_collateral_is_needed(tdx: Bench):
    assert collateral_key(tdx.quote()) == CollateralKey(Tee.TDX, FMSPC.hex(), PLATFORM_CA)
    for quote in (b"", tdx.quote(chain=tdx.platform.pck.chain[:1])):
        with pytest.raises(EvidenceError):
            collateral_key(quote)


def test_attestation_key_that_is_no_point(sgx: Bench):
    quote = sgx.quote()
    key = parse_quote(quote).attestation_key
    verdict = verify_case(sgx.case(quote.replace(key, b"\xff" * 64)))
    assert verdict.reasons == (Reason.BINDING_MISMATCH, Reason.BAD_SIGNATURE)


def test_platform_key_of_another_curve(sgx: Bench):
    """A PCK on P-384 cannot have signed a report; the signature is somebody's."""
    key = new_key(KeyKind.EC_P384)
    platform = sgx.maker.platform(now=NOW)
    ca = sgx.maker.cas[PLATFORM_CA]
    pck = ca.issue_ca(platform.pck.subject, key, begin=NOW, end=NOW + timedelta(days=1), extensions=())
    quote = sgx.quote(chain=pck.chain)
    assert Reason.UNSUPPORTED_ALGORITHM in verify_case(sgx.case(quote)).reasons


def test_versions_4_and_5_of_one_body_are_signed_apart(tdx: Bench):
    four, five = (parse_quote(tdx.quote(version=version)) for version in (4, 5))
    assert (len(four.signed), len(five.signed)) == (48 + 584, 48 + 6 + 584)
    assert len(sign_raw(tdx.platform.attestation_key, b"")) == 64


def test_body_sizes_of_version_5(tdx: Bench):
    quote = bytearray(tdx.quote(version=5))
    for body_type, size in ((1, 584), (2, 648), (3, 584), (4, 584), (1, 384)):
        quote[48:54] = body_type.to_bytes(2, "little") + size.to_bytes(4, "little")
        with pytest.raises(EvidenceError, match="body of type"):
            parse_quote(bytes(quote))


def test_the_anchor_is_intels_for_both_tees():
    assert INTEL.for_format(Format.INTEL_SGX) == INTEL.for_format(Format.INTEL_TDX) == INTEL.items
    assert INTEL.items[0].spki_sha256 == "a0af031289f5d5d4132f9186068a7fc13628633ba235777472e29b6b6c67a49e"
