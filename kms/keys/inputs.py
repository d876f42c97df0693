"""What a caller gives to be signed or verified, and what that makes of it by algorithm.

| family    | takes                        | what is signed                              | context        |
|-----------|------------------------------|---------------------------------------------|----------------|
| composite | data, digest = PH(M)         | PH(M) (draft-ietf-lamps-pq-composite-sigs)  | 0 to 255 bytes |
| ML-DSA    | data, external_mu            | mu (FIPS 204, algorithm 7, line 6)          | 0 to 255 bytes |
| ECDSA     | data, digest = H(M)          | H(M)                                        | none           |
| Ed25519   | data                         | M (RFC 8032 is not pre-hashed)              | none           |

An ML-DSA key inside a token takes data only: PKCS#11 v3.2 has no external mu.
"""

import hashlib
from dataclasses import dataclass
from typing import assert_never

from cryptography.hazmat.primitives.asymmetric import mldsa

from hallmark_composite.representative import PREFIX
from hsm.material import KeyMaterial, MlDsaKeyMaterial, ProtectionLevel
from hsm.provider import MAX_MESSAGE_SIZE
from kms.core.errors import InvalidArgument, Reason
from kms.keys.algorithms import AlgorithmFamily, KeyAlgorithm
from kms.keys.model import KeyVersion
from kms.keys.public_keys import MlDsaPublicKey, load_public_key

MU_BYTES = 64
TOKEN_MESSAGE_BYTES_MAX = 65_536
"""Of a message that has to travel to the token itself: the caller's own bytes, in every format."""
assert TOKEN_MESSAGE_BYTES_MAX * 4 // 3 + 1024 <= MAX_MESSAGE_SIZE, "as a JWS it is longer by a third"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInput:
    """Exactly one of data, digest and mu (external, 64 bytes); and the application context, at most 255 bytes."""

    data: bytes | None = None
    digest: bytes | None = None
    mu: bytes | None = None
    context: bytes = b""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What an HSM is asked to sign. `is_message`: `content` is the message itself, not its digest or mu."""

    content: bytes
    context: bytes
    is_message: bool = False

    @property
    def digest_sha256(self) -> str:
        """What the log entry holds of the input, hex: SHA-256 over digest, mu or message."""
        return hashlib.sha256(self.content).hexdigest()


def prepare(version: KeyVersion, given: SignInput) -> Prepared:
    """Raises InvalidArgument where the algorithm of the version can not take this."""
    algorithm = version.algorithm
    if given.context and not algorithm.supports_context:
        raise _refused(f"{algorithm} has no context; leave it out", "context")
    match algorithm.family:
        case AlgorithmFamily.COMPOSITE | AlgorithmFamily.ECDSA:
            return Prepared(_digest(algorithm, given), given.context)
        case AlgorithmFamily.ML_DSA:
            return _prepare_ml_dsa(version, given, in_token=is_in_token(version.material))
        case AlgorithmFamily.ED25519:
            if given.data is None:
                raise _refused(f"{algorithm} signs the message itself; send data", "input")
            check_separate(algorithm, given.data)
            return Prepared(given.data, b"", is_message=True)
        case AlgorithmFamily.HPKE:
            raise _refused(f"{algorithm} opens envelopes and signs nothing", "name")
        case _:
            assert_never(algorithm.family)


def prepare_to_verify(version: KeyVersion, given: SignInput) -> Prepared:
    """The same for a verifier, who needs no token: an ML-DSA key in one is verified by mu like any other."""
    if version.algorithm.family is AlgorithmFamily.ML_DSA:
        return _prepare_ml_dsa(version, given, in_token=False)
    return prepare(version, given)


def mu_hasher(version: KeyVersion, context: bytes) -> mldsa.MLDSAMuHasher:
    """Of an ML-DSA version; takes the message in pieces."""
    key = load_public_key(version.algorithm, version.public_bytes)
    assert isinstance(key, MlDsaPublicKey)
    return mldsa.MLDSAMuHasher(key, context)


def is_in_token(material: KeyMaterial | None) -> bool:
    """An ML-DSA key that the token itself signs with."""
    return isinstance(material, MlDsaKeyMaterial) and material.protection is ProtectionLevel.HSM


def check_size(version: KeyVersion, data: bytes | None) -> None:
    """Of what the caller sends to be signed. Raises InvalidArgument/MESSAGE_TOO_LARGE."""
    signs_message = version.algorithm.family is AlgorithmFamily.ED25519 or is_in_token(version.material)
    if signs_message and data is not None and len(data) > TOKEN_MESSAGE_BYTES_MAX:
        raise InvalidArgument(
            Reason.MESSAGE_TOO_LARGE,
            f"this key signs the message and no hash of it: data may have {TOKEN_MESSAGE_BYTES_MAX} bytes; sign a"
            " digest of yours as the message",
            field="data",
        )


def check_separate(algorithm: KeyAlgorithm, start: bytes) -> None:
    """A plain key never signs what a composite's halves sign (draft -19, section 10.3). `start`: of the message."""
    if algorithm.family is not AlgorithmFamily.COMPOSITE and start.startswith(PREFIX):
        raise _refused(
            "this message has the form of a composite's message representative; a plain key does not sign it", "data"
        )


def _digest(algorithm: KeyAlgorithm, given: SignInput) -> bytes:
    prehash, size = algorithm.prehash, algorithm.prehash_size
    assert prehash is not None
    if given.data is not None:
        check_separate(algorithm, given.data)
        return hashlib.new(prehash, given.data).digest()
    if given.digest is None:
        raise _refused(f"external_mu is for ML-DSA; {algorithm} takes data or digest", "external_mu")
    if len(given.digest) != size:
        raise _refused(f"digest must be the {prehash.upper()} of the message, {size} bytes", "digest")
    return given.digest


def _prepare_ml_dsa(version: KeyVersion, given: SignInput, *, in_token: bool) -> Prepared:
    if given.digest is not None:
        raise _refused(f"{version.algorithm} has no pre-hash; send data, or external_mu", "digest")
    if given.data is not None:
        check_separate(version.algorithm, given.data)
        if in_token:
            return Prepared(given.data, given.context, is_message=True)
        return Prepared(mu_of(version, given.data, given.context), given.context)
    if given.context:
        raise _refused("external_mu holds the context already; leave context out", "context")
    if given.mu is None or len(given.mu) != MU_BYTES:
        raise _refused(f"external_mu has {MU_BYTES} bytes", "external_mu")
    if in_token:
        raise _refused("this key lives in a token, which takes no external_mu; send data", "external_mu")
    return Prepared(given.mu, b"")


def mu_of(version: KeyVersion, message: bytes, context: bytes) -> bytes:
    """64 bytes."""
    hasher = mu_hasher(version, context)
    hasher.update(message)
    return hasher.finalize()


def _refused(sentence: str, field: str) -> InvalidArgument:
    return InvalidArgument(Reason.FIELD_INVALID, sentence, field=field)
