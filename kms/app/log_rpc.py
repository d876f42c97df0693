"""LogService put together, and the index that entries are found by, which runs beside the log."""

import asyncio

from hsm.provider import KeyProvider
from kms.core.clock import Clock
from kms.core.database import Database
from kms.core.randomness import Randomness
from kms.log.appending.appending import AppendService
from kms.log.entries.entry_stream import EntryStream
from kms.log.entries.erasing import CommitmentService
from kms.log.entries.finding import EntryFinder
from kms.log.entries.indexer import Indexer
from kms.log.entries.rpc import EntryServices
from kms.log.keys.key_life import LogKeyLife
from kms.log.receipts.receipt_keys import ReceiptKeys
from kms.log.receipts.receipts import CoseReceipts
from kms.log.rpc import LogServicer
from kms.log.service import TransparencyLog
from kms.server.errors import to_status


def make_log_servicer(
    *,
    database: Database,
    provider: KeyProvider,
    log: TransparencyLog,
    clock: Clock,
    randomness: Randomness,
    draining: asyncio.Event,
) -> LogServicer:
    """The index begins to follow the log."""
    log.run_beside("index", Indexer(database, log).run)
    entries = EntryServices(
        finder=EntryFinder(database, log),
        stream=EntryStream(database, log, draining),
        commitments=CommitmentService(database, log, randomness),
        receipts=CoseReceipts(log, ReceiptKeys(database, provider, log.public_files, log.origin), clock),
    )
    return LogServicer(
        log,
        origin=log.origin,
        appending=AppendService(database, log, randomness),
        entries=entries,
        key_life=LogKeyLife(database, provider, log),
        clock=clock,
        to_status=to_status,
        draining=draining,
    )
