import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, rsa
from hypothesis import given
from hypothesis import strategies as st

from kms.audit.certificates import read_certificate
from kms.audit.model import NO_CERTIFICATE, CertificateFacts
from unit.kms.audit.bench import make_certificate


@pytest.mark.parametrize(
    ("key", "facts"),
    [
        (ec.generate_private_key(ec.SECP256R1()), CertificateFacts("ECDSA P-256", "ECDSA-SHA256")),
        (ec.generate_private_key(ec.SECP384R1()), CertificateFacts("ECDSA P-384", "ECDSA-SHA256")),
        (rsa.generate_private_key(65537, 2048), CertificateFacts("RSA-2048", "RSA-SHA256")),
        (ed25519.Ed25519PrivateKey.generate(), CertificateFacts("Ed25519", "Ed25519")),
        (mldsa.MLDSA44PrivateKey.generate(), CertificateFacts("ML-DSA-44", "ML-DSA-44")),
    ],
    ids=lambda value: value.key if isinstance(value, CertificateFacts) else "",
)
def test_a_certificate_is_known_by_its_key_and_by_the_signature_on_it(key, facts) -> None:
    assert read_certificate(make_certificate(key)) == facts


def test_without_a_certificate_nothing_is_said() -> None:
    assert read_certificate(b"") == NO_CERTIFICATE


@given(st.binary(min_size=1, max_size=200))
def test_whatever_it_is_the_call_goes_on(data: bytes) -> None:
    assert read_certificate(b"-----BEGIN CERTIFICATE-----\n" + data).key == "unknown"
