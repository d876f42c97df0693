"""Who vouches for client certificates, by trust domain, and which certificates they have taken back."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509.verification import Criticality, ExtensionPolicy, PolicyBuilder, Store, VerificationError

from kms.core.identity import Role
from kms.server.identity_mapping import PathRule

BUNDLE_BYTES_MAX = 1 << 20
CRL_BYTES_MAX = 16 << 20
_EVERY_ROLE = frozenset(Role)


class FileInvalid(Exception):
    """A file of certificates can not be used; the text says which and why."""


class NotVouchedFor(Exception):
    """No authority of its own trust domain stands behind a certificate."""


@dataclass(frozen=True, slots=True)
class Authorities:
    """One trust domain's. `rules` are empty for our own, whose names say themselves who it is; `roles`: that these
    authorities may give.
    """

    trust_domain: str
    certificates: tuple[x509.Certificate, ...]
    rules: tuple[PathRule, ...] = ()
    roles: frozenset[Role] = _EVERY_ROLE

    def chain_of(self, leaf: x509.Certificate, others: list[x509.Certificate], now: datetime) -> list[x509.Certificate]:
        """Leaf first, authority last (RFC 5280, section 6). Raises NotVouchedFor."""
        verifier = (
            PolicyBuilder()
            .store(Store(list(self.certificates)))
            .time(now.replace(tzinfo=None))
            .extension_policies(
                ca_policy=ExtensionPolicy.webpki_defaults_ca(),
                # What a leaf must carry is checked before (kms.server.identity_certificates); unknown critical
                # extensions are refused by the verifier.
                ee_policy=ExtensionPolicy.permit_all().require_present(
                    x509.SubjectAlternativeName, Criticality.AGNOSTIC, None
                ),
            )
            .build_client_verifier()
        )
        try:
            return verifier.verify(leaf, others).chain
        except (VerificationError, ValueError, UnsupportedAlgorithm) as error:
            raise NotVouchedFor(str(error)) from None


def read_authorities(data: bytes, where: str) -> tuple[x509.Certificate, ...]:
    """A PEM bundle of CA certificates. Raises FileInvalid."""
    try:
        found = x509.load_pem_x509_certificates(data) if len(data) <= BUNDLE_BYTES_MAX else []
        usable = all(
            each.extensions.get_extension_for_class(x509.BasicConstraints).value.ca and each.public_key()
            for each in found
        )
    except (ValueError, x509.ExtensionNotFound, UnsupportedAlgorithm) as error:
        raise FileInvalid(f"{where} holds no certificates of authorities in PEM form: {error}") from None
    if not found or not usable:
        raise FileInvalid(f"{where} must hold certificates of authorities (CA), PEM, of 1 MiB at most")
    return tuple(found)


def read_crl(data: bytes, where: str) -> x509.CertificateRevocationList:
    """A complete CRL, PEM or DER (RFC 5280, section 5). Raises FileInvalid. `revoked_of` checks who signed it."""
    if len(data) > CRL_BYTES_MAX:
        raise FileInvalid(f"{where} is larger than {CRL_BYTES_MAX} bytes")
    try:
        pem = data.lstrip().startswith(b"-----BEGIN")
        found = x509.load_pem_x509_crl(data) if pem else x509.load_der_x509_crl(data)
        partial = any(isinstance(each.value, x509.DeltaCRLIndicator) for each in found.extensions)
        points = [each.value for each in found.extensions if isinstance(each.value, x509.IssuingDistributionPoint)]
    except (ValueError, UnsupportedAlgorithm) as error:
        raise FileInvalid(f"{where} is no CRL: {error}") from None
    if partial or any(each.indirect_crl for each in points):
        raise FileInvalid(f"{where} is a delta or an indirect CRL; a complete one of the issuer itself is needed")
    return found


def revoked_of(crl: x509.CertificateRevocationList, authorities: Iterable[Authorities], where: str) -> frozenset[str]:
    """What it takes back, as `certificate_id`s. Raises FileInvalid when none of the authorities signed it."""
    for domain in authorities:
        for authority in domain.certificates:
            if authority.subject == crl.issuer and _is_signed(crl, authority):
                return frozenset(_id(domain.trust_domain, crl.issuer, each.serial_number) for each in crl)
    raise FileInvalid(f"{where} is signed by none of the authorities whose clients are let in")


def certificate_id(trust_domain: str, certificate: x509.Certificate) -> str:
    """Trust domain, issuer and serial number: what a CRL of that domain can name."""
    return _id(trust_domain, certificate.issuer, certificate.serial_number)


def _id(trust_domain: str, issuer: x509.Name, serial_number: int) -> str:
    return f"{trust_domain}/{hashlib.sha256(issuer.public_bytes()).hexdigest()[:16]}/{serial_number:x}"


def _is_signed(crl: x509.CertificateRevocationList, authority: x509.Certificate) -> bool:
    try:
        return crl.is_signature_valid(authority.public_key())  # type: ignore[arg-type]
    except (TypeError, ValueError, UnsupportedAlgorithm):
        return False
