"""ML-DSA keys ready to sign: native ones as they are, sealed ones opened for as long as they may stay open.

A seed exists here from `unseal` until the opened key is dropped: at the end of the drain that needed it, or after
`cache_seconds`.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from hallmark_composite import MlDsaParameterSet
from hsm.engine import EngineFault, LoadedMlDsaKey, PostQuantumEngine
from hsm.errors import SealBroken
from hsm.material import CompositeKeyMaterial, MlDsaKeyMaterial, SealedSeed, TokenKey
from hsm.sealing import associated_data, native_label

from . import native
from .token import TokenSession

MAX_OPENED_KEYS: Final = 64


@dataclass(frozen=True, slots=True)
class _Opened:
    key: LoadedMlDsaKey
    expires_at: float


class OpenedKeys:
    """`clock` is monotonic seconds."""

    def __init__(self, token: TokenSession, *, clock: Callable[[], float], cache_seconds: float) -> None:
        self._token = token
        self._clock = clock
        self._cache_seconds = cache_seconds
        self._opened: OrderedDict[tuple[SealedSeed, bytes, str, bytes, str], _Opened] = OrderedDict()

    def open(
        self, material: CompositeKeyMaterial | MlDsaKeyMaterial, key_binding: bytes, engine: PostQuantumEngine
    ) -> LoadedMlDsaKey:
        """Raises KeyNotFound, SealBroken, TokenLost; for a native key only its `sign` does."""
        algorithm, parameter_set = algorithm_of(material)
        half = material.post_quantum
        if isinstance(half, TokenKey):
            label = native_label(algorithm=algorithm, key_binding=key_binding)
            public_key = material.public_key[: parameter_set.public_key_size]
            return native.NativeMlDsaKey(self._token, cka_id=half.cka_id, label=label, public_key=public_key)
        # Everything the seal is bound to is in the name: an opened key answers for nothing else.
        name = (half, material.public_key, algorithm, key_binding, engine.name)
        opened = self._opened.get(name)
        if opened is None:
            key = self._unseal(half, material.public_key, key_binding, engine, algorithm, parameter_set)
            self._opened[name] = opened = _Opened(key, self._clock() + self._cache_seconds)
            if len(self._opened) > MAX_OPENED_KEYS:
                self._opened.popitem(last=False)
        return opened.key

    def forget(self) -> None:
        """Drops opened keys that may not stay."""
        now = self._clock()
        for name in [name for name, opened in self._opened.items() if opened.expires_at <= now]:
            del self._opened[name]

    def clear(self) -> None:
        self._opened.clear()

    def _unseal(
        self,
        seal: SealedSeed,
        public_key: bytes,
        key_binding: bytes,
        engine: PostQuantumEngine,
        algorithm: str,
        parameter_set: MlDsaParameterSet,
    ) -> LoadedMlDsaKey:
        aad = associated_data(
            kek_id=seal.kek_id,
            algorithm=algorithm,
            public_key=public_key,
            key_binding=key_binding,
            version=seal.aad_version,
        )
        try:
            key = engine.load(parameter_set, self._token.unseal(seal, aad))
        except EngineFault:
            raise SealBroken("a sealed seed opened to something that is not a seed") from None
        if key.public_key != public_key[: parameter_set.public_key_size]:
            raise SealBroken("a sealed seed opened to another key than its public key")
        return key


def algorithm_of(material: CompositeKeyMaterial | MlDsaKeyMaterial) -> tuple[str, MlDsaParameterSet]:
    """The name the half is tied to, and its parameter set."""
    if isinstance(material, CompositeKeyMaterial):
        return material.algorithm.name, material.algorithm.ml_dsa
    return material.parameter_set.value, material.parameter_set
