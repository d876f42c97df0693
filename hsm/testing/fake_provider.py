"""FakeKeyProvider: the port in memory. See the package's text."""

import os
import time
from collections import deque
from collections.abc import Callable, Sequence

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hallmark_composite import CompositeAlgorithm, EcCurve, MlDsaParameterSet
from hallmark_composite.encoding import join_public_key
from hsm import requests as checks
from hsm import signing
from hsm.engines.openssl import OpenSslEngine
from hsm.errors import HsmError
from hsm.material import (
    CompositeKeyMaterial,
    EcdsaKeyMaterial,
    Ed25519KeyMaterial,
    KeyMaterial,
    MlDsaKeyMaterial,
    ProtectionLevel,
    token_keys,
)
from hsm.provider import (
    CompositeSignRequest,
    EcdsaSignRequest,
    Ed25519SignRequest,
    EngineFact,
    HsmCapabilities,
    HsmHealth,
    MlDsaMuSignRequest,
    MlDsaSignRequest,
    SignRequest,
)
from hsm.sealing import COMPONENT_LABEL, ECDSA_LABEL, ED25519_LABEL
from hsm.slot_health import SlotHealth, SlotState

from .fake_custody import FakeCustody
from .fake_signer import FakeSigner
from .fake_token import FakeToken
from .operation import Operation

_CURVES: dict[EcCurve, ec.EllipticCurve] = {EcCurve.P256: ec.SECP256R1(), EcCurve.P384: ec.SECP384R1()}
_HASHES: dict[EcCurve, hashes.HashAlgorithm] = {EcCurve.P256: hashes.SHA256(), EcCurve.P384: hashes.SHA384()}


class FakeKeyProvider(FakeCustody):
    """Keys in memory. `random_bytes(n)` is the only source of randomness of seeds, ids and nonces.

    `native`: new ML-DSA keys live "in the token" (protection HSM), as in a token that has ML-DSA.
    Asserts: used only between start and close; every sealed seed it made has a fresh nonce; destroyed keys stay gone.
    """

    def __init__(self, random_bytes: Callable[[int], bytes] = os.urandom, *, native: bool = False) -> None:
        self._random_bytes = random_bytes
        self._native = native
        self._engine = OpenSslEngine()
        self._token = FakeToken(random_bytes)
        self._signer = FakeSigner(self._token, self._engine, native=native)
        self._failures: dict[Operation, deque[HsmError]] = {operation: deque() for operation in Operation}
        self._running = False
        self._probe_ms: float | None = None
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
        classical = self._token.keep(private_key, COMPONENT_LABEL)
        seed = self._random_bytes(32)
        ml_dsa = self._engine.load(algorithm.ml_dsa, seed).public_key
        public_key = join_public_key(algorithm, ml_dsa=ml_dsa, ec_point=_point(private_key))
        return CompositeKeyMaterial(
            algorithm=algorithm,
            public_key=public_key,
            classical=classical,
            post_quantum=self._signer.keep_seed(seed, algorithm.ml_dsa, algorithm.name, public_key, key_binding),
        )

    async def sign_composite(
        self, material: CompositeKeyMaterial, *, digest: bytes, context: bytes, key_binding: bytes
    ) -> bytes:
        return self._sign_next(
            CompositeSignRequest(material=material, digest=digest, context=context, key_binding=key_binding)
        )

    async def sign_many(self, requests: Sequence[SignRequest]) -> list[bytes | HsmError]:
        assert self._running, "used before start or after close"
        checks.check_batch(requests)
        answers: list[bytes | HsmError] = []
        for request in requests:
            try:
                answer: bytes | HsmError = self._sign_next(request)
            except HsmError as error:
                answer = error
            answers.append(answer)
        return answers

    async def generate_ecdsa(self, curve: EcCurve) -> EcdsaKeyMaterial:
        self._enter(Operation.GENERATE)
        private_key = ec.generate_private_key(_CURVES[curve])
        classical = self._token.keep(private_key, ECDSA_LABEL)
        return EcdsaKeyMaterial(curve=curve, public_key=_point(private_key), classical=classical)

    async def sign_ecdsa(self, material: EcdsaKeyMaterial, *, digest: bytes) -> bytes:
        return self._sign_next(EcdsaSignRequest(material=material, digest=digest))

    async def generate_ed25519(self) -> Ed25519KeyMaterial:
        self._enter(Operation.GENERATE)
        private_key = ed25519.Ed25519PrivateKey.generate()
        classical = self._token.keep(private_key, ED25519_LABEL)
        return Ed25519KeyMaterial(public_key=private_key.public_key().public_bytes_raw(), classical=classical)

    async def sign_ed25519(self, material: Ed25519KeyMaterial, *, message: bytes) -> bytes:
        return self._sign_next(Ed25519SignRequest(material=material, message=message))

    async def generate_mldsa(self, parameter_set: MlDsaParameterSet, *, key_binding: bytes) -> MlDsaKeyMaterial:
        self._enter(Operation.GENERATE)
        checks.check_binding(key_binding)
        seed = self._random_bytes(32)
        public_key = self._engine.load(parameter_set, seed).public_key
        return MlDsaKeyMaterial(
            parameter_set=parameter_set,
            public_key=public_key,
            post_quantum=self._signer.keep_seed(seed, parameter_set, parameter_set.value, public_key, key_binding),
        )

    async def sign_mldsa(
        self, material: MlDsaKeyMaterial, *, message: bytes, context: bytes, key_binding: bytes
    ) -> bytes:
        return self._sign_next(
            MlDsaSignRequest(material=material, message=message, context=context, key_binding=key_binding)
        )

    async def sign_mldsa_mu(self, material: MlDsaKeyMaterial, *, mu: bytes, key_binding: bytes) -> bytes:
        return self._sign_next(MlDsaMuSignRequest(material=material, mu=mu, key_binding=key_binding))

    async def destroy(self, material: KeyMaterial) -> None:
        self._enter(Operation.DESTROY)
        for key in token_keys(material):
            self._token.destroy(key)

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
        self._probe_ms = (time.perf_counter() - started) * 1000
        return HsmHealth(workers_ready=1, workers=1, slowest_probe_ms=self._probe_ms, slots=await self.slots())

    async def slots(self) -> tuple[SlotHealth, ...]:
        return (
            SlotHealth(
                number=0,
                state=SlotState.READY if self._running else SlotState.STARTING,
                process_id=None,
                starts=1,
                waiting=0,
                probe_ms=self._probe_ms,
                problem=None,
            ),
        )

    async def capabilities(self) -> HsmCapabilities:
        assert self._running, "used before start or after close"
        return HsmCapabilities(
            provider="memory",
            module="none",
            module_version="",
            token_label="memory",  # noqa: S106 - not a password
            token_serial=self._token.serial,
            token_model="FakeKeyProvider",  # noqa: S106
            token_manufacturer="Hallmark tests",  # noqa: S106
            mechanisms=("AES_GCM", "ECDSA", "EDDSA", *(("ML_DSA",) if self._native else ())),
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
            post_quantum_protection=ProtectionLevel.HSM if self._native else ProtectionLevel.HSM_WRAPPED,
            native_parameter_sets=tuple(MlDsaParameterSet) if self._native else (),
            native_reason="" if self._native else "FakeKeyProvider was made without native keys",
            workers=1,
        )

    def _enter(self, operation: Operation) -> None:
        assert self._running, "used before start or after close"
        self._fail_if_told(operation)

    def _fail_if_told(self, operation: Operation) -> None:
        if self._failures[operation]:
            raise self._failures[operation].popleft()

    def _sign_next(self, request: SignRequest) -> bytes:
        self._enter(Operation.SIGN)
        checks.check_request(request)
        signature = self._signer.sign(request)
        self.signatures_released += 1
        return signature


def _point(private_key: ec.EllipticCurvePrivateKey) -> bytes:
    return private_key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
