"""The port: what the service asks of a key store. Implemented by hsm.pkcs11 (tokens) and hsm.testing (memory).

Contract of every implementation (tests/contract/hsm):

Durability   `generate_*` returns after the private halves are durable. If it raises, a half may be left in the token;
             it is unreachable without the returned material, and the implementation tries to remove it.
Retries      Signing is safe to repeat; each success is another valid signature (ML-DSA and ECDSA are randomised).
             Implementations repeat a signature by themselves, at most twice, when a signer process dies. Nothing
             else is repeated. `HsmError.retryable` says whether the caller may try again later.
Release      No signature leaves before it verified against the public key in the material, its ML-DSA half by
             another engine than the one that made it (where two are live; `capabilities()` says so).
Binding      `key_binding` is the caller's name for the key (tenant, key, version, purpose; any framing, at most
             4,096 bytes). It is sealed in as associated data: the same bytes must come with every signature, or the
             seed does not open (SealBroken). It is not stored here.
Not found    A key the token does not hold is KeyNotFound. A token that is not there is TokenNotFound, one that was
             lost is TokenUnavailable (its parent class). `destroy` of what is already gone succeeds.
Threading    Methods are called from one event loop; any number may be in flight. Work beyond the bounded queue is
             refused at once with HsmBusy. A call ends within the implementation's own time limit (HsmTimeout).
Cancelling   A cancelled call may still be carried out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from hallmark_composite import CompositeAlgorithm, MlDsaParameterSet

from .errors import HsmError
from .material import (
    CompositeKeyMaterial,
    Ed25519KeyMaterial,
    KeyMaterial,
    MlDsaKeyMaterial,
    ProtectionLevel,
)

MAX_KEY_BINDING_SIZE: Final = 4096
MAX_MESSAGE_SIZE: Final = 65_536
"""Of the plain signatures below; composite signatures take a digest."""
MAX_BATCH_SIZE: Final = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class CompositeSignRequest:
    """One item of `sign_many`. `digest` is PH(M) of the key's algorithm, `context` 0 to 255 bytes."""

    material: CompositeKeyMaterial
    digest: bytes
    context: bytes
    key_binding: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineFact:
    """One post-quantum engine: what it is and how it did at start. Rates are ML-DSA-65 signatures per second."""

    name: str
    version: str
    signs_per_second: float | None
    """None: not raced (it cannot sign with our seeds, failed its known-answer test, or the choice was given)."""
    refused_because: str | None
    """None: passed its known-answer tests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HsmCapabilities:
    """What is live, for the capabilities RPC and `hallmark hsm doctor`. Nothing here is secret."""

    provider: str
    module: str
    module_version: str
    token_label: str
    token_serial: str
    token_model: str
    token_manufacturer: str
    mechanisms: tuple[str, ...]
    """Those of interest that the token has, PKCS#11 names without CKM_."""
    engines: tuple[EngineFact, ...]
    signing_engine: str
    verifying_engine: str
    classical_protection: ProtectionLevel
    post_quantum_protection: ProtectionLevel
    workers: int

    @property
    def protection(self) -> ProtectionLevel:
        return ProtectionLevel.weaker(self.classical_protection, self.post_quantum_protection)

    @property
    def independently_verified(self) -> bool:
        """True when signatures are checked by another engine than the one that makes them."""
        return self.signing_engine != self.verifying_engine


@dataclass(frozen=True, slots=True, kw_only=True)
class HsmHealth:
    """A token key and a sealed seed really signed and both halves verified just now."""

    workers_ready: int
    workers: int
    slowest_probe_ms: float


class KeyProvider(Protocol):
    """See the module's text for the contract."""

    async def start(self) -> None:
        """Prepares the token if need be, starts signing, self-tests. Raises SetupError, TokenNotFound, Pin*.

        May be called again after it failed; until it succeeds every other call raises what it raised.
        """

    async def close(self) -> None:
        """Finishes what is in flight, logs out. May be called twice, and after a failed start."""

    async def generate_composite(self, algorithm: CompositeAlgorithm, *, key_binding: bytes) -> CompositeKeyMaterial:
        """Two fresh component keys that are never used anywhere else."""

    async def sign_composite(
        self, material: CompositeKeyMaterial, *, digest: bytes, context: bytes, key_binding: bytes
    ) -> bytes:
        """Gives mldsaSig || DER ecdsaSig, at most `algorithm.max_signature_size` bytes. Raises HsmError."""

    async def sign_many(self, requests: Sequence[CompositeSignRequest]) -> list[bytes | HsmError]:
        """Answers in the order of `requests` (at most 512); an item that fails does not fail the others.

        Raises only when the whole call is refused (HsmBusy, InvalidRequest for too many).
        """

    async def generate_ed25519(self) -> Ed25519KeyMaterial:
        """An Ed25519 key in the token."""

    async def sign_ed25519(self, material: Ed25519KeyMaterial, *, message: bytes) -> bytes:
        """64 bytes, RFC 8032 pure Ed25519."""

    async def generate_mldsa(self, parameter_set: MlDsaParameterSet, *, key_binding: bytes) -> MlDsaKeyMaterial:
        """A plain ML-DSA key, for example ML-DSA-44 for the log's checkpoints."""

    async def sign_mldsa(
        self, material: MlDsaKeyMaterial, *, message: bytes, context: bytes, key_binding: bytes
    ) -> bytes:
        """Pure ML-DSA (FIPS 204, algorithm 2), hedged; `context` 0 to 255 bytes."""

    async def destroy(self, material: KeyMaterial) -> None:
        """Removes what the token holds of the key, for good. A composite cannot sign after it.

        A sealed seed has nothing in the token: the caller deletes the material (and its backups) to be rid of it.
        """

    async def health(self) -> HsmHealth:
        """Signs for real on every worker that is up; raises HsmError if none can. Costs milliseconds: cache it."""

    async def capabilities(self) -> HsmCapabilities:
        """What was found at start."""
