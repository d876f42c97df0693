"""Enclaves and trust domains of the catalogue: good ones in every version of the quote, and every way to cheat."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256, sha384, sha512
from typing import Any, Final

from attestation.case import Case
from attestation.event_log import EV_NO_ACTION, Event, HashId
from attestation.formats.intel_quote import Tee
from attestation.intel_tcb import TcbStatus
from attestation.model import Expectation, Format
from attestation.policy_intel import SgxFlag, SgxPolicy, TdAttribute, TdxPolicy
from attestation.reasons import Reason
from attestation.testing.certificates import KeyKind, new_key, spki_of
from attestation.testing.event_log import write_event_log
from attestation.testing.intel_bench import CHALLENGE, Bench, Maker, Table, pcs, quoted
from attestation.testing.intel_broken import INAUTHENTIC
from attestation.testing.intel_broken_collateral import COLLATERAL
from attestation.testing.intel_pcs import LEVEL_DATE, TDX_COMPONENTS
from attestation.testing.intel_quote import TD_QE, EnclaveState, TdState
from attestation.testing.variant import Good, Variant

EVENTS: Final = (
    Event(1, EV_NO_ACTION, ((HashId.SHA384, bytes(48)),), b"tells, extends nothing"),
    Event(1, 0x8000_0001, ((HashId.SHA384, sha384(b"variable").digest()),), b"variable"),
    Event(2, 0x8000_0003, ((HashId.SHA384, sha384(b"boot loader").digest()),), b"boot loader"),
    Event(3, 0x0000_000D, ((HashId.SHA384, sha384(b"kernel").digest()),), b"kernel"),
    Event(1, 0x0000_0004, ((HashId.SHA384, sha384(bytes(4)).digest()),), bytes(4)),
)
LOG: Final = write_event_log(EVENTS, algorithms=(HashId.SHA384,), padding=b"\xff" * 64)


def _extended(*digests: bytes) -> bytes:
    register = bytes(48)
    for digest in digests:
        register = sha384(register + digest).digest()
    return register


MEASURED: Final = (
    _extended(sha384(b"variable").digest(), sha384(bytes(4)).digest()),
    _extended(sha384(b"boot loader").digest()),
    _extended(sha384(b"kernel").digest()),
    bytes(48),
)
_EVERY_BUT_REVOKED: Final = frozenset(TcbStatus) - {TcbStatus.REVOKED}


def good_sgx(now: datetime) -> Iterator[Good]:
    bench = Bench.create(Tee.SGX, now=now)
    state = EnclaveState()
    for version in (3, 4, 5):
        yield Good(f"version {version}", bench.case(bench.quote(version=version)))
    named = SgxPolicy(
        enclaves=frozenset({state.mr_enclave}), signers=frozenset({state.mr_signer}),
        product_ids=frozenset({state.isv_prod_id}), min_isv_svn=state.isv_svn, config_ids=frozenset({bytes(64)}),
    )  # fmt: skip
    yield Good("reference values", bench.case(sgx=named))
    debug = bench.quote(EnclaveState(flags=state.flags | SgxFlag.DEBUG))
    yield Good("debug allowed", bench.case(debug, allow_debug=True))
    yield from _good(bench)


def good_tdx(now: datetime) -> Iterator[Good]:
    bench = Bench.create(Tee.TDX, now=now)
    yield Good("version 4", bench.case())
    yield Good("version 5, TDX 1.0 body", bench.case(bench.quote(version=5)))
    yield Good("version 5, TDX 1.5 body", bench.case(bench.quote(TdState(newer=True), version=5)))
    yield Good("TDX module 1.0", bench.case(bench.quote(TdState(tee_tcb_svn=bytes(TDX_COMPONENTS)))))
    yield Good("boot event log", bench.case(bench.quote(TdState(rtmrs=MEASURED)), event_log=LOG))
    service = TdxPolicy(service_tds=frozenset({bytes([1]) * 48}))
    migrated = bench.quote(TdState(newer=True, mr_service_td=bytes([1]) * 48), version=5)
    yield Good("service TD allowed", bench.case(migrated, tdx=service))
    yield from _good(bench)


def _good(bench: Bench) -> Iterator[Good]:
    """What holds for both TEEs."""
    yield Good("padded buffer", bench.case(bench.quote(trailing=b"not zero" + bytes(70))))
    key = spki_of(new_key(KeyKind.EC_P256))
    for new in (sha512, sha384, sha256):
        bound = bench.case(bench.quote(report_data=new(CHALLENGE + key).digest()))
        yield Good(f"key bound by {new().name}", replace(bound, expectation=Expectation(CHALLENGE, key)))
    needs = bench.collateral(status="SWHardeningNeeded", advisories=("INTEL-SA-00615",))
    allowed = bench.case(tcb_statuses=_EVERY_BUT_REVOKED, advisories=frozenset({"INTEL-SA-00615"}))
    yield Good("status and advisory allowed", replace(allowed, collateral=needs))
    grace = bench.case(out_of_date_grace=bench.now - LEVEL_DATE)
    yield Good("within the days of grace", replace(grace, collateral=bench.collateral(status="OutOfDate")))
    offline = bench.case(collateral_grace=timedelta(days=11))
    yield Good("collateral within its grace", replace(offline, collateral=bench.collateral(crl_next_update=-10)))


def broken_sgx(now: datetime) -> Iterator[Variant]:
    yield from _variants(Bench.create(Tee.SGX, now=now), INAUTHENTIC | COLLATERAL | SGX)


def broken_tdx(now: datetime) -> Iterator[Variant]:
    yield from _variants(Bench.create(Tee.TDX, now=now), INAUTHENTIC | COLLATERAL | TDX)


def _variants(bench: Bench, table: Table) -> Iterator[Variant]:
    for title, (reason, make) in table.items():
        yield Variant(title, reason, make(bench))


def _relabelled(form: Format) -> Maker:
    def make(bench: Bench) -> Case:
        case = bench.case()
        return replace(case, evidence=replace(case.evidence, format=form))

    return make


def _log(change: bytes = b"", **policy: Any) -> Maker:
    """A TD that measured the log, and a log with something behind it."""
    log = write_event_log(EVENTS, algorithms=(HashId.SHA384,), padding=change)
    return lambda bench: bench.case(bench.quote(TdState(rtmrs=MEASURED)), event_log=log, tdx=TdxPolicy(**policy))


def _events(*events: Event) -> Maker:
    log = write_event_log(events, algorithms=(HashId.SHA384,))
    return lambda bench: bench.case(bench.quote(TdState(rtmrs=MEASURED)), event_log=log)


def _sgx(**policy: Any) -> Maker:
    return lambda bench: bench.case(sgx=SgxPolicy(**policy))


def _tdx(**policy: Any) -> Maker:
    return lambda bench: bench.case(tdx=TdxPolicy(**policy))


def _module_out_of_date(document: dict[str, Any]) -> None:
    document["tdxModuleIdentities"][0]["tcbLevels"][0].update(tcbStatus="OutOfDate")


SGX: Final[Table] = {
    "labelled as TDX": (Reason.WRONG_TYPE, _relabelled(Format.INTEL_TDX)),
    "event log of an enclave": (Reason.MALFORMED, lambda bench: bench.case(event_log=LOG)),
    "debug enclave": (Reason.DEBUG_ENCLAVE, quoted({"flags": SgxFlag.INIT | SgxFlag.MODE64BIT | SgxFlag.DEBUG})),
    "enclave with the provision key": (Reason.ATTRIBUTES_NOT_ALLOWED, quoted({"flags": TD_QE.flags})),
    "enclave not initialised": (Reason.ATTRIBUTES_NOT_ALLOWED, quoted({"flags": 0})),
    "another enclave": (Reason.MEASUREMENT_MISMATCH, _sgx(enclaves=frozenset({bytes(32)}))),
    "another configuration": (Reason.MEASUREMENT_MISMATCH, _sgx(config_ids=frozenset({bytes([1]) * 64}))),
    "another signer": (Reason.IDENTITY_NOT_ALLOWED, _sgx(signers=frozenset({bytes(32)}))),
    "another product": (Reason.IDENTITY_NOT_ALLOWED, _sgx(product_ids=frozenset({1, 2}))),
    "older build": (Reason.SVN_TOO_LOW, _sgx(min_isv_svn=6)),
}

TDX: Final[Table] = {
    "labelled as SGX": (Reason.WRONG_TYPE, _relabelled(Format.INTEL_SGX)),
    "log with bytes behind it": (Reason.MALFORMED, _log(bytes(40) + b"\1")),
    "log cut": (Reason.MALFORMED, lambda bench: bench.case(event_log=LOG[:200])),
    "log of another boot": (Reason.EVENT_LOG_MISMATCH, _events(*EVENTS[:-1])),
    "log in another order": (Reason.EVENT_LOG_MISMATCH, _events(EVENTS[4], *EVENTS[1:4])),
    "log of more registers": (Reason.EVENT_LOG_MISMATCH, _events(*EVENTS, replace(EVENTS[1], index=5))),
    "log demanded": (Reason.MEASUREMENT_MISSING, _tdx(require_event_log=True)),
    "module of another signer": (Reason.TDX_MODULE_MISMATCH, quoted({"mr_signer_seam": bytes([1]) * 48})),
    "module in debug mode": (Reason.TDX_MODULE_MISMATCH, quoted({"seam_attributes": b"\1".ljust(8, b"\0")})),
    "module 1.0 of another signer": (
        Reason.TDX_MODULE_MISMATCH,
        quoted({"tee_tcb_svn": bytes(TDX_COMPONENTS), "mr_signer_seam": bytes([1]) * 48}),
    ),
    "module of tomorrow": (
        Reason.TCB_NOT_SUPPORTED,
        quoted({"tee_tcb_svn": bytes([5, 9, 3]).ljust(16, b"\0")}),
    ),
    "module below": (Reason.TCB_NOT_SUPPORTED, quoted({"tee_tcb_svn": bytes([4, 1, 3]).ljust(16, b"\0")})),
    "module 1.0 below": (Reason.TCB_NOT_SUPPORTED, quoted({"tee_tcb_svn": bytes([4, 0, 3]).ljust(16, b"\0")})),
    "TDX microcode below": (Reason.TCB_NOT_SUPPORTED, quoted({"tee_tcb_svn": bytes([5, 1, 2]).ljust(16, b"\0")})),
    "module out of date": (Reason.TCB_OUT_OF_DATE, pcs(edit_tcb_info=_module_out_of_date)),
    "TD under debug": (Reason.DEBUG_ENABLED, quoted({"td_attributes": TdAttribute.SEPT_VE_DISABLE | 1})),
    "TD under profiling": (Reason.DEBUG_ENABLED, quoted({"td_attributes": TdAttribute.SEPT_VE_DISABLE | 1 << 5})),
    "SEPT_VE_DISABLE off": (Reason.ATTRIBUTES_NOT_ALLOWED, quoted({"td_attributes": 0})),
    "TD may be migrated": (
        Reason.ATTRIBUTES_NOT_ALLOWED,
        quoted({"td_attributes": TdAttribute.SEPT_VE_DISABLE | TdAttribute.MIGRATABLE}),
    ),
    "reserved attribute": (
        Reason.ATTRIBUTES_NOT_ALLOWED,
        quoted({"td_attributes": TdAttribute.SEPT_VE_DISABLE | 1 << 40}),
    ),
    "unknown feature": (Reason.ATTRIBUTES_NOT_ALLOWED, quoted({"xfam": 0xE7 | 1 << 40})),
    "no SSE": (Reason.ATTRIBUTES_NOT_ALLOWED, quoted({"xfam": 1})),
    "service TD": (
        Reason.SERVICE_TD_NOT_ALLOWED,
        quoted({"newer": True, "mr_service_td": bytes([1]) * 48}, version=5),
    ),
    "another TD": (Reason.MEASUREMENT_MISMATCH, _tdx(mr_td=frozenset({bytes(48)}))),
    "another firmware": (Reason.MEASUREMENT_MISMATCH, _tdx(rtmr0=frozenset({bytes(48)}))),
    "another application": (Reason.MEASUREMENT_MISMATCH, _tdx(rtmr3=frozenset({bytes([1]) * 48}))),
    "another owner": (Reason.MEASUREMENT_MISMATCH, _tdx(mr_owner=frozenset({bytes([1]) * 48}))),
}
