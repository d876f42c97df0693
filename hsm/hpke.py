"""HPKE keys whose private half is a sealed seed: made, and envelopes opened with them. The suite: hallmark_envelope."""

from hallmark_envelope import EnvelopeError, EnvelopePrivateKey, HpkeKem, seal_envelope
from hallmark_envelope import EnvelopeInvalid as DoesNotOpen

from .errors import EnvelopeInvalid, InvalidRequest
from .material import HpkeKeyMaterial
from .secret import Secret
from .seed_vault import SeedVault

_SELF_TEST = b"hallmark self-test"


def keep_hpke(
    vault: SeedVault, kem: HpkeKem, seed: Secret, key_binding: bytes, *, exportable: bool = False
) -> HpkeKeyMaterial:
    """The material of a seed, once an envelope to it was opened."""
    public_key = vault.public_key(kem, seed.reveal())
    half = vault.seal(seed.reveal(), target=kem, public_key=public_key, key_binding=key_binding, exportable=exportable)
    material = HpkeKeyMaterial(kem=kem, public_key=public_key, post_quantum=half)
    envelope = seal_envelope(public_key, kem, _SELF_TEST, info=_SELF_TEST)
    open_envelope(vault, material, envelope=envelope, info=_SELF_TEST, key_binding=key_binding)
    return material


def open_envelope(
    vault: SeedVault, material: HpkeKeyMaterial, *, envelope: bytes, info: bytes, key_binding: bytes
) -> bytes:
    """Raises EnvelopeInvalid, SealBroken, KeyNotFound, InvalidRequest."""
    private_key = EnvelopePrivateKey.from_seed(material.kem, vault.open(material, key_binding))
    try:
        return private_key.open(envelope, info=info)
    except DoesNotOpen as error:
        raise EnvelopeInvalid(str(error)) from None
    except EnvelopeError as error:
        raise InvalidRequest(str(error)) from None
