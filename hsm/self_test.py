"""A signature that a new key makes before anybody gets it."""

from typing import Final

from hallmark_composite import prehash

from .errors import InvalidRequest
from .material import CompositeKeyMaterial, EcdsaKeyMaterial, Ed25519KeyMaterial, KeyMaterial, MlDsaKeyMaterial
from .provider import CompositeSignRequest, EcdsaSignRequest, Ed25519SignRequest, MlDsaSignRequest, SignRequest

SELF_TEST: Final = b"hallmark self-test"


def self_test_request(material: KeyMaterial, key_binding: bytes) -> SignRequest:
    """Raises InvalidRequest for a key that does not sign."""
    match material:
        case CompositeKeyMaterial():
            digest = prehash(material.algorithm, SELF_TEST)
            return CompositeSignRequest(material=material, digest=digest, context=b"", key_binding=key_binding)
        case MlDsaKeyMaterial():
            return MlDsaSignRequest(material=material, message=SELF_TEST, context=b"", key_binding=key_binding)
        case EcdsaKeyMaterial():
            return EcdsaSignRequest(material=material, digest=bytes(material.curve.coordinate_size))
        case Ed25519KeyMaterial():
            return Ed25519SignRequest(material=material, message=SELF_TEST)
        case _:
            raise InvalidRequest("an HPKE key signs nothing")
