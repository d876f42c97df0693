"""From the outbox to a place in the tree: one transaction that is right or does not happen."""

import asyncio
import logging

from sqlalchemy.engine import Connection

from hallmark_tlog.compact import CompactRange
from hallmark_tlog.errors import TlogError
from hallmark_tlog.merkle import leaf_hash
from kms.core.database import Database
from kms.core.errors import Aborted, Reason
from kms.core.wakeup import Wakeup, wait_ticket
from kms.log import store, tiles
from kms.log.backoff import Backoff
from kms.log.errors import LogDamaged, LogFrozen
from kms.log.model import LogSettings, TreeHead

_logger = logging.getLogger(__name__)


def sequence(tx: Connection, batch_max: int) -> tuple[TreeHead, int]:
    """Moves up to `batch_max` entries from the queue into the tree. Returns the head after it, and how many moved.

    1. Lock the state (PostgreSQL), so that sequencers of other replicas wait here.
    2. Take the oldest entries of the queue.
    3. Load the tree's right edge from the tiles; its root must be the root in the state.
    4. Write entries and tiles, empty the queue.
    5. Compare-and-set the state. Whatever went wrong before it: if the state moved, nothing of this is stored.

    Raises LogDamaged when tiles and state contradict each other, Aborted when another sequencer was faster.
    """
    head = store.read_head(tx, lock=True)
    queued = store.queued(tx, batch_max)
    if not queued:
        return head, 0
    tree = load_tree(tx, head)
    leaf_hashes = [leaf_hash(item.data) for item in queued]
    completed = tree.extend(leaf_hashes)
    store.insert_entries(tx, head.size, queued, leaf_hashes)
    tiles.append_hashes(tx, head.size, leaf_hashes, completed)
    store.dequeue(tx, queued)
    new = TreeHead(tree.size, tree.root())
    if not store.advance(tx, head, new):
        raise Aborted(Reason.INTERNAL, "another sequencer was faster")
    return new, len(queued)


def load_tree(tx: Connection, head: TreeHead) -> CompactRange:
    """The right edge of the tree as its tiles have it. Raises LogDamaged unless it leads to the root of `head`."""
    try:
        tree = CompactRange.load(head.size, tiles.reader(tx, head.size).read_hash)
    except TlogError as error:
        raise LogDamaged(f"the tiles of size {head.size} cannot be read: {error}") from error
    if tree.root() != head.root:
        raise LogDamaged(f"its tiles make another root for size {head.size} than its state says")
    return tree


class Sequencer:
    """Runs `sequence` whenever it is woken, and now and then for what other replicas left behind."""

    def __init__(self, database: Database, settings: LogSettings, sequenced: Wakeup) -> None:
        """`sequenced` is notified after every look at the queue: there may be something new to sign."""
        self._database = database
        self._settings = settings
        self._sequenced = sequenced
        self._wakeup = Wakeup()

    def wake(self) -> None:
        self._wakeup.notify()

    async def run(self) -> None:
        """Until cancelled. Raises LogFrozen; everything else is logged and tried again, ever more slowly.

        Rounds keep a distance: moving 500 entries costs little more than moving one.
        """
        backoff = Backoff()
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            ticket = self._wakeup.ticket()
            try:
                await self.drain()
            except LogFrozen:
                raise
            except Exception as error:  # a loop of the service: only an operator may stop it
                _logger.warning("the log could not be sequenced: %s", error)
                await asyncio.sleep(backoff.failed())
                continue
            backoff.succeeded()
            await self._wait_for_work(ticket)
            await asyncio.sleep(began + self._settings.min_checkpoint_interval_seconds - loop.time())

    async def drain(self) -> TreeHead:
        """Sequences until the queue is empty. Returns the head then."""
        batch_max = self._settings.batch_max
        while True:
            head, moved = await self._database.write(lambda tx: sequence(tx, batch_max))
            self._sequenced.notify()
            if moved < batch_max:
                return head

    async def _wait_for_work(self, ticket: asyncio.Future[None]) -> None:
        while not await wait_ticket(ticket, self._settings.poll_seconds):
            # Nobody called: look with a read before taking the writer's time.
            if not await self._database.read(store.is_queue_empty):
                return
