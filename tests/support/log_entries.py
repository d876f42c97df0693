"""What reads, opens and erases entries, put together on a log world, and events of callers for it."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy.engine import Connection

from kms.core.call import Call, Channel
from kms.core.database import Database
from kms.core.identity import Caller, Role
from kms.core.ids import new_id
from kms.log.entries import openings_store
from kms.log.entries.commitments import commit
from kms.log.entries.entry_stream import EntryStream
from kms.log.entries.erasing import CommitmentService
from kms.log.entries.finding import EntryFinder
from kms.log.entries.indexer import Indexer
from kms.log.entries.rpc import EntriesRpc, EntryServices
from kms.log.model import LogEntry
from kms.log.receipts.receipt_keys import ReceiptKeys
from kms.log.receipts.receipts import CoseReceipts
from kms.log.service import TransparencyLog
from support.clock import START
from support.log_world import ORIGIN, LogWorld
from support.randomness import SeededRandomness

TENANT = "default"
EVENT = "com.example.model.released"


def call(tenant: str = TENANT, role: Role = Role.ADMIN, method: str = "EraseCommitments") -> Call:
    caller = Caller(f"spiffe://x/tenants/{tenant}/{role}/a", tenant, role, "a")
    return Call("id", f"/hallmark.v1.LogService/{method}", caller, Channel("peer", "TLSv1.3", "X25519MLKEM768"), START)


@dataclass
class EntriesWorld:
    """`append` puts an event into the log and publishes it; `services` are those of the servicer."""

    world: LogWorld
    draining: asyncio.Event = field(default_factory=asyncio.Event)
    randomness: SeededRandomness = field(default_factory=lambda: SeededRandomness(4711))

    def services(self, database: Database | None = None, log: TransparencyLog | None = None) -> EntryServices:
        database, log = database or self.world.database, log or self.world.log
        keys = ReceiptKeys(database, self.world.provider, self.world.files, ORIGIN)
        return EntryServices(
            finder=EntryFinder(database, log),
            stream=EntryStream(database, log, self.draining),
            commitments=CommitmentService(database, log, self.randomness),
            receipts=CoseReceipts(log, keys, self.world.clock),
        )

    def rpc(self) -> EntriesRpc:
        return EntriesRpc(self.services(), origin=ORIGIN)

    def indexer(self) -> Indexer:
        return Indexer(self.world.database, self.world.log)

    async def append(
        self,
        subject: str = "models/1",
        event_type: str = EVENT,
        *,
        tenant: str = TENANT,
        personal: Mapping[str, str] | None = None,
        person: str | None = None,
        publish: bool = True,
    ) -> str:
        """The event key. Each is a second later than the one before."""
        self.world.clock.advance(1)
        now = self.world.clock.now()
        key, committed = new_id(now, self.randomness), commit(personal or {}, self.randomness)
        entry = LogEntry(key, event_type, tenant, subject, now, {"by": "x", "facts": {}}, committed.commitments)
        rows = openings_store.openings(key, committed.salts, tenant=tenant, person=person)

        def store(tx: Connection) -> None:
            self.world.log.record(tx, entry)
            openings_store.insert_many(tx, rows)

        await self.world.database.write(store)
        if publish:
            await self.world.log.step()
        return key
