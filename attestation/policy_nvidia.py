"""What an NVIDIA GPU must look like."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GpuMeasurement:
    """A measurement by its index (1 to 255) that must be there and be one of these digests (48 bytes, SHA-384)."""

    index: int
    digests: frozenset[bytes]


@dataclass(frozen=True, slots=True)
class NvidiaPolicy:
    """The defaults demand NVIDIA's revocation lists (OCSP answers are not read) and compare no measurements.

    `measurements` are reference values, as the signed RIMs of the driver and of the VBIOS list them; empty: the verdict
    says that it did not look (RIM). Version floors are numbers, the first one weighs most: driver (550, 90, 7), VBIOS
    (0x96, 0, 0x9F, 0, 1). `products` are the names of products, such as "GH100"; empty: any.
    """

    measurements: tuple[GpuMeasurement, ...] = ()
    min_driver_version: tuple[int, ...] | None = None
    min_vbios_version: tuple[int, ...] | None = None
    products: frozenset[str] = frozenset()
    allow_missing_crl: bool = False
