"""What a quote of Intel SGX or TDX must say. Frozen, strict by default; reference values are sets, and an empty set
means that a value is not checked (the verdict then says so).
"""

from dataclasses import dataclass, field
from datetime import timedelta
from enum import IntFlag
from typing import Final

from attestation.intel_tcb import TcbStatus


class SgxFlag(IntFlag):
    """ATTRIBUTES.FLAGS of an enclave (Intel SDM volume 3D, 35.7.1)."""

    INIT = 1 << 0
    DEBUG = 1 << 1
    MODE64BIT = 1 << 2
    PROVISION_KEY = 1 << 4
    EINITTOKEN_KEY = 1 << 5
    CET = 1 << 6
    KSS = 1 << 7
    AEX_NOTIFY = 1 << 10


class TdAttribute(IntFlag):
    """ATTRIBUTES of a trust domain (Intel TDX Module Base Architecture Specification, TD_ATTRIBUTES). The eight lowest
    bits put a TD under debug or profiling from outside; any of them set means that its memory is not confidential.
    """

    DEBUG = 1 << 0
    LASS = 1 << 27
    SEPT_VE_DISABLE = 1 << 28
    MIGRATABLE = 1 << 29
    PKS = 1 << 30
    KEY_LOCKER = 1 << 31
    PERFMON = 1 << 63


TD_UNDER_DEBUG: Final = 0xFF

# XCR0 and IA32_XSS bits that TDX lets a guest have: x87, SSE, AVX, AVX-512, PT, PKRU, CET, UINTR, LBR, AMX.
XFAM_KNOWN: Final = 0x0006_DBE7
XFAM_ALWAYS: Final = 0x3  # x87 and SSE; the architecture has them always set


@dataclass(frozen=True, slots=True)
class SgxPolicy:
    """Reference values of enclaves: MRENCLAVE and MRSIGNER (32 bytes each), product ids, the least ISVSVN, CONFIGID
    (64 bytes). Flags outside `allowed_flags` are refused: the keys they open are for Intel's own enclaves.
    """

    enclaves: frozenset[bytes] = frozenset()
    signers: frozenset[bytes] = frozenset()
    product_ids: frozenset[int] = frozenset()
    min_isv_svn: int | None = None
    config_ids: frozenset[bytes] = frozenset()
    allowed_flags: int = SgxFlag.INIT | SgxFlag.MODE64BIT | SgxFlag.CET | SgxFlag.KSS | SgxFlag.AEX_NOTIFY


@dataclass(frozen=True, slots=True)
class TdxPolicy:
    """Reference values of trust domains, 48 bytes each: MRTD, RTMR0 to 3, MRSEAM, MRCONFIGID, MROWNER, MROWNERCONFIG.

    `service_tds`: MRSERVICETD values that are accepted beside zeros; None accepts any service TD.
    SEPT_VE_DISABLE must be set, because without it a host may feed a guest zeroed pages unnoticed. TDs that may be
    migrated (MIGRATABLE) have to be allowed on purpose.
    `replayed_registers`: RTMRs that an event log must explain, where one is given or demanded; some guests extend
    RTMR 3 at run time outside of the log.
    """

    mr_td: frozenset[bytes] = frozenset()
    rtmr0: frozenset[bytes] = frozenset()
    rtmr1: frozenset[bytes] = frozenset()
    rtmr2: frozenset[bytes] = frozenset()
    rtmr3: frozenset[bytes] = frozenset()
    mr_seam: frozenset[bytes] = frozenset()
    mr_config_id: frozenset[bytes] = frozenset()
    mr_owner: frozenset[bytes] = frozenset()
    mr_owner_config: frozenset[bytes] = frozenset()
    service_tds: frozenset[bytes] | None = frozenset()
    required_attributes: int = TdAttribute.SEPT_VE_DISABLE
    allowed_attributes: int = (
        TdAttribute.SEPT_VE_DISABLE | TdAttribute.PKS | TdAttribute.KEY_LOCKER | TdAttribute.LASS | TdAttribute.PERFMON
    )
    allowed_xfam: int = XFAM_KNOWN
    require_event_log: bool = False
    replayed_registers: frozenset[int] = frozenset({0, 1, 2, 3})


@dataclass(frozen=True, slots=True)
class IntelPolicy:
    """Floors for the platform, and what must be measured.

    `tcb_statuses` are accepted; a platform that is out of date is accepted also until `out_of_date_grace` has passed
    since the date of its own TCB level, the day up to which it was free of known flaws.
    `advisories` (such as INTEL-SA-00615) are the only ones a platform may need that is not up to date; None: any.
    `min_evaluation_number` refuses collateral that was issued before a TCB recovery became known, however fresh.
    `collateral_grace` accepts collateral for that long after its nextUpdate, for verifiers that are offline.
    `platforms` pins processors by PPID (16 bytes): a genuine quote may come from a machine in an attacker's hands,
    who can read its attestation keys off the memory bus.
    """

    tcb_statuses: frozenset[TcbStatus] = frozenset({TcbStatus.UP_TO_DATE})
    advisories: frozenset[str] | None = None
    out_of_date_grace: timedelta = timedelta(0)
    min_evaluation_number: int | None = None
    collateral_grace: timedelta = timedelta(0)
    allow_missing_collateral: bool = False
    allow_debug: bool = False
    platforms: frozenset[bytes] = frozenset()
    sgx: SgxPolicy = field(default_factory=SgxPolicy)
    tdx: TdxPolicy = field(default_factory=TdxPolicy)
