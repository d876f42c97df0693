"""Collateral of NVIDIA: revocation lists of its device identity CAs, as http://crl.ndis.nvidia.com publishes them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from attestation.crl import Crl, parse_crl


@dataclass(frozen=True, slots=True)
class NvidiaCollateral:
    """CRLs of any of the CAs; a verdict uses those that the issuers in its chain signed."""

    crls: tuple[Crl, ...]

    @classmethod
    def parse(cls, crls: Iterable[bytes]) -> Self:
        """From DER files; CollateralError for one that is no CRL."""
        return cls(tuple(parse_crl(data) for data in crls))
