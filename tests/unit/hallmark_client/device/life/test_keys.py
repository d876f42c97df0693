import pickle

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
    load_pem_private_key,
)

from hallmark_client.device.life.keys import SoftwareKey, certificate_request, device_key, hpke_key, registered
from hallmark_client.device.life.model import KeyPlace
from hallmark_client.device.life.software import SoftwareAttester
from hallmark_client.model.devices import hpke_message
from hallmark_client.system import System
from unit.hallmark_client.device.life.conftest import Drawer


def test_made_once_and_found_again() -> None:
    kept = Drawer()
    key, place = device_key(SoftwareAttester(), kept)
    assert place is KeyPlace.VAULT
    assert device_key(None, kept)[0].spki == key.spki
    hpke = hpke_key(kept, System())
    assert hpke_key(kept, System()).public_key == hpke.public_key
    assert hpke_key(Drawer(), System()).public_key != hpke.public_key


def test_a_key_of_the_attester_is_not_kept_here() -> None:
    class Chip(SoftwareAttester):
        def key(self) -> SoftwareKey:
            return own

    own, kept = SoftwareKey(ec.generate_private_key(ec.SECP256R1())), Drawer()
    assert device_key(Chip(), kept) == (own, KeyPlace.ATTESTER)
    assert not kept


def test_the_certificate_request_is_pkcs10_signed_by_the_key() -> None:
    key, _ = device_key(None, Drawer())
    request = x509.load_der_x509_csr(certificate_request(key))
    assert request.is_signature_valid
    assert request.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) == key.spki
    assert (list(request.subject), list(request.attributes)) == ([], [])


def test_the_hpke_key_is_signed_over_the_challenge() -> None:
    key, _ = device_key(None, Drawer())
    made = registered(key, b"public", b"challenge")
    public = load_der_public_key(key.spki)
    assert isinstance(public, ec.EllipticCurvePublicKey)
    public.verify(made.signature, hpke_message(b"challenge", made.kem_id, b"public"), ec.ECDSA(hashes.SHA256()))


def test_the_key_hides() -> None:
    key, _ = device_key(None, Drawer())
    assert isinstance(key, SoftwareKey)
    private = load_pem_private_key(key.pem(), None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    assert f"{private.private_numbers().private_value:x}"[:12] not in repr(key)
    with pytest.raises(TypeError):
        pickle.dumps(key)
