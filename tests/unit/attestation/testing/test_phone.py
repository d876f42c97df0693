"""The factory's evidence is real: another library reads the same certificates and verifies the same signatures."""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from attestation import Provisioning
from attestation.testing import KeyKind, VirtualPhone


@pytest.mark.parametrize("provisioning", [Provisioning.FACTORY, Provisioning.REMOTE])
@pytest.mark.parametrize("key_kind", KeyKind)
def test_cryptography_reads_and_verifies_the_chain(vendor, now, provisioning, key_kind):
    phone = VirtualPhone.create(vendor, now=now, provisioning=provisioning, key_kind=key_kind)
    chain = [x509.load_der_x509_certificate(der) for der in phone.attest(b"challenge").named("certificate")]
    for certificate, issuer in zip(chain, [*chain[1:], chain[-1]], strict=True):
        certificate.verify_directly_issued_by(issuer)
    assert [c.extensions.get_extension_for_class(x509.BasicConstraints).value.ca for c in chain[1:]] == [True] * (
        len(chain) - 1
    )


def test_the_key_to_enrol_is_in_the_leaf(phone):
    key = phone.generate_key(b"challenge")
    leaf = x509.load_der_x509_certificate(key.evidence.named("certificate")[0])
    assert leaf.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) == key.spki
    assert key.private_key.public_key() == leaf.public_key()


def test_every_attested_key_is_new(phone):
    assert phone.generate_key(b"c").spki != phone.generate_key(b"c").spki


def test_a_changed_phone_keeps_its_attestation_key(phone):
    assert phone.changed(locked=False).attester is phone.attester
