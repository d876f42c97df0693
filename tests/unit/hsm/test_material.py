from dataclasses import replace

import cbor2
import pytest

from hallmark_composite import DEFAULT_ALGORITHM, EcCurve, MlDsaParameterSet
from hsm.errors import InvalidRequest
from hsm.material import (
    CompositeKeyMaterial,
    EcdsaKeyMaterial,
    Ed25519KeyMaterial,
    MlDsaKeyMaterial,
    ProtectionLevel,
    SealedSeed,
    TokenKey,
    material_from_bytes,
    token_keys,
)

SEAL = SealedSeed(kek_id=b"k" * 16, nonce=b"n" * 12, ciphertext=b"c" * 48)
COMPOSITE = CompositeKeyMaterial(
    algorithm=DEFAULT_ALGORITHM, public_key=b"p" * 2017, classical=TokenKey(b"e" * 16), post_quantum=SEAL
)
ML_DSA = MlDsaKeyMaterial(parameter_set=MlDsaParameterSet.ML_DSA_44, public_key=b"p" * 1312, post_quantum=SEAL)
NATIVE_HALF = TokenKey(b"q" * 16)
NATIVE_COMPOSITE = replace(COMPOSITE, post_quantum=NATIVE_HALF)
NATIVE_ML_DSA = replace(ML_DSA, post_quantum=NATIVE_HALF)
ECDSA = EcdsaKeyMaterial(curve=EcCurve.P384, public_key=b"\x04" * 97, classical=TokenKey(b"e" * 16))
ED25519 = Ed25519KeyMaterial(public_key=b"p" * 32, classical=TokenKey(b"e" * 16))
ALL = [COMPOSITE, NATIVE_COMPOSITE, ML_DSA, NATIVE_ML_DSA, ECDSA, ED25519]


def kind(material) -> str:
    native = " native" if material in {NATIVE_COMPOSITE, NATIVE_ML_DSA} else ""
    return type(material).__name__ + native


@pytest.mark.parametrize("material", ALL, ids=kind)
def test_material_comes_back_from_its_bytes(material) -> None:
    assert type(material).from_bytes(material.to_bytes()) == material
    assert material_from_bytes(material.to_bytes()) == material


@pytest.mark.parametrize("material", ALL, ids=kind)
def test_one_kind_is_not_read_as_another(material) -> None:
    for other in {type(item) for item in ALL} - {type(material)}:
        with pytest.raises(InvalidRequest, match="kind"):
            other.from_bytes(material.to_bytes())


@pytest.mark.parametrize("material", ALL, ids=kind)
def test_every_field_is_checked(material) -> None:
    fields = cbor2.loads(material.to_bytes())
    for position in range(len(fields)):
        for wrong in (b"", "", b"x" * 5, "x", 7, None, [b"x" * 16]):
            changed = [*fields[:position], wrong, *fields[position + 1 :]]
            with pytest.raises(InvalidRequest):
                type(material).from_bytes(cbor2.dumps(changed))
            with pytest.raises(InvalidRequest):
                material_from_bytes(cbor2.dumps(changed))


@pytest.mark.parametrize("material", ALL, ids=kind)
def test_other_lengths_are_refused(material) -> None:
    encoded = material.to_bytes()
    for changed in (b"", encoded[:-1], encoded + b"\x00", encoded + bytes(20_000)):
        with pytest.raises(InvalidRequest):
            type(material).from_bytes(changed)


def test_a_composite_claims_the_weaker_of_its_levels() -> None:
    assert COMPOSITE.classical_protection is ProtectionLevel.HSM
    assert COMPOSITE.post_quantum_protection is ProtectionLevel.HSM_WRAPPED
    assert COMPOSITE.protection is ProtectionLevel.HSM_WRAPPED
    assert ProtectionLevel.weaker(ProtectionLevel.HSM, ProtectionLevel.HSM) is ProtectionLevel.HSM
    assert ProtectionLevel.weaker(*ProtectionLevel) is ProtectionLevel.IMPORTED, "who else has it is not known"
    assert NATIVE_COMPOSITE.protection is ProtectionLevel.HSM


def test_each_kind_claims_where_its_private_half_is() -> None:
    levels = {kind(material): material.protection for material in ALL}
    assert {name for name, level in levels.items() if level is ProtectionLevel.HSM_WRAPPED} == {
        "CompositeKeyMaterial",
        "MlDsaKeyMaterial",
    }


def test_what_the_token_holds_of_a_key() -> None:
    classical = TokenKey(b"e" * 16)
    assert token_keys(COMPOSITE) == token_keys(ECDSA) == token_keys(ED25519) == (classical,)
    assert token_keys(NATIVE_COMPOSITE) == (NATIVE_HALF, classical)
    assert token_keys(ML_DSA) == ()
    assert token_keys(NATIVE_ML_DSA) == (NATIVE_HALF,)


def test_an_unknown_kind_is_refused() -> None:
    for fields in ([], ["unknown", b""], [7], ["composite"], "composite", {"composite": b""}):
        with pytest.raises(InvalidRequest):
            material_from_bytes(cbor2.dumps(fields))


def test_a_compressed_point_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="uncompressed"):
        EcdsaKeyMaterial.from_bytes(replace(ECDSA, public_key=b"\x02" * 97).to_bytes())
