"""Client certificates of attested devices, from the local authority (kms.devices.certificates.CertificateIssuer)."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_der_public_key
from cryptography.x509.oid import ExtendedKeyUsageOID

from kms.core.identity import Role
from kms.core.names import ChildName
from kms.devices.model import DeviceCertificate, certificate_name
from kms.server.identity import spiffe_id
from kms.server.local_ca import LocalAuthority, key_usage

_SKEW = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class DeviceAuthority:
    """`lifetime`: of a certificate; it never outlives the authority's own."""

    authority: LocalAuthority
    trust_domain: str
    lifetime: timedelta

    def issue(self, device: ChildName, key_spki: bytes, *, now: datetime) -> DeviceCertificate:
        """SPIFFE X509-SVID: one URI name, no subject."""
        key = load_der_public_key(key_spki)
        assert isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey)  # kms.devices.proofs lets no other in
        issuer = self.authority.certificate
        expires = min(now + self.lifetime, issuer.not_valid_after_utc).replace(microsecond=0)
        uri = spiffe_id(self.trust_domain, device.tenant, Role.DEVICE, certificate_name(device))
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(issuer.subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _SKEW)
            .not_valid_after(expires)
            .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)]), critical=True)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(key_usage(ca=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.authority.issuing_key.public_key()),
                critical=False,
            )
            .sign(self.authority.issuing_key, hashes.SHA256())
        )
        return DeviceCertificate(certificate=certificate.public_bytes(Encoding.DER), spiffe_id=uri, expire_time=expires)
