"""The port of the post-quantum engines, and the error an engine raises. Selection lives in engine_selection.py."""

from typing import Protocol

from hallmark_composite import MlDsaParameterSet


class EngineUnavailable(Exception):
    """The engine's library is not installed here; the text says what was looked for."""


class EngineFault(Exception):
    """The engine failed where it must not; never retried with the same engine."""


class BadMlDsaSignature(Exception):
    """The signature does not verify."""


class LoadedMlDsaKey(Protocol):
    """A private key expanded for signing. Lives as long as the reference to it; holds secrets."""

    @property
    def public_key(self) -> bytes:
        """Derived from the seed, never from what the caller claims (FIPS 204, algorithm 22 encoding)."""

    def sign(self, message: bytes, context: bytes) -> bytes:
        """Pure ML-DSA, hedged (FIPS 204, algorithm 2). `context` at most 255 bytes. Raises EngineFault."""

    def sign_mu(self, mu: bytes) -> bytes:
        """The same from the 64-byte representative mu (algorithm 7). Only where the engine `supports_mu`."""


class PostQuantumEngine(Protocol):
    """ML-DSA-44/65/87 from 32-byte seeds. Durability: none. Retries: none. Threading: one thread, no locking."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    @property
    def can_sign(self) -> bool:
        """False for an engine that only verifies (liboqs where nothing can expand a seed for it)."""

    @property
    def supports_mu(self) -> bool:
        """True when it signs and verifies from an external mu."""

    @property
    def may_check_releases(self) -> bool:
        """True when its verifier is exact, so that it may decide whether another engine's signature leaves."""

    def load(self, parameter_set: MlDsaParameterSet, seed: bytes) -> LoadedMlDsaKey:
        """Raises EngineFault."""

    def verify(
        self,
        parameter_set: MlDsaParameterSet,
        *,
        public_key: bytes,
        signature: bytes,
        message: bytes,
        context: bytes,
    ) -> None:
        """Returns when the signature is valid; raises BadMlDsaSignature for anything else, whatever the bytes."""

    def verify_mu(self, parameter_set: MlDsaParameterSet, *, public_key: bytes, signature: bytes, mu: bytes) -> None:
        """The same from the 64-byte mu. Only where the engine `supports_mu`."""
