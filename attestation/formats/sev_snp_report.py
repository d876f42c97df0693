"""The attestation report of SEV-SNP firmware: 1184 octets, little endian, signed from the first to 0x29F.

Layout: AMD publication 56860 (SEV Secure Nested Paging Firmware ABI), ATTESTATION_REPORT. Version 3 added the CPUID of
the processor, version 5 the mitigation vectors; nothing moved, so one reader serves versions 2 to 5.
"""

from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Final

from attestation.errors import EvidenceError
from attestation.formats.sev_snp_tcb import TCB_BYTES, Product, product_of_cpuid

REPORT_BYTES: Final = 1184
SIGNED_BYTES: Final = 0x2A0
VERSIONS: Final = range(2, 6)
CPUID_VERSION: Final = 3
MITIGATIONS_VERSION: Final = 5
ECDSA_P384_SHA384: Final = 1
NUMBER_BYTES: Final = 72  # r and s, each little endian

_NUMBER_USED: Final = 48


class SigningKey(IntEnum):
    """SIGNING_KEY, bits 2 to 4 at 0x48: which key signed."""

    VCEK = 0  # derived from the chip and its TCB
    VLEK = 1  # leased by a cloud, derived for its TCB
    NONE = 7


class GuestPolicy(IntFlag):
    """Bits of POLICY; the low 16 are the least version of the firmware ABI, minor before major."""

    SMT = 1 << 16
    RESERVED_ONE = 1 << 17
    MIGRATE_MA = 1 << 18
    DEBUG = 1 << 19
    SINGLE_SOCKET = 1 << 20
    CXL_ALLOW = 1 << 21
    MEM_AES_256_XTS = 1 << 22
    RAPL_DIS = 1 << 23
    CIPHERTEXT_HIDING_DRAM = 1 << 24
    PAGE_SWAP_DISABLE = 1 << 25


class PlatformInfo(IntFlag):
    """Bits of PLATFORM_INFO."""

    SMT_EN = 1 << 0
    TSME_EN = 1 << 1
    ECC_EN = 1 << 2
    RAPL_DIS = 1 << 3
    CIPHERTEXT_HIDING_DRAM_EN = 1 << 4
    ALIAS_CHECK_COMPLETE = 1 << 5  # memory modules were checked for aliases (CVE-2024-21944)
    TIO_EN = 1 << 7


@dataclass(frozen=True, slots=True)
class Report:
    """A report as it came. TCBs are eight octets each, because only the product says how to read them."""

    raw: bytes

    @property
    def version(self) -> int:
        return self._number(0x000, 4)

    @property
    def guest_svn(self) -> int:
        return self._number(0x004, 4)

    @property
    def policy(self) -> int:
        return self._number(0x008, 8)

    @property
    def family_id(self) -> bytes:
        return self.raw[0x010:0x020]

    @property
    def image_id(self) -> bytes:
        return self.raw[0x020:0x030]

    @property
    def vmpl(self) -> int:
        return self._number(0x030, 4)

    @property
    def signature_algorithm(self) -> int:
        return self._number(0x034, 4)

    @property
    def platform_info(self) -> int:
        return self._number(0x040, 8)

    @property
    def author_key_en(self) -> bool:
        return bool(self._number(0x048, 4) & 1)

    @property
    def signing_key(self) -> SigningKey | None:
        value = self._number(0x048, 4) >> 2 & 7
        return SigningKey(value) if value in set(SigningKey) else None

    @property
    def report_data(self) -> bytes:
        return self.raw[0x050:0x090]

    @property
    def measurement(self) -> bytes:
        return self.raw[0x090:0x0C0]

    @property
    def host_data(self) -> bytes:
        return self.raw[0x0C0:0x0E0]

    @property
    def id_key_digest(self) -> bytes:
        return self.raw[0x0E0:0x110]

    @property
    def author_key_digest(self) -> bytes:
        return self.raw[0x110:0x140]

    @property
    def report_id(self) -> bytes:
        return self.raw[0x140:0x160]

    @property
    def report_id_ma(self) -> bytes:
        return self.raw[0x160:0x180]

    @property
    def current_tcb(self) -> bytes:
        return self._tcb(0x038)

    @property
    def reported_tcb(self) -> bytes:
        return self._tcb(0x180)

    @property
    def committed_tcb(self) -> bytes:
        return self._tcb(0x1E0)

    @property
    def launch_tcb(self) -> bytes:
        return self._tcb(0x1F0)

    @property
    def cpuid(self) -> tuple[int, int, int] | None:
        """Family, model and stepping; None before version 3."""
        return (self.raw[0x188], self.raw[0x189], self.raw[0x18A]) if self.version >= CPUID_VERSION else None

    @property
    def product(self) -> Product | None:
        """The product line the processor says it is of; None where it does not say, or says an unknown one."""
        return None if self.cpuid is None else product_of_cpuid(*self.cpuid[:2])

    @property
    def chip_id(self) -> bytes:
        """64 octets: all zero where the host masks it (MASK_CHIP_ID); on Turin the first eight are the identifier."""
        return self.raw[0x1A0:0x1E0]

    @property
    def current_version(self) -> tuple[int, int, int]:
        """Major, minor and build of the running firmware."""
        build, minor, major = self.raw[0x1E8:0x1EB]
        return major, minor, build

    @property
    def mitigations(self) -> tuple[int, int] | None:
        """Mitigation vectors at launch and now; None before version 5."""
        if self.version < MITIGATIONS_VERSION:
            return None
        return self._number(0x1F8, 8), self._number(0x200, 8)

    @property
    def signed(self) -> bytes:
        return self.raw[:SIGNED_BYTES]

    def signature_numbers(self) -> tuple[int, int] | None:
        """The numbers r and s, or None where octets that belong to neither are not zero: they are not signed, so a
        verifier that ignores them takes reports that nobody made.
        """
        field = self.raw[SIGNED_BYTES:]
        r, s, rest = field[:NUMBER_BYTES], field[NUMBER_BYTES : 2 * NUMBER_BYTES], field[2 * NUMBER_BYTES :]
        if any(r[_NUMBER_USED:]) or any(s[_NUMBER_USED:]) or any(rest):
            return None
        return int.from_bytes(r, "little"), int.from_bytes(s, "little")

    def _number(self, offset: int, size: int) -> int:
        return int.from_bytes(self.raw[offset : offset + size], "little")

    def _tcb(self, offset: int) -> bytes:
        return self.raw[offset : offset + TCB_BYTES]


def parse_report(data: bytes) -> Report:
    """Exactly 1184 octets. A longer buffer whose prefix verifies is not a report."""
    if len(data) != REPORT_BYTES:
        raise EvidenceError(f"report of {len(data)} bytes, must be {REPORT_BYTES}")
    return Report(data)
