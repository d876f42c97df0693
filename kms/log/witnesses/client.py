"""One witness, as this log sees it (C2SP tlog-witness, add-checkpoint): what it has of us, and what it says to more.

A witness is a second memory outside the database, so its word can show that an old backup was restored. But a word is
not proof: one malicious or broken witness must not stop a log for ever by claiming a larger size. Therefore only a
checkpoint that THIS LOG signed, of a size or root that the database does not have, freezes the log (LogRolledBack,
LogForked). It is asked for where witnesses offer it: GET <prefix>/<hex SHA-256 of the origin>/checkpoint. A
contradiction without that proof makes the witness absent, loudly: with a closed quorum this too holds the log back.
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from hashlib import sha256
from http import HTTPStatus
from typing import assert_never

from sqlalchemy.engine import Connection

from hallmark_tlog.errors import TlogError
from hallmark_tlog.note import SignatureLine, parse_note
from hallmark_tlog.policy import Witness
from hallmark_tlog.prove import consistency_proof, root_at
from hallmark_tlog.verify import open_checkpoint
from hallmark_tlog.vkey import VerifierKey
from hallmark_tlog.witness import (
    AddCheckpointRequest,
    Answer,
    Cosigned,
    Refusal,
    Refused,
    SizeConflict,
    TryLater,
    read_answer,
)
from kms.core.database import Database
from kms.log import store, tiles
from kms.log.errors import LogForked, LogRolledBack
from kms.log.model import PublishedCheckpoint
from kms.log.witnesses.http import HttpAnswer, WitnessHttp, WitnessUnreachable

_ADD_CHECKPOINT = "add-checkpoint"


class WitnessAway(Exception):
    """It did not answer, or it is busy: soon again."""


class WitnessContended(Exception):
    """Its size changed more than once while it was asked: another replica asks it too."""


class WitnessRefuses(Exception):
    """It does not know this log or its keys, or what it says can not be used: an operator should look."""


class WitnessContradicts(Exception):
    """It says that it has seen another tree, and does not show that this log signed it."""


class CheckpointOvertaken(Exception):
    """It has a larger checkpoint, of another replica on this database: this one is of no interest any more."""


@dataclass(slots=True)
class LogIdentity:
    """What makes a checkpoint this log's own. Keys follow one another while the log runs."""

    origin: str
    every_vkey: tuple[VerifierKey, ...] = ()
    """All keys it ever signed with."""


class WitnessClient:
    """Asks one submission prefix. One call of `ask` at a time."""

    def __init__(
        self,
        url: str,
        witnesses: Sequence[Witness],
        *,
        log: LogIdentity,
        database: Database,
        threads: Executor,
        timeout_seconds: float,
    ) -> None:
        """`witnesses`: those of the policy that are there, one for each key."""
        self.name = ", ".join(witness.name for witness in witnesses)
        self.url = url
        self.size = 0
        """Of what it cosigned last, as far as this process knows. Asked from 0, it says it itself."""
        self._vkeys = [witness.cosigner for witness in witnesses]
        self._log = log
        self._database = database
        self._threads = threads
        self._http = WitnessHttp(url)
        self._timeout_seconds = timeout_seconds

    async def ask(self, checkpoint: PublishedCheckpoint) -> list[SignatureLine]:
        """Verified cosignatures, at least one. `checkpoint.note` has the log's own lines only: witnesses cap the body.

        Raises WitnessAway, WitnessContended, WitnessRefuses, WitnessContradicts, CheckpointOvertaken, and with proof
        LogFrozen.
        """
        for _ in range(2):
            old = min(self.size, checkpoint.head.size)
            answer = await self._submit(old, checkpoint)
            match answer:
                case Cosigned(lines):
                    self.size = checkpoint.head.size
                    return [line for line, _ in lines]
                case SizeConflict(size) if size != old:
                    self.size = size
                    if size > checkpoint.head.size:
                        await self._look_into(f"says that it has size {size}", size)
                        raise CheckpointOvertaken
                case SizeConflict() | Refused(Refusal.INCONSISTENT, _):
                    await self._look_into(f"says that size {checkpoint.head.size} does not extend its {old}", None)
                case TryLater(status):
                    raise WitnessAway(f"it answered {status}")
                case Refused(reason, problem):
                    raise WitnessRefuses(f"{reason.name.lower()}: {problem}")
                case _:
                    assert_never(answer)
        raise WitnessContended

    def cut_off(self) -> None:
        """Ends what its thread does now."""
        self._http.cut_off()

    def close(self) -> None:
        """When its thread has ended."""
        self._http.close()

    async def _submit(self, old: int, checkpoint: PublishedCheckpoint) -> Answer:
        head = checkpoint.head
        proof = await self._database.read(
            lambda tx: consistency_proof(old, head.size, tiles.reader(tx, head.size).read_hash)
        )
        body = bytes(AddCheckpointRequest(old, tuple(proof), checkpoint.note))
        try:
            answer = await self._in_thread("POST", _ADD_CHECKPOINT, body)
        except WitnessUnreachable as error:
            raise WitnessAway(str(error)) from error
        text = parse_note(checkpoint.note).text
        return read_answer(answer.status, answer.content_type, answer.body, text=text, vkeys=self._vkeys)

    async def _look_into(self, says: str, size: int | None) -> None:
        """Is there proof against the database? Returns when `size` is one that another replica has made there."""
        head = await self._database.read(store.read_head)
        if size is not None and size <= head.size:
            return
        problem = "the checkpoint that it shows is in the database too"
        try:
            answer = await self._in_thread("GET", f"{sha256(self._log.origin.encode()).hexdigest()}/checkpoint", None)
            if answer.status != HTTPStatus.OK:
                raise WitnessUnreachable(f"it shows no checkpoint, status {answer.status}")
            await self._database.read(lambda tx: check_evidence(tx, answer.body, self._log, witness=self.name))
        except (WitnessUnreachable, TlogError) as error:
            problem = str(error)
        raise WitnessContradicts(f"it {says}, the database has {head.size}, and gives no proof: {problem}")

    async def _in_thread(self, method: str, path: str, body: bytes | None) -> HttpAnswer:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._threads, lambda: self._http.exchange(method, path, body, timeout_seconds=self._timeout_seconds)
        )


def check_evidence(tx: Connection, note: bytes, log: LogIdentity, *, witness: str) -> None:
    """A checkpoint that a witness shows. Raises LogRolledBack or LogForked when it is ours and not in this database.

    Raises TlogError when it is not signed by this log: then it proves nothing.
    """
    seen = open_checkpoint(note, log.every_vkey, origin=log.origin).checkpoint
    head = store.read_head(tx)
    if seen.size > head.size:
        raise LogRolledBack(seen.size, head.size, witness=witness)
    if root_at(seen.size, tiles.reader(tx, head.size).read_hash) != seen.root:
        raise LogForked(f"witness {witness} has its signed checkpoint of size {seen.size} with another root")
