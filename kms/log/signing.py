"""The log's own keys and what they sign: checkpoints, by Ed25519 (0x01) and ML-DSA-44 (0x06), both named like the log.

The Ed25519 line is what today's tools and witnesses read; the ML-DSA-44 line is what a quantum computer cannot forge
(C2SP tlog-checkpoint asks for it). A note has both or is not released.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.engine import Connection

from hallmark_composite import MlDsaParameterSet
from hallmark_tlog.checkpoint import Checkpoint
from hallmark_tlog.cosignature import message_to_sign, signature_line
from hallmark_tlog.errors import TlogError
from hallmark_tlog.note import Note
from hallmark_tlog.verify import Require, open_checkpoint
from hallmark_tlog.vkey import KeyType, VerifierKey
from hsm.errors import SignatureFault
from hsm.material import Ed25519KeyMaterial, MlDsaKeyMaterial
from hsm.provider import KeyProvider
from kms.core.canonical import canonical_json
from kms.core.database import Database
from kms.log import store
from kms.log.model import TreeHead

_ED25519 = "ed25519"
_ML_DSA_44 = "ml-dsa-44"
_FIRST = 1


@dataclass(frozen=True, slots=True)
class LogKeys:
    """The pair that signs. The Ed25519 half is in the token; the ML-DSA-44 half is a seed sealed by it."""

    origin: str
    ed25519: Ed25519KeyMaterial
    ml_dsa: MlDsaKeyMaterial

    @property
    def ed25519_verifier(self) -> VerifierKey:
        return VerifierKey(self.origin, KeyType.ED25519, self.ed25519.public_key)

    @property
    def ml_dsa_verifier(self) -> VerifierKey:
        return VerifierKey(self.origin, KeyType.ML_DSA_44, self.ml_dsa.public_key)

    @property
    def verifiers(self) -> tuple[VerifierKey, VerifierKey]:
        return self.ed25519_verifier, self.ml_dsa_verifier


async def ensure_keys(database: Database, provider: KeyProvider, *, origin: str, now: datetime) -> LogKeys:
    """The keys of this log, made on first start. Raises HsmError.

    Replicas that start at once may each make a pair; the first one stored is everybody's.
    """
    keys = await database.read(lambda tx: _load(tx, origin))
    if keys is not None:
        return keys
    made = LogKeys(
        origin=origin,
        ed25519=await provider.generate_ed25519(),
        ml_dsa=await provider.generate_mldsa(MlDsaParameterSet.ML_DSA_44, key_binding=_binding(origin, _FIRST)),
    )
    keys = await database.write(lambda tx: _store(tx, made, now))
    if keys != made:
        await provider.destroy(made.ed25519)
    return keys


class CheckpointSigner:
    """Makes signed notes. Never decides what may be signed: see `checkpoints`."""

    def __init__(self, provider: KeyProvider, keys: LogKeys) -> None:
        self._provider = provider
        self._keys = keys

    async def sign(self, head: TreeHead, now: datetime) -> bytes:
        """A note with both lines, verified with `hallmark_tlog` before it is returned. Raises HsmError."""
        keys, timestamp = self._keys, int(now.timestamp())
        checkpoint = Checkpoint(origin=keys.origin, size=head.size, root=head.root)
        ed25519, ml_dsa = await asyncio.gather(
            self._provider.sign_ed25519(
                keys.ed25519, message=message_to_sign(keys.ed25519_verifier, checkpoint, timestamp=None)
            ),
            self._provider.sign_mldsa(
                keys.ml_dsa,
                message=message_to_sign(keys.ml_dsa_verifier, checkpoint, timestamp=timestamp),
                context=b"",
                key_binding=_binding(keys.origin, _FIRST),
            ),
        )
        try:
            lines = (
                signature_line(keys.ed25519_verifier, ed25519, timestamp=None),
                signature_line(keys.ml_dsa_verifier, ml_dsa, timestamp=timestamp),
            )
            note = bytes(Note(str(checkpoint), lines))
            opened = open_checkpoint(note, keys.verifiers, origin=keys.origin, require=Require.ALL)
        except TlogError as error:
            raise SignatureFault(f"a checkpoint did not verify after signing and was discarded: {error}") from error
        if opened.checkpoint != checkpoint:
            raise SignatureFault("a signed checkpoint reads differently from what was to be signed; it was discarded")
        return note


def format_verifier_keys(keys: Sequence[VerifierKey]) -> bytes:
    """The public file `verifier-keys`: one vkey (C2SP signed-note) a line, UTF-8."""
    return "".join(f"{key}\n" for key in keys).encode()


def kept_keys(tx: Connection) -> tuple[tuple[Ed25519KeyMaterial | MlDsaKeyMaterial, bytes], ...]:
    """The log's keys with their key bindings, for the jobs that seal keys anew or prove a backup. Empty before there
    are any.
    """
    origin = store.find_origin(tx)
    keys = None if origin is None else _load(tx, origin)
    return () if keys is None else ((keys.ed25519, b""), (keys.ml_dsa, _binding(keys.origin, _FIRST)))


def replace_sealed_key(tx: Connection, *, old: MlDsaKeyMaterial, new: MlDsaKeyMaterial) -> bool:
    """The same key sealed anew; False when it changed meanwhile. A log that runs keeps what it loaded."""
    return store.replace_key(tx, _ML_DSA_44, _FIRST, old=old.to_bytes(), new=new.to_bytes())


def _load(tx: Connection, origin: str) -> LogKeys | None:
    ed25519, ml_dsa = store.read_key(tx, _ED25519, _FIRST), store.read_key(tx, _ML_DSA_44, _FIRST)
    if ed25519 is None or ml_dsa is None:
        return None
    return LogKeys(origin, Ed25519KeyMaterial.from_bytes(ed25519), MlDsaKeyMaterial.from_bytes(ml_dsa))


def _store(tx: Connection, made: LogKeys, now: datetime) -> LogKeys:
    store.read_head(tx, lock=True)  # one replica after the other
    if (keys := _load(tx, made.origin)) is not None:
        return keys
    store.insert_key(tx, _ED25519, _FIRST, made.ed25519.to_bytes(), now)
    store.insert_key(tx, _ML_DSA_44, _FIRST, made.ml_dsa.to_bytes(), now)
    return made


def _binding(origin: str, number: int) -> bytes:
    """What the sealed seed is tied to: it opens for this log's checkpoints only."""
    return canonical_json({"purpose": "log-checkpoint", "origin": origin, "algorithm": _ML_DSA_44, "number": number})
