"""Trusted computing base of AMD processors: the security patch levels of the firmware parts, as eight octets.

Which octet means what depends on the product (SEV Secure Nested Paging Firmware ABI, 56860, 2.2 TCB_VERSION), and no
order is defined on the whole: two TCBs are compared part by part, never as one number.
"""

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Final, Self

TCB_BYTES: Final = 8


class Product(StrEnum):
    """Product lines with keys of their own. Bergamo and Siena belong to Genoa, Turin Dense to Turin."""

    MILAN = "Milan"
    GENOA = "Genoa"
    TURIN = "Turin"


# CPUID family, and models up to and including the last one (56860, table "CPUID_FAM_ID"; 57230, 3).
_MODELS: Final[tuple[tuple[Product, int, range], ...]] = (
    (Product.MILAN, 0x19, range(0x10)),
    (Product.GENOA, 0x19, range(0x10, 0x20)),
    (Product.GENOA, 0x19, range(0xA0, 0xB0)),
    (Product.TURIN, 0x1A, range(0x20)),
)


def product_of_cpuid(family: int, model: int) -> Product | None:
    """The product line of a processor, from its combined CPUID family and model."""
    for product, its_family, models in _MODELS:
        if family == its_family and model in models:
            return product
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tcb:
    """Security patch levels, 0 to 255 each. `fmc` (firmware management controller) exists from Turin on, else 0."""

    boot_loader: int = 0
    tee: int = 0
    snp: int = 0
    microcode: int = 0
    fmc: int = 0

    @classmethod
    def parse(cls, octets: bytes, product: Product) -> Self:
        """Read the eight octets of a report."""
        if product is Product.TURIN:
            return cls(fmc=octets[0], boot_loader=octets[1], tee=octets[2], snp=octets[3], microcode=octets[7])
        return cls(boot_loader=octets[0], tee=octets[1], snp=octets[6], microcode=octets[7])

    def encode(self, product: Product) -> bytes:
        if product is Product.TURIN:
            return bytes((self.fmc, self.boot_loader, self.tee, self.snp, 0, 0, 0, self.microcode))
        return bytes((self.boot_loader, self.tee, 0, 0, 0, 0, self.snp, self.microcode))

    def parts_below(self, floor: "Tcb") -> tuple[str, ...]:
        """Names of the parts whose level is lower than the floor's."""
        names = (field.name for field in fields(self))
        return tuple(name for name in names if getattr(self, name) < getattr(floor, name))
