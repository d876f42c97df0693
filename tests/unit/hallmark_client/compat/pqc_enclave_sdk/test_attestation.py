import pytest
from cryptography.hazmat.primitives.asymmetric import mldsa

from hallmark_client.compat.pqc_enclave_sdk import AttestationError, DeviceAttestation, DeviceAttester
from hallmark_client.compat.pqc_enclave_sdk.attestation import _CONTEXT
from unit.hallmark_client.compat.identities import Algorithm, new_identity

SIZES = {Algorithm.ML_DSA_44: (1312, 2420), Algorithm.ML_DSA_65: (1952, 3309), Algorithm.ML_DSA_87: (2592, 4627)}


@pytest.mark.parametrize("algorithm", SIZES)
def test_the_signature_is_what_its_label_says(algorithm: Algorithm) -> None:
    """Sizes of FIPS 204, table 2."""
    attester = DeviceAttester(new_identity(algorithm), "d", "m", "v")
    made = attester.attest("id", "hash")
    assert (len(made.public_key) // 2, len(made.signature) // 2) == SIZES[algorithm]
    assert DeviceAttester.verify(made)
    assert DeviceAttestation.from_dict(made.to_dict()) == made


def test_anybody_can_verify_it_with_the_library() -> None:
    made = DeviceAttester(new_identity(), "d", "m", "v").attest("id", "hash", "nonce")
    key = mldsa.MLDSA65PublicKey.from_public_bytes(bytes.fromhex(made.public_key))
    key.verify(bytes.fromhex(made.signature), made.canonical_bytes(), _CONTEXT)


def test_an_identity_has_the_same_key_in_every_process() -> None:
    identity = new_identity()
    assert DeviceAttester(identity, "d", "m", "v").public_key == DeviceAttester(identity, "e", "n", "w").public_key


def test_an_algorithm_that_is_no_ml_dsa_is_refused() -> None:
    with pytest.raises(AttestationError, match="Ed25519 is not offered"):
        DeviceAttester(new_identity(Algorithm.ED25519), "d", "m", "v")


@pytest.mark.parametrize("field", ["signature", "issued_at", "expires_at", "algorithm"])
@pytest.mark.parametrize("value", ["", "zz", "2026", None])
def test_what_is_no_attestation_is_refused(field: str, value: str | None) -> None:
    attester = DeviceAttester(new_identity(), "d", "m", "v")
    made = attester.attest("id", "hash")
    setattr(made, field, value)
    with pytest.raises(AttestationError):
        DeviceAttester.verify_or_raise(made)
