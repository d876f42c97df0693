"""What a virtual machine under AMD SEV-SNP must look like."""

from dataclasses import dataclass
from typing import Final

from attestation.formats.sev_snp_report import GuestPolicy, PlatformInfo, SigningKey
from attestation.formats.sev_snp_tcb import Product, Tcb

NO_GUEST_BITS: Final = GuestPolicy(0)
NO_PLATFORM_BITS: Final = PlatformInfo(0)


@dataclass(frozen=True, slots=True)
class TcbFloor:
    """Least patch levels for a product line, or with `cpu_model` only for processors of that CPUID model (17 Genoa, 160
    Bergamo and Siena), because microcode is numbered apart. A report before version 3 names no model and is then held
    to every floor of its product.
    """

    product: Product
    levels: Tcb
    cpu_model: int | None = None


@dataclass(frozen=True, slots=True)
class AmdSevSnpPolicy:
    """The defaults refuse debugging, migration agents, CXL memory, masked chips, a missing or stale CRL, and evidence
    that is only a certificate.

    `tcb_floors` hold for the reported, committed and launch TCB; none set, none checked; where some are set, a product
    without one is refused. `required_guest_policy` are bits the guest's owner must have set (SINGLE_SOCKET,
    CIPHERTEXT_HIDING_DRAM), `forbidden_guest_policy` bits that must be clear (SMT); `min_abi` is (major, minor) of the
    guest policy. `required_platform` names what the platform must report, such as ALIAS_CHECK_COMPLETE.
    `required_mitigations` are bits of the mitigation vectors (version 5) that must be set at launch and now.

    Reference values: an empty set is not checked. Measurements are 48-byte launch digests, key digests SHA-384, family
    and image identifiers 16 bytes, host data 32 bytes, chips 64 bytes (of Turin also 8); `csp_ids` are the clouds of
    leased keys, as CN=cc-us-east-2.amazonaws.com. `vmpls` are the privilege levels the workload may run at; None: any
    of 0 to 3.
    """

    products: frozenset[Product] = frozenset(Product)
    keys: frozenset[SigningKey] = frozenset({SigningKey.VCEK, SigningKey.VLEK})
    tcb_floors: tuple[TcbFloor, ...] = ()
    allow_debug: bool = False
    required_guest_policy: GuestPolicy = NO_GUEST_BITS
    forbidden_guest_policy: GuestPolicy = GuestPolicy.MIGRATE_MA | GuestPolicy.CXL_ALLOW
    min_abi: tuple[int, int] = (0, 0)
    required_platform: PlatformInfo = NO_PLATFORM_BITS
    forbidden_platform: PlatformInfo = NO_PLATFORM_BITS
    required_mitigations: int = 0
    vmpls: frozenset[int] | None = None
    min_guest_svn: int = 0
    measurements: frozenset[bytes] = frozenset()
    host_data: frozenset[bytes] = frozenset()
    id_key_digests: frozenset[bytes] = frozenset()
    author_key_digests: frozenset[bytes] = frozenset()
    family_ids: frozenset[bytes] = frozenset()
    image_ids: frozenset[bytes] = frozenset()
    chip_ids: frozenset[bytes] = frozenset()
    csp_ids: frozenset[str] = frozenset()
    allow_masked_chip_id: bool = False
    allow_key_only: bool = False
    allow_missing_crl: bool = False
