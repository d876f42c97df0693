"""Whatever the bytes: a public key of ours, or PUBLIC_KEY_INVALID; a signature that verifies, or SIGNATURE_INVALID."""

import contextlib

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from hallmark_client import PlainPublicKey, SignatureInvalid, VerificationFailed
from hallmark_client.verifying_key import verifying_key

SPKIS = [
    key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    for key in (
        mldsa.MLDSA44PrivateKey.generate(),
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP384R1()),
        ed25519.Ed25519PrivateKey.generate(),
    )
]


@st.composite
def changed(draw: st.DrawFn) -> bytes:
    spki = bytearray(draw(st.sampled_from(SPKIS)))
    for _ in range(draw(st.integers(1, 3))):
        spki[draw(st.integers(0, len(spki) - 1))] = draw(st.integers(0, 255))
    return bytes(spki[: draw(st.integers(0, len(spki)))]) if draw(st.booleans()) else bytes(spki)


@given(der=changed() | st.binary(max_size=200))
def test_keys(der: bytes) -> None:
    try:
        outcome = verifying_key(der)
    except VerificationFailed as error:
        outcome = error.reason
    assert outcome == "PUBLIC_KEY_INVALID" or (isinstance(outcome, PlainPublicKey) and outcome.spki == der)


@given(spki=st.sampled_from(SPKIS), signature=st.binary(max_size=150), message=st.binary(max_size=50))
def test_signatures(spki: bytes, signature: bytes, message: bytes) -> None:
    with contextlib.suppress(SignatureInvalid):
        PlainPublicKey.from_spki_der(spki).verify(signature, [message])
        raise AssertionError("a signature that nobody made")
