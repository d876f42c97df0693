"""A profile whose private key only signs: it stays in the TPM or the keystore, also for TLS."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import grpc
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from grpc import experimental

from hallmark_client.errors import ProfileInvalid
from hallmark_client.profile import Profile

from .attester import DeviceKey
from .keys import SoftwareKey
from .model import Registration


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningProfile(Profile):
    """key: of the certificate. Raises ProfileInvalid when it is another one."""

    key: DeviceKey = field(repr=False)

    def __post_init__(self) -> None:
        certificate = x509.load_pem_x509_certificate(self.cert_pem)
        spki = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        if spki != self.key.spki:
            raise ProfileInvalid("PROFILE_KEY_MISMATCH", "the device's key is not that of its certificate")

    def credentials(self, bearer: Callable[[], str] | None = None) -> grpc.ChannelCredentials:
        """No tokens: the certificate says who this is."""
        del bearer
        with warnings.catch_warnings():
            # gRPC calls it experimental (proposal L127); its one alternative is a private key in memory.
            warnings.simplefilter("ignore", experimental.ExperimentalApiWarning)
            credentials: grpc.ChannelCredentials = experimental.ssl_channel_credentials_with_custom_signer(
                private_key_sign_fn=self._sign, root_certificates=self.ca_pem, certificate_chain=self.cert_pem
            )
        return credentials

    def _sign(self, data: bytes, algorithm: object, on_complete: object) -> bytes:
        """TLS 1.3 CertificateVerify (RFC 8446, section 4.4.3); an EC P-256 key is offered one algorithm alone."""
        del algorithm, on_complete
        return self.key.sign(data)


def device_profile(registration: Registration, key: DeviceKey) -> Profile:
    """Of the device itself, with the certificate that it has now."""
    certificate = x509.load_der_x509_certificate(registration.certificate).public_bytes(Encoding.PEM)
    told: dict[str, Any] = {
        "address": registration.address,
        "ca_pem": registration.ca_pem,
        "cert_pem": certificate,
        "tenant": registration.tenant,
        "public_url": registration.public_url,
    }
    if isinstance(key, SoftwareKey):
        return Profile(key_pem=key.pem(), **told)
    return SigningProfile(key=key, **told)
