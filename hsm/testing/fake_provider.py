"""FakeKeyProvider: the port in memory. See the package's text."""

import enum
import os
import time
from collections import deque
from collections.abc import Callable, Sequence

import cryptography.exceptions
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hallmark_composite import CompositeAlgorithm, CompositePublicKey, EcCurve, MlDsaParameterSet
from hallmark_composite.encoding import join_public_key
from hsm import requests as checks
from hsm import signing
from hsm.engine import LoadedMlDsaKey
from hsm.engines.openssl import OpenSslEngine
from hsm.errors import HsmError, KeyNotFound, SealBroken
from hsm.material import (
    CKA_ID_SIZE,
    NONCE_SIZE,
    CompositeKeyMaterial,
    Ed25519KeyMaterial,
    KeyMaterial,
    MlDsaKeyMaterial,
    ProtectionLevel,
    SealedSeed,
    TokenKey,
)
from hsm.provider import CompositeSignRequest, EngineFact, HsmCapabilities, HsmHealth
from hsm.sealing import associated_data

_CURVES: dict[EcCurve, ec.EllipticCurve] = {EcCurve.P256: ec.SECP256R1(), EcCurve.P384: ec.SECP384R1()}
_HASHES: dict[EcCurve, hashes.HashAlgorithm] = {EcCurve.P256: hashes.SHA256(), EcCurve.P384: hashes.SHA384()}
_PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


class Operation(enum.Enum):
    """What `fail_next` can make fail."""

    START = "start"
    GENERATE = "generate"
    SIGN = "sign"
    DESTROY = "destroy"
    HEALTH = "health"


class FakeKeyProvider:
    """Keys in memory. `random_bytes(n)` is the only source of randomness of seeds, ids and nonces.

    Asserts: used only between start and close; every sealed seed it made has a fresh nonce; destroyed keys stay gone.
    """

    def __init__(self, random_bytes: Callable[[int], bytes] = os.urandom) -> None:
        self._random_bytes = random_bytes
        self._engine = OpenSslEngine()
        self._kek_id = random_bytes(CKA_ID_SIZE)
        self._kek = AESGCM(random_bytes(32))
        self._token: dict[bytes, _PrivateKey] = {}
        self._nonces: set[bytes] = set()
        self._failures: dict[Operation, deque[HsmError]] = {operation: deque() for operation in Operation}
        self._running = False
        self.signatures_released = 0

    def fail_next(self, operation: Operation, error: HsmError, *, times: int = 1) -> None:
        """The next `times` operations of that kind raise `error`; for sign_many each item counts as one."""
        self._failures[operation].extend([error] * times)

    async def start(self) -> None:
        assert not self._running, "started twice"
        self._fail_if_told(Operation.START)
        self._running = True

    async def close(self) -> None:
        self._running = False

    async def generate_composite(self, algorithm: CompositeAlgorithm, *, key_binding: bytes) -> CompositeKeyMaterial:
        self._enter(Operation.GENERATE)
        checks.check_binding(key_binding)
        private_key = ec.generate_private_key(_CURVES[algorithm.curve])
        cka_id = self._keep(private_key)
        point = private_key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        seed = self._random_bytes(32)
        loaded = self._engine.load(algorithm.ml_dsa, seed)
        public_key = join_public_key(algorithm, ml_dsa=loaded.public_key, ec_point=point)
        return CompositeKeyMaterial(
            algorithm=algorithm,
            public_key=public_key,
            classical=TokenKey(cka_id),
            post_quantum=self._seal(seed, algorithm.name, public_key, key_binding),
        )

    async def sign_composite(
        self, material: CompositeKeyMaterial, *, digest: bytes, context: bytes, key_binding: bytes
    ) -> bytes:
        self._enter(Operation.SIGN)
        return self._sign_composite(material, digest=digest, context=context, key_binding=key_binding)

    async def sign_many(self, requests: Sequence[CompositeSignRequest]) -> list[bytes | HsmError]:
        assert self._running, "used before start or after close"
        checks.check_batch(requests)
        answers: list[bytes | HsmError] = []
        for request in requests:
            try:
                self._fail_if_told(Operation.SIGN)
                answer: bytes | HsmError = self._sign_composite(
                    request.material, digest=request.digest, context=request.context, key_binding=request.key_binding
                )
            except HsmError as error:
                answer = error
            answers.append(answer)
        return answers

    async def generate_ed25519(self) -> Ed25519KeyMaterial:
        self._enter(Operation.GENERATE)
        private_key = ed25519.Ed25519PrivateKey.generate()
        cka_id = self._keep(private_key)
        return Ed25519KeyMaterial(public_key=private_key.public_key().public_bytes_raw(), classical=TokenKey(cka_id))

    async def sign_ed25519(self, material: Ed25519KeyMaterial, *, message: bytes) -> bytes:
        self._enter(Operation.SIGN)
        checks.check_message(message)
        private_key = self._find(material.classical)
        assert isinstance(private_key, ed25519.Ed25519PrivateKey), "the material names a key of another kind"
        signature = private_key.sign(message)
        signing.check_ed25519(material.public_key, signature=signature, message=message)
        self.signatures_released += 1
        return signature

    async def generate_mldsa(self, parameter_set: MlDsaParameterSet, *, key_binding: bytes) -> MlDsaKeyMaterial:
        self._enter(Operation.GENERATE)
        checks.check_binding(key_binding)
        seed = self._random_bytes(32)
        public_key = self._engine.load(parameter_set, seed).public_key
        return MlDsaKeyMaterial(
            parameter_set=parameter_set,
            public_key=public_key,
            post_quantum=self._seal(seed, parameter_set.value, public_key, key_binding),
        )

    async def sign_mldsa(
        self, material: MlDsaKeyMaterial, *, message: bytes, context: bytes, key_binding: bytes
    ) -> bytes:
        self._enter(Operation.SIGN)
        checks.check_message(message, context)
        checks.check_binding(key_binding)
        name = material.parameter_set.value
        signature = signing.sign_ml_dsa(
            self._open(material.post_quantum, material.parameter_set, name, material.public_key, key_binding),
            verifier=self._engine,
            parameter_set=material.parameter_set,
            public_key=material.public_key,
            message=message,
            context=context,
        )
        self.signatures_released += 1
        return signature

    async def destroy(self, material: KeyMaterial) -> None:
        self._enter(Operation.DESTROY)
        match material:
            case CompositeKeyMaterial() | Ed25519KeyMaterial():
                self._token.pop(material.classical.cka_id, None)
            case MlDsaKeyMaterial():
                pass

    async def health(self) -> HsmHealth:
        self._enter(Operation.HEALTH)
        started = time.perf_counter()
        seed = self._random_bytes(32)
        key = self._engine.load(MlDsaParameterSet.ML_DSA_44, seed)
        signing.sign_ml_dsa(
            key,
            verifier=self._engine,
            parameter_set=MlDsaParameterSet.ML_DSA_44,
            public_key=key.public_key,
            message=b"health",
            context=b"",
        )
        return HsmHealth(workers_ready=1, workers=1, slowest_probe_ms=(time.perf_counter() - started) * 1000)

    async def capabilities(self) -> HsmCapabilities:
        assert self._running, "used before start or after close"
        return HsmCapabilities(
            provider="memory",
            module="none",
            module_version="",
            token_label="memory",  # noqa: S106 - not a password
            token_serial=self._kek_id.hex(),
            token_model="FakeKeyProvider",  # noqa: S106
            token_manufacturer="Hallmark tests",  # noqa: S106
            mechanisms=("AES_GCM", "ECDSA", "EDDSA"),
            engines=(
                EngineFact(
                    name=self._engine.name,
                    version=self._engine.version,
                    signs_per_second=None,
                    refused_because=None,
                ),
            ),
            signing_engine=self._engine.name,
            verifying_engine=self._engine.name,
            classical_protection=ProtectionLevel.HSM,
            post_quantum_protection=ProtectionLevel.HSM_WRAPPED,
            workers=1,
        )

    def _enter(self, operation: Operation) -> None:
        assert self._running, "used before start or after close"
        self._fail_if_told(operation)

    def _fail_if_told(self, operation: Operation) -> None:
        if self._failures[operation]:
            raise self._failures[operation].popleft()

    def _keep(self, private_key: _PrivateKey) -> bytes:
        cka_id = self._random_bytes(CKA_ID_SIZE)
        assert cka_id not in self._token, "randomness repeats"
        self._token[cka_id] = private_key
        return cka_id

    def _find(self, key: TokenKey) -> _PrivateKey:
        try:
            return self._token[key.cka_id]
        except KeyError:
            raise KeyNotFound(
                "the token holds no key with this id; was it destroyed, or is this another token?"
            ) from None

    def _seal(self, seed: bytes, algorithm: str, public_key: bytes, key_binding: bytes) -> SealedSeed:
        nonce = self._random_bytes(NONCE_SIZE)
        assert nonce not in self._nonces, "a nonce must never repeat under one key (SP 800-38D, section 8)"
        self._nonces.add(nonce)
        aad = associated_data(kek_id=self._kek_id, algorithm=algorithm, public_key=public_key, key_binding=key_binding)
        return SealedSeed(kek_id=self._kek_id, nonce=nonce, ciphertext=self._kek.encrypt(nonce, seed, aad))

    def _open(
        self,
        seal: SealedSeed,
        parameter_set: MlDsaParameterSet,
        algorithm: str,
        public_key: bytes,
        key_binding: bytes,
    ) -> LoadedMlDsaKey:
        aad = associated_data(kek_id=seal.kek_id, algorithm=algorithm, public_key=public_key, key_binding=key_binding)
        if seal.kek_id != self._kek_id:
            raise KeyNotFound("the token does not hold the key-encryption key of this sealed seed")
        try:
            seed = self._kek.decrypt(seal.nonce, seal.ciphertext, aad)
        except cryptography.exceptions.InvalidTag:
            raise SealBroken("the sealed seed does not open: it belongs to another key, or its bytes changed") from None
        return self._engine.load(parameter_set, seed)

    def _sign_composite(
        self, material: CompositeKeyMaterial, *, digest: bytes, context: bytes, key_binding: bytes
    ) -> bytes:
        checks.check_composite(material, digest=digest, context=context, key_binding=key_binding)
        algorithm = material.algorithm
        public_key = CompositePublicKey.from_bytes(algorithm, material.public_key)
        private_key = self._find(material.classical)
        assert isinstance(private_key, ec.EllipticCurvePrivateKey), "the material names a key of another kind"

        def sign_digest(digest: bytes) -> bytes:
            der = private_key.sign(digest, ec.ECDSA(utils.Prehashed(_HASHES[algorithm.curve])))
            size = algorithm.curve.coordinate_size
            return b"".join(number.to_bytes(size, "big") for number in utils.decode_dss_signature(der))

        signature = signing.sign_composite(
            public_key,
            ml_dsa_key=self._open(
                material.post_quantum, algorithm.ml_dsa, algorithm.name, material.public_key, key_binding
            ),
            sign_digest=sign_digest,
            verifier=self._engine,
            digest=digest,
            context=context,
        )
        self.signatures_released += 1
        return signature
