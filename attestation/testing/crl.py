"""Certificate revocation lists of throw-away CAs (RFC 5280, 5), written by hand like the certificates."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Final

from attestation.testing import asn1
from attestation.testing.certificates import PrivateKey, extension, sign, signature_algorithm, spki_of

AUTHORITY_KEY_ID: Final = "2.5.29.35"
CRL_NUMBER: Final = "2.5.29.20"
_VERSION_2: Final = asn1.integer(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class CrlRequest:
    """The fields of a list before it is signed. `revoked` maps serials to the time of revocation."""

    issuer: bytes  # DER name
    this_update: datetime
    next_update: datetime | None
    revoked: Mapping[int, datetime] = field(default_factory=dict)
    number: int = 1
    extensions: tuple[bytes, ...] = ()  # beside authorityKeyIdentifier and cRLNumber


def issue_crl(request: CrlRequest, *, signer: PrivateKey) -> bytes:
    """A signed DER CRL of version 2."""
    identifier = signature_algorithm(signer)
    entries = [asn1.sequence(asn1.integer(serial), asn1.time(when)) for serial, when in request.revoked.items()]
    tbs = asn1.sequence(
        _VERSION_2,
        identifier,
        request.issuer,
        asn1.time(request.this_update),
        *(() if request.next_update is None else (asn1.time(request.next_update),)),
        *((asn1.sequence(*entries),) if entries else ()),  # RFC 5280, 5.1.2.6: absent when there are none
        asn1.explicit(0, asn1.sequence(*_extensions(request, signer), *request.extensions)),
    )
    return asn1.sequence(tbs, identifier, asn1.bits(sign(signer, tbs)))


def _extensions(request: CrlRequest, signer: PrivateKey) -> tuple[bytes, bytes]:
    """What every CA has to write (RFC 5280, 5.2); the key identifier is made as RFC 7093, 2 (1) says."""
    key_id = sha256(spki_of(signer)).digest()[:20]
    authority = asn1.sequence(asn1.tlv(0x80, key_id))
    return extension(AUTHORITY_KEY_ID, authority), extension(CRL_NUMBER, asn1.integer(request.number))
