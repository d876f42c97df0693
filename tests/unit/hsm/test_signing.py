"""The check before release: whatever a token or an engine does wrong, no bad signature comes out."""

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from composite_keys import CURVES
from hallmark_composite import ALGORITHMS, CompositePublicKey, prehash, verify
from hallmark_composite.encoding import join_public_key
from hsm.engine import EngineFault
from hsm.engines.openssl import OpenSslEngine
from hsm.engines.pycryptodome import PyCryptodomeEngine
from hsm.errors import InvalidRequest, SignatureFault
from hsm.signing import check_ed25519, sign_composite, sign_ml_dsa

MESSAGE = b"manifest"


class Parts:
    """Both halves in software; `flip_*` damages one answer."""

    def __init__(self, algorithm) -> None:
        self.algorithm = algorithm
        self.ml_dsa_key = PyCryptodomeEngine().load(algorithm.ml_dsa, bytes(32))
        self.ec_key = ec.generate_private_key(CURVES[algorithm.curve])
        point = self.ec_key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        raw = join_public_key(algorithm, ml_dsa=self.ml_dsa_key.public_key, ec_point=point)
        self.public_key = CompositePublicKey.from_bytes(algorithm, raw)

    def sign_digest(self, digest: bytes) -> bytes:
        used = {32: hashes.SHA256(), 48: hashes.SHA384()}[len(digest)]
        der = self.ec_key.sign(digest, ec.ECDSA(utils.Prehashed(used)))
        size = self.algorithm.curve.coordinate_size
        return b"".join(number.to_bytes(size, "big") for number in utils.decode_dss_signature(der))

    def sign(self, **changes) -> bytes:
        arguments = {
            "ml_dsa_key": self.ml_dsa_key,
            "sign_digest": self.sign_digest,
            "verifier": OpenSslEngine(),
            "digest": prehash(self.algorithm, MESSAGE),
            "context": b"ctx",
        }
        return sign_composite(self.public_key, **(arguments | changes))


class DamagedKey:
    def __init__(self, key, damage) -> None:
        self._key, self._damage, self.public_key = key, damage, key.public_key

    def sign(self, message: bytes, context: bytes) -> bytes:
        return self._damage(self._key, message, context)


def flip(signature: bytes) -> bytes:
    return bytes((signature[0] ^ 1,)) + signature[1:]


def failing(key, message: bytes, context: bytes) -> bytes:
    raise EngineFault("broken")


@pytest.fixture(params=ALGORITHMS.values(), ids=str)
def parts(request: pytest.FixtureRequest) -> Parts:
    return Parts(request.param)


def test_the_result_is_a_composite_signature(parts: Parts) -> None:
    verify(parts.public_key, parts.sign(), message=MESSAGE, context=b"ctx")


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda key, message, context: flip(key.sign(message, context)), id="flipped bit"),
        pytest.param(lambda key, message, context: key.sign(message, b""), id="lost context"),
        pytest.param(lambda key, message, context: key.sign(message + b".", context), id="other message"),
        pytest.param(lambda key, message, context: key.sign(message, context)[:-1], id="short"),
        pytest.param(lambda key, message, context: b"", id="empty"),
        pytest.param(failing, id="engine fault"),
    ],
)
def test_a_bad_ml_dsa_half_is_not_released(parts: Parts, damage) -> None:
    with pytest.raises(SignatureFault, match="discarded"):
        parts.sign(ml_dsa_key=DamagedKey(parts.ml_dsa_key, damage))


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda sign, digest: flip(sign(digest)), id="flipped bit"),
        pytest.param(lambda sign, digest: sign(bytes(len(digest))), id="other digest"),
        pytest.param(lambda sign, digest: sign(digest)[:-1], id="short"),
        pytest.param(lambda sign, digest: bytes(len(sign(digest))), id="zeroes"),
        pytest.param(lambda sign, digest: b"", id="empty"),
    ],
)
def test_a_bad_ecdsa_half_is_not_released(parts: Parts, damage) -> None:
    with pytest.raises(SignatureFault, match="discarded"):
        parts.sign(sign_digest=lambda digest: damage(parts.sign_digest, digest))


def test_a_digest_or_context_of_the_wrong_size_is_the_callers_fault(parts: Parts) -> None:
    for changes in ({"digest": bytes(parts.algorithm.prehash_size - 1)}, {"context": bytes(256)}):
        with pytest.raises(InvalidRequest):
            parts.sign(**changes)


def test_a_bad_plain_ml_dsa_signature_is_not_released(parts: Parts) -> None:
    arguments = {
        "verifier": OpenSslEngine(),
        "parameter_set": parts.algorithm.ml_dsa,
        "public_key": parts.ml_dsa_key.public_key,
        "message": MESSAGE,
        "context": b"c",
    }
    assert sign_ml_dsa(parts.ml_dsa_key, **arguments)
    bad = DamagedKey(parts.ml_dsa_key, lambda key, message, context: flip(key.sign(message, context)))
    with pytest.raises(SignatureFault, match="discarded"):
        sign_ml_dsa(bad, **arguments)


def test_a_bad_ed25519_signature_is_not_released() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    signature, public_key = key.sign(MESSAGE), key.public_key().public_bytes_raw()
    check_ed25519(public_key, signature=signature, message=MESSAGE)
    for wrong in (flip(signature), signature[:-1], b""):
        with pytest.raises(SignatureFault):
            check_ed25519(public_key, signature=wrong, message=MESSAGE)
