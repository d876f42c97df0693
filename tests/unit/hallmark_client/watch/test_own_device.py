from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from hallmark_client.watch.own_device import own_device

DEVICE = "0b8f5b0e-0000-4000-8000-000000000001"


def certificate(*uris: str) -> bytes:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(x509.Name([]))
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
    )
    if uris:
        names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri) for uri in uris])
        builder = builder.add_extension(names, critical=True)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def test_a_device_is_known_by_its_certificate() -> None:
    assert own_device(certificate(f"spiffe://hallmark.local/tenants/acme/device/d-{DEVICE}")) == DEVICE


@pytest.mark.parametrize(
    "uris",
    [
        (),
        ("spiffe://hallmark.local/tenants/acme/admin/alice",),
        (f"spiffe://hallmark.local/tenants/acme/admin/d-{DEVICE}",),
        (f"https://hallmark.local/tenants/acme/device/d-{DEVICE}",),
        (f"spiffe://a/tenants/acme/device/d-{DEVICE}", f"spiffe://b/tenants/acme/device/d-{DEVICE}"),
    ],
)
def test_nobody_else_is_a_device(uris) -> None:
    assert own_device(certificate(*uris)) is None


def test_what_is_no_certificate() -> None:
    with pytest.raises(ValueError, match="PEM"):
        own_device(b"nothing")
