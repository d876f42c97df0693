"""Writers of what WebAuthn and App Attest share: authenticator data, COSE keys, CAs whose root is not sent along."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, rsa

from attestation import cose_key as cose
from attestation import der
from attestation.authenticator_data import Flag
from attestation.testing import asn1
from attestation.testing.certificates import (
    CertificateRequest,
    KeyKind,
    PrivateKey,
    ca_extensions,
    issue,
    new_key,
    spki_of,
)
from attestation.testing.phone import Issuer

COUNTRY: Final = "2.5.4.6"
COMMON_NAME: Final = "2.5.4.3"
ORGANIZATION: Final = "2.5.4.10"
UNIT: Final = "2.5.4.11"

CredentialKey = PrivateKey | ed25519.Ed25519PrivateKey | mldsa.MLDSA44PrivateKey | mldsa.MLDSA87PrivateKey

_CURVES: Final = {"secp256r1": (1, cose.ES256), "secp384r1": (2, cose.ES384), "secp521r1": (3, cose.ES512)}


def distinguished_name(**values: str) -> bytes:
    """A name of country, organization, unit and common name, as far as they are given, in this order."""
    kinds = {"country": COUNTRY, "organization": ORGANIZATION, "unit": UNIT, "common": COMMON_NAME}
    pairs = ((kinds[kind], values[kind]) for kind in kinds if kind in values)
    return asn1.sequence(*(asn1.set_of(asn1.sequence(asn1.oid(kind), asn1.utf8(text))) for kind, text in pairs))


def virtual_root(title: str, key: PrivateKey | None = None) -> Issuer:
    """A root that is not sent: chains below it end with the certificate that it signed."""
    return Issuer(distinguished_name(organization="Throw-away", common=title), key or new_key(KeyKind.EC_P256), ())


def virtual_ca(root: Issuer, title: str, *, now: datetime) -> Issuer:
    """A CA below it that is good for ten years around `now`."""
    years = timedelta(days=1826)
    subject = distinguished_name(organization="Throw-away", common=title)
    extensions = ca_extensions(path_length=0)
    return root.issue_ca(subject, new_key(KeyKind.EC_P256), begin=now - years, end=now + years, extensions=extensions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """A certificate to be issued for a device's key."""

    subject: bytes
    spki: bytes
    extensions: tuple[bytes, ...]
    begin: datetime
    end: datetime

    def under(self, issuer: Issuer) -> tuple[bytes, ...]:
        """The chain from this leaf upwards."""
        request = CertificateRequest(
            subject=self.subject,
            spki=self.spki,
            not_before=self.begin,
            not_after=self.end,
            extensions=self.extensions,
        )
        return (issue(request, issuer=issuer.subject, signer=issuer.key), *issuer.chain)


def root_certificate(root: Issuer, *, now: datetime) -> bytes:
    """The certificate of a root, for chains that send it along."""
    leaf = Leaf(subject=root.subject, spki=spki_of(root.key), extensions=ca_extensions(), begin=now, end=now)
    return leaf.under(root)[0]


def cose_map(key: CredentialKey) -> dict[int, Any]:
    """The COSE_Key of a private key's public half (RFC 9053, RFC 9964)."""
    public = key.public_key()
    match public:
        case ec.EllipticCurvePublicKey():
            curve, algorithm = _CURVES[public.curve.name]
            numbers, size = public.public_numbers(), (public.key_size + 7) // 8
            return {1: 2, 3: algorithm, -1: curve, -2: numbers.x.to_bytes(size), -3: numbers.y.to_bytes(size)}
        case rsa.RSAPublicKey():
            modulus = public.public_numbers().n
            return {1: 3, 3: cose.RS256, -1: modulus.to_bytes(public.key_size // 8), -2: b"\x01\x00\x01"}
        case ed25519.Ed25519PublicKey():
            return {1: 1, 3: cose.EDDSA, -1: 6, -2: public.public_bytes_raw()}
        case _:
            algorithm = next(found for kind, found in _MLDSA.items() if isinstance(public, kind))
            return {1: 7, 3: algorithm, -1: public.public_bytes_raw()}


_MLDSA: Final[dict[type, int]] = {
    mldsa.MLDSA44PublicKey: cose.ML_DSA_44,
    mldsa.MLDSA65PublicKey: cose.ML_DSA_65,
    mldsa.MLDSA87PublicKey: cose.ML_DSA_87,
}


def authenticator_data(
    *, rp_id_hash: bytes, flags: Flag, counter: int, aaguid: bytes, credential_id: bytes, key: dict[int, Any]
) -> bytes:
    """With an attested credential and without extensions."""
    header = rp_id_hash + bytes([flags | Flag.ATTESTED_CREDENTIAL]) + counter.to_bytes(4)
    return header + aaguid + len(credential_id).to_bytes(2) + credential_id + cbor2.dumps(key)


def credential_spki(key: CredentialKey) -> bytes:
    return spki_of(key)  # type: ignore[arg-type]


def subject_of(certificate: bytes) -> bytes:
    """The encoded subject of a certificate, which names the issuer of those below it."""
    return der.parse(certificate).sequence()[0].sequence()[5].raw
