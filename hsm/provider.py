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
             seed does not open (SealBroken). It is not stored here. A half that lives in the token is tied to it by
             its label there, with the same result.
Components   The halves of a composite sign only as that composite: no material of another kind makes them sign.
Not found    A key the token does not hold is KeyNotFound. A token that is not there is TokenNotFound, one that was
             lost is TokenUnavailable (its parent class). `destroy` of what is already gone succeeds.
Threading    Methods are called from one event loop; any number may be in flight. Work beyond the bounded queue is
             refused at once with HsmBusy. A call ends within the implementation's own time limit (HsmTimeout).
Cancelling   A cancelled call may still be carried out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from hallmark_composite import CompositeAlgorithm, EcCurve, MlDsaParameterSet

from .breaker import CircuitState
from .custody import KeyCustody
from .errors import HsmError
from .material import (
    CompositeKeyMaterial,
    EcdsaKeyMaterial,
    Ed25519KeyMaterial,
    KeyMaterial,
    MlDsaKeyMaterial,
    ProtectionLevel,
)
from .slot_health import SlotHealth

MAX_KEY_BINDING_SIZE: Final = 4096
MAX_MESSAGE_SIZE: Final = 98_304
"""Of the plain signatures below: 64 KiB in base64, with a header. Composite signatures take a digest."""
MAX_BATCH_SIZE: Final = 512
MU_SIZE: Final = 64
"""Bytes of ML-DSA's message representative (FIPS 204, algorithm 7)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompositeSignRequest:
    """`digest` is PH(M) of the key's algorithm, `context` 0 to 255 bytes; answered like `sign_composite`."""

    material: CompositeKeyMaterial
    digest: bytes
    context: bytes
    key_binding: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class MlDsaSignRequest:
    """Answered like `sign_mldsa`."""

    material: MlDsaKeyMaterial
    message: bytes
    context: bytes
    key_binding: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class MlDsaMuSignRequest:
    """Answered like `sign_mldsa_mu`."""

    material: MlDsaKeyMaterial
    mu: bytes
    key_binding: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class EcdsaSignRequest:
    """Answered like `sign_ecdsa`."""

    material: EcdsaKeyMaterial
    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Ed25519SignRequest:
    """Answered like `sign_ed25519`."""

    material: Ed25519KeyMaterial
    message: bytes


SignRequest = CompositeSignRequest | MlDsaSignRequest | MlDsaMuSignRequest | EcdsaSignRequest | Ed25519SignRequest
"""One item of `sign_many`."""


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
    """HSM: every ML-DSA parameter set is native. Each key's own material says how that key is protected."""
    native_parameter_sets: tuple[MlDsaParameterSet, ...]
    """New ML-DSA keys of these live inside the token."""
    native_reason: str
    """Why the other parameter sets are sealed instead; empty when there are none."""
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
    circuit: CircuitState = CircuitState.CLOSED
    """Not CLOSED: calls are refused for the moment although probes sign."""
    slots: tuple[SlotHealth, ...] = ()


class KeyProvider(KeyCustody, Protocol):
    """See the module's text for the contract; custody.py has the half for envelopes, rotation and transfer."""

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

    async def sign_many(self, requests: Sequence[SignRequest]) -> list[bytes | HsmError]:
        """Answers in the order of `requests` (at most 512, kinds may be mixed); one that fails fails no other.

        Raises only when the whole call is refused (HsmBusy, InvalidRequest for too many).
        """

    async def generate_ecdsa(self, curve: EcCurve) -> EcdsaKeyMaterial:
        """A plain ECDSA key in the token."""

    async def sign_ecdsa(self, material: EcdsaKeyMaterial, *, digest: bytes) -> bytes:
        """DER Ecdsa-Sig-Value (FIPS 186-5) over a digest the size of the curve's own: SHA-256 or SHA-384."""

    async def generate_ed25519(self) -> Ed25519KeyMaterial:
        """An Ed25519 key in the token."""

    async def sign_ed25519(self, material: Ed25519KeyMaterial, *, message: bytes) -> bytes:
        """64 bytes, RFC 8032 pure Ed25519."""

    async def generate_mldsa(self, parameter_set: MlDsaParameterSet, *, key_binding: bytes) -> MlDsaKeyMaterial:
        """A pure ML-DSA key, for example ML-DSA-44 for the log's checkpoints."""

    async def sign_mldsa(
        self, material: MlDsaKeyMaterial, *, message: bytes, context: bytes, key_binding: bytes
    ) -> bytes:
        """Pure ML-DSA (FIPS 204, algorithm 2), hedged; `context` 0 to 255 bytes."""

    async def sign_mldsa_mu(self, material: MlDsaKeyMaterial, *, mu: bytes, key_binding: bytes) -> bytes:
        """The same signature from the 64-byte message representative mu (FIPS 204, algorithm 7, line 6).

        Raises UnsupportedAlgorithm for a key inside the token: PKCS#11 v3.2 has no external mu.
        """

    async def destroy(self, material: KeyMaterial) -> None:
        """Removes what the token holds of the key, for good. A composite cannot sign after it.

        A sealed seed has nothing in the token: the caller deletes the material (and its backups) to be rid of it.
        """

    async def health(self) -> HsmHealth:
        """Signs for real on every worker that is up; raises HsmError if none can. Costs milliseconds: cache it."""

    async def slots(self) -> tuple[SlotHealth, ...]:
        """How each signer process is, as far as is known without asking; never raises. Empty before start."""

    async def capabilities(self) -> HsmCapabilities:
        """What was found at start."""
