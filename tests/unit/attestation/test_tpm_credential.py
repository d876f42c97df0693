"""Credentials: opened by the TPM's own steps (written apart, in the factory), and by nobody else."""

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from attestation import ArgumentError, EvidenceError
from attestation.testing.certificates import spki_of
from attestation.testing.tpm import entropy
from attestation.testing.virtual_tpm import open_credential
from attestation.tpm_credential import (
    LOW_RANGE,
    P384_HIGH_RANGE,
    Credential,
    check_credential,
    kdfa,
    kdfe,
    make_credential,
    parse_credential_file,
)

NAME = b"\0\x0b" + hashlib.sha256(b"AK").digest()
KEYS = {
    "RSA": rsa.generate_private_key(65537, 2048),
    "P-256": ec.generate_private_key(ec.SECP256R1()),
    "P-384": ec.generate_private_key(ec.SECP384R1()),
    "P-521": ec.generate_private_key(ec.SECP521R1()),
}


def make(key, *, secret=b"secret", name=NAME, seed=b"seed"):
    return make_credential(spki_of(key), name=name, secret=secret, entropy=entropy(seed))


@pytest.fixture(params=KEYS)
def ek(request):
    return KEYS[request.param]


@pytest.mark.parametrize("secret", [b"s", bytes(32)], ids=len)
def test_the_tpm_gets_the_secret(ek, secret):
    credential = make(ek, secret=secret)
    assert open_credential(credential, ek=ek, name=NAME) == secret
    check_credential(credential, ek_spki=spki_of(ek), template=LOW_RANGE, secret_bytes=len(secret))


def test_another_name_does_not_open_it(ek):
    with pytest.raises(ValueError, match="another"):
        open_credential(make(ek), ek=ek, name=NAME[:-1] + b"\0")


def test_the_same_entropy_makes_the_same_credential(ek):
    assert make(ek) == make(ek)
    assert make(ek) != make(ek, seed=b"another seed")


def test_high_range_template():
    ek = KEYS["P-384"]
    credential = make_credential(
        spki_of(ek), name=NAME, secret=bytes(48), entropy=entropy(b"seed"), template=P384_HIGH_RANGE
    )
    check_credential(credential, ek_spki=spki_of(ek), template=P384_HIGH_RANGE, secret_bytes=48)
    with pytest.raises(EvidenceError):
        check_credential(credential, ek_spki=spki_of(ek), template=LOW_RANGE, secret_bytes=48)


@pytest.mark.parametrize("secret", [b"", bytes(33)], ids=len)
def test_secrets_of_the_wrong_size_are_refused(secret):
    with pytest.raises(ArgumentError):
        make(KEYS["P-256"], secret=secret)


@pytest.mark.parametrize(
    "name", [b"", NAME[:-1], b"\0\x10" + NAME[2:], b"\x40\0\0\x0b"], ids=["empty", "short", "null", "handle"]
)
def test_names_of_the_wrong_form_are_refused(name):
    with pytest.raises(ArgumentError):
        make(KEYS["P-256"], name=name)


def test_keys_that_are_no_ek():
    with pytest.raises(EvidenceError):
        make(ed25519.Ed25519PrivateKey.generate())


def test_files_of_tpm2_tools(ek):
    credential = make(ek)
    data = credential.to_file()
    assert parse_credential_file(data) == credential
    for wrong in (data[:-1], data + b"\0", b"\0" + data[1:], b""):
        with pytest.raises(EvidenceError):
            parse_credential_file(wrong)


def test_shapes_that_do_not_fit(ek):
    credential = make(ek)
    other = KEYS["P-256"] if isinstance(ek, rsa.RSAPrivateKey) else KEYS["RSA"]
    longer = Credential(credential.id_object, credential.encrypted_secret + b"\0")
    for wrong, key, size in ((credential, ek, 7), (credential, other, 6), (longer, ek, 6)):
        with pytest.raises(EvidenceError):
            check_credential(wrong, ek_spki=spki_of(key), template=LOW_RANGE, secret_bytes=size)


def test_derivations_begin_alike_and_differ_by_every_input():
    """SP 800-108 and SP 800-56A: the length is part of KDFa's input, and not of KDFe's."""
    assert kdfe("sha256", b"z", "LABEL", u=b"u", v=b"v", bits=512)[:32] == kdfe(
        "sha256", b"z", "LABEL", u=b"u", v=b"v", bits=256
    )
    assert kdfa("sha256", b"k", "LABEL", bits=512)[:32] != kdfa("sha256", b"k", "LABEL", bits=256)
    assert kdfa("sha256", b"k", "LABEL", u=b"u", bits=128) != kdfa("sha256", b"k", "LABEL", u=b"v", bits=128)
    expected = hashlib.sha256(b"\0\0\0\x01" + b"z" + b"LABEL\0" + b"u" + b"v").digest()
    assert kdfe("sha256", b"z", "LABEL", u=b"u", v=b"v", bits=256) == expected
