"""What a signer process does with its token and engines. One method per operation of the wire; no I/O of its own.

An ML-DSA seed exists here from `unseal` until the opened key is dropped: at the end of the drain that needed it, or
after `seed_cache_seconds`.
"""

import os
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from hallmark_composite import CompositePublicKey, MlDsaParameterSet, algorithm_by_name, prehash
from hallmark_composite.encoding import join_public_key
from hsm import signing
from hsm.engine import EngineFault, LoadedMlDsaKey
from hsm.engine_selection import EngineSelection
from hsm.errors import HsmError, SealBroken
from hsm.material import (
    CKA_ID_SIZE,
    CompositeKeyMaterial,
    Ed25519KeyMaterial,
    MlDsaKeyMaterial,
    SealedSeed,
    TokenKey,
)
from hsm.sealing import associated_data

from .faults import TokenLost
from .frames import Operation
from .token import TokenSession

MAX_OPENED_KEYS: Final = 64
_SELF_TEST: Final = b"hallmark self-test"
_SEED_SIZE: Final = 32


@dataclass(frozen=True, slots=True)
class _Opened:
    """A key ready to sign: opened seed, parsed public key, and when it must be dropped."""

    material: CompositeKeyMaterial | MlDsaKeyMaterial
    ml_dsa_key: LoadedMlDsaKey
    expires_at: float


class Signer:
    """`clock` is monotonic seconds."""

    def __init__(
        self, token: TokenSession, engines: EngineSelection, *, clock: Callable[[], float], cache_seconds: float
    ) -> None:
        self._token = token
        self._engines = engines
        self._clock = clock
        self._cache_seconds = cache_seconds
        self._opened: OrderedDict[tuple[bytes, bytes], _Opened] = OrderedDict()
        self._probe_material, self._probe_binding = self._make_probe()
        self._operations: dict[str, Callable[..., Any]] = {
            Operation.SIGN: self.sign,
            Operation.SIGN_ED25519: self.sign_ed25519,
            Operation.SIGN_MLDSA: self.sign_mldsa,
            Operation.GENERATE_COMPOSITE: self.generate_composite,
            Operation.GENERATE_ED25519: self.generate_ed25519,
            Operation.GENERATE_MLDSA: self.generate_mldsa,
            Operation.DESTROY: self.destroy,
            Operation.PROBE: self.probe,
        }

    def perform(self, operation: str, arguments: list[Any]) -> Any:
        """Raises HsmError; TokenLost means that this process must end."""
        return self._operations[operation](*arguments)

    def forget(self) -> None:
        """Drops opened keys that may not stay; called after every drain."""
        now = self._clock()
        for name in [name for name, opened in self._opened.items() if opened.expires_at <= now]:
            del self._opened[name]

    def sign(self, items: list[list[bytes]]) -> list[Any]:
        """Each item [material, digest, context, key_binding]; each answer the signature or [error code, message]."""
        answers: list[Any] = []
        for material, digest, context, key_binding in items:
            try:
                answers.append(self._sign_composite(material, digest, context, key_binding))
            except TokenLost:
                raise
            except HsmError as error:
                answers.append([error.code, str(error)])
        return answers

    def sign_ed25519(self, material: bytes, message: bytes) -> bytes:
        key = Ed25519KeyMaterial.from_bytes(material)
        signature = self._token.sign_ed25519(key.classical.cka_id, message)
        signing.check_ed25519(key.public_key, signature=signature, message=message)
        return signature

    def sign_mldsa(self, material: bytes, message: bytes, context: bytes, key_binding: bytes) -> bytes:
        opened = self._open(MlDsaKeyMaterial.from_bytes, material, key_binding)
        assert isinstance(opened.material, MlDsaKeyMaterial)
        return signing.sign_ml_dsa(
            opened.ml_dsa_key,
            verifier=self._engines.verifier,
            parameter_set=opened.material.parameter_set,
            public_key=opened.material.public_key,
            message=message,
            context=context,
        )

    def generate_composite(self, algorithm_name: str, cka_id: bytes, key_binding: bytes) -> bytes:
        """The new material, after both halves have made a signature that verifies."""
        algorithm = algorithm_by_name(algorithm_name)
        point = self._token.generate_ec(algorithm.curve, cka_id)
        seed = os.urandom(_SEED_SIZE)
        ml_dsa = self._engines.signer.load(algorithm.ml_dsa, seed).public_key
        public_key = join_public_key(algorithm, ml_dsa=ml_dsa, ec_point=point)
        material = CompositeKeyMaterial(
            algorithm=algorithm,
            public_key=public_key,
            classical=TokenKey(cka_id),
            post_quantum=self._seal(seed, algorithm.name, public_key, key_binding),
        ).to_bytes()
        self._sign_composite(material, prehash(algorithm, _SELF_TEST), b"", key_binding)
        return material

    def generate_ed25519(self, cka_id: bytes) -> bytes:
        public_key = self._token.generate_ed25519(cka_id)
        material = Ed25519KeyMaterial(public_key=public_key, classical=TokenKey(cka_id)).to_bytes()
        self.sign_ed25519(material, _SELF_TEST)
        return material

    def generate_mldsa(self, parameter_set_name: str, key_binding: bytes) -> bytes:
        parameter_set = MlDsaParameterSet(parameter_set_name)
        seed = os.urandom(_SEED_SIZE)
        public_key = self._engines.signer.load(parameter_set, seed).public_key
        material = MlDsaKeyMaterial(
            parameter_set=parameter_set,
            public_key=public_key,
            post_quantum=self._seal(seed, parameter_set.value, public_key, key_binding),
        ).to_bytes()
        self.sign_mldsa(material, _SELF_TEST, b"", key_binding)
        return material

    def destroy(self, cka_id: bytes) -> None:
        self._opened.clear()
        self._token.destroy(cka_id)

    def probe(self) -> None:
        """Opens a sealed seed and signs with it, after the token has opened its own seal. Raises HsmError."""
        self._token.check_alive()
        self.sign_mldsa(self._probe_material, _SELF_TEST, b"", self._probe_binding)

    def _make_probe(self) -> tuple[bytes, bytes]:
        """A key of this process alone, never stored: made at start, so that start itself is a self-test."""
        binding = os.urandom(CKA_ID_SIZE)
        return self.generate_mldsa(MlDsaParameterSet.ML_DSA_44.value, binding), binding

    def _sign_composite(self, material: bytes, digest: bytes, context: bytes, key_binding: bytes) -> bytes:
        opened = self._open(CompositeKeyMaterial.from_bytes, material, key_binding)
        assert isinstance(opened.material, CompositeKeyMaterial)
        cka_id = opened.material.classical.cka_id
        return signing.sign_composite(
            _parse_public_key(opened.material.algorithm.name, opened.material.public_key),
            ml_dsa_key=opened.ml_dsa_key,
            sign_digest=lambda hashed: self._token.sign_digest(cka_id, hashed),
            verifier=self._engines.verifier,
            digest=digest,
            context=context,
        )

    def _seal(self, seed: bytes, algorithm: str, public_key: bytes, key_binding: bytes) -> SealedSeed:
        aad = associated_data(
            kek_id=self._token.kek_id, algorithm=algorithm, public_key=public_key, key_binding=key_binding
        )
        return self._token.seal(seed, aad)

    def _open(
        self,
        decode: Callable[[bytes], CompositeKeyMaterial | MlDsaKeyMaterial],
        encoded: bytes,
        key_binding: bytes,
    ) -> _Opened:
        """The binding is part of the name: a cached key answers only for the binding it was opened with."""
        name = (encoded, key_binding)
        opened = self._opened.get(name)
        if opened is None:
            opened = self._unseal(decode(encoded), key_binding)
            self._opened[name] = opened
            if len(self._opened) > MAX_OPENED_KEYS:
                self._opened.popitem(last=False)
        return opened

    def _unseal(self, material: CompositeKeyMaterial | MlDsaKeyMaterial, key_binding: bytes) -> _Opened:
        if isinstance(material, CompositeKeyMaterial):
            algorithm, parameter_set = material.algorithm.name, material.algorithm.ml_dsa
        else:
            algorithm, parameter_set = material.parameter_set.value, material.parameter_set
        seal = material.post_quantum
        aad = associated_data(
            kek_id=seal.kek_id, algorithm=algorithm, public_key=material.public_key, key_binding=key_binding
        )
        try:
            key = self._engines.signer.load(parameter_set, self._token.unseal(seal, aad))
        except EngineFault:
            raise SealBroken("a sealed seed opened to something that is not a seed") from None
        if key.public_key != material.public_key[: parameter_set.public_key_size]:
            raise SealBroken("a sealed seed opened to another key than its public key")
        return _Opened(material, key, self._clock() + self._cache_seconds)


@lru_cache(maxsize=256)
def _parse_public_key(algorithm: str, public_key: bytes) -> CompositePublicKey:
    return CompositePublicKey.from_bytes(algorithm_by_name(algorithm), public_key)
