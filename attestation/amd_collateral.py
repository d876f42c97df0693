"""Collateral of AMD: the revocation list of each product line, as the key distribution service publishes them.

Source: https://kdsintf.amd.com, /vcek/v1/<product>/crl and /vlek/v1/<product>/crl (AMD publication 57230, 4). Both name
the same list: the ARK of a product revokes its signing keys (ASK, ASVK) in it, not single chips.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from attestation.crl import Crl, parse_crl


@dataclass(frozen=True, slots=True)
class AmdCollateral:
    """CRLs of any products; a verdict uses those that the ARK of its product issued and signed."""

    crls: tuple[Crl, ...]

    @classmethod
    def parse(cls, crls: Iterable[bytes]) -> Self:
        """From DER files; CollateralError for one that is no CRL."""
        return cls(tuple(parse_crl(data) for data in crls))
