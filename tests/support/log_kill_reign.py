"""Kills the processes of one log again and again, starts them again, and keeps the book."""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from kms import migrations
from kms.core.database import Database
from support.file_key_provider import FileKeyProvider
from support.log_kill_book import Book, vkeys_of
from support.log_kill_load import ACTS, Life
from support.log_kill_nursery import Nursery
from support.log_kill_points import ANSWER, COMMIT, COMMITTED, KINDS, PUBLISH, SIGN
from support.postgresql import Cluster

RANDOM: Final = "at random"
_AT_RANDOM: Final = 0.4
_STALLING: Final = 0.5
_LIFE_SECONDS: Final = 0.9
_POINT_SECONDS: Final = 2.5
"""A point that is not reached until then: killed at random."""
_LOOK_SECONDS: Final = 0.01
_WAIT_SECONDS: Final = 30.0
_PROOFS_MORE: Final = 50
_FINISH_SECONDS: Final = 120.0
_RETRIES_MAX: Final = 400
_CRASH_EVERY: Final = 20


@dataclass(slots=True)
class Replica:
    """`pid` 0: none lives."""

    number: int
    public: Path
    pid: int = 0
    journal: Path = Path()
    kind: str = RANDOM
    dies_at: float = 0.0


@dataclass
class Reign:
    """Over one log: `publics` has a public folder for each replica, perhaps the same one twice."""

    nursery: Nursery
    folder: Path
    url: str
    publics: list[Path]
    seed: int
    cluster: Cluster | None = None
    clocks: Sequence[float] = (0.0,)
    """Seconds that the clock of a life may be ahead."""
    softhsm: bool = False
    book: Book = field(default_factory=Book)
    killed: Counter[str] = field(default_factory=Counter)
    crashes: int = 0
    _lives: int = 0

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)
        self._replicas = [Replica(number, public) for number, public in enumerate(self.publics)]

    def prepare(self) -> None:
        """Tables and token."""
        if not self.softhsm:
            FileKeyProvider(self.folder / "token")
        database = Database(self.url)
        migrations.upgrade(database.engine)
        ACTS.metadata.create_all(database.engine)
        database.close()

    def run(self, kills: int) -> None:
        """Until so many processes of the log were killed; then all of them end well."""
        crash_at = min(kills, _CRASH_EVERY) // 2
        try:
            while self.killed.total() < kills:
                self._keep_alive()
                for public in set(self.publics):
                    self.book.look(public)
                self._kill_due()
                if self.cluster is not None and self.killed.total() >= crash_at:
                    crash_at += _CRASH_EVERY
                    self._crash(self.cluster)
                assert not self.book.findings, self.told()
                time.sleep(_LOOK_SECONDS)
        finally:
            self.end()
        self.finish()

    # Step by step, for tests that do something else to it

    def begin(self) -> None:
        """Lives that are not to be killed at a point."""
        for replica in self._replicas:
            self._begin(replica)

    def end(self) -> None:
        """Kills whoever lives."""
        for replica in self._replicas:
            if replica.pid:
                self.nursery.kill(replica.pid)
                self._bury(replica)

    def look_for(self, seconds: float) -> None:
        """As an auditor; everybody lives."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for replica in self._replicas:
                self.book.look(replica.public)
                assert self.nursery.ended(replica.pid) is None, _errors(replica)
            assert not self.book.findings, self.told()
            time.sleep(_LOOK_SECONDS)

    def proofs(self) -> int:
        """How many were given in the lives of now."""
        return sum(self.proofs_of_each())

    def proofs_of_each(self) -> list[int]:
        """By replica."""
        journals = [each.journal.read_text().splitlines() for each in self._replicas]
        return [sum(line.startswith("ack ") and not line.endswith("-") for line in lines) for lines in journals]

    def wait_for_proofs(self) -> None:
        """Of acts that are new."""
        before, deadline = self.proofs(), time.monotonic() + _WAIT_SECONDS
        while self.proofs() < before + _PROOFS_MORE:
            assert time.monotonic() < deadline, f"it does not go on: {_errors(self._replicas[0])}"
            self.look_for(0.05)

    def finish(self) -> None:
        """Each replica ends well once, and the first once more: it shows what the second published."""
        for replica in [*self._replicas, *self._replicas[:1]]:
            self._begin(replica, finishes=True)
            status = self.nursery.ended(replica.pid, within_seconds=_FINISH_SECONDS)
            if status is None:
                self.nursery.kill(replica.pid)
            self._bury(replica)
            assert status == 0, f"it did not end well ({status}): {self.told()}"
        assert not self.book.outstanding(), "every retry was answered at last"

    def check(self) -> int:
        """Everything, at the end. Gives the size of the log."""
        sizes = {self.book.check(public) for public in self.publics}
        for public in set(self.publics):
            self.book.check_database(self.url, public)
        assert not self.book.findings, self.told()
        assert len(sizes) == 1, f"the folders show trees of {sizes}"
        return sizes.pop()

    def told(self) -> str:
        lines = [f"seed {self.seed}, {self.killed.total()} kills {dict(self.killed)}, {self.crashes} crashes"]
        return "\n".join(lines + self.book.findings[:20])

    def _keep_alive(self) -> None:
        for replica in self._replicas:
            if replica.pid and self.nursery.ended(replica.pid) is not None:
                self._count(replica, replica.kind)
            if not replica.pid:
                self._start(replica)

    def _start(self, replica: Replica) -> None:
        chance = self._chance
        name = ""
        if chance.random() > _AT_RANDOM:
            name = chance.choice(chance.choice([COMMIT, COMMITTED, SIGN, PUBLISH, ANSWER]))
        stall = chance.choice(list(KINDS)) if len(self.publics) > 1 and chance.random() < _STALLING else ""
        point = (name, chance.randint(0, 4), chance.choice([0.0, 0.0, chance.uniform(0, 0.004)]), stall)
        replica.kind = KINDS.get(name, RANDOM)
        replica.dies_at = time.monotonic() + (_POINT_SECONDS if name else chance.uniform(0, _LIFE_SECONDS))
        self._begin(replica, point)

    def _begin(
        self, replica: Replica, point: tuple[str, int, float, str] = ("", 0, 0.0, ""), *, finishes: bool = False
    ) -> None:
        self._lives += 1
        replica.journal = self.folder / f"journal-{self._lives}"
        life = Life(
            url=self.url,
            token=str(self.folder / "token"),
            guard_file=str(self.folder / f"guard-{replica.number}"),
            public=str(replica.public),
            journal=str(replica.journal),
            seed=self.seed * 100_003 + self._lives,
            point=point,
            retries=self._retries(everything=finishes),
            finishes=finishes,
            softhsm=self.softhsm,
            clock_ahead_seconds=self._chance.choice(self.clocks),
        )
        replica.journal.touch()
        replica.pid = self.nursery.start(life)

    def _retries(self, *, everything: bool) -> list[tuple[str, str]]:
        """What was not answered, also to both replicas at a time, and some of what was."""
        open_tries = self.book.outstanding()
        if everything:
            return open_tries
        answered = self._chance.sample(sorted(self.book.places), min(20, len(self.book.places)))
        return open_tries[-_RETRIES_MAX:] + [(self.book.tried[key], key) for key in answered]

    def _kill_due(self) -> None:
        due = [each for each in self._replicas if each.pid and time.monotonic() >= each.dies_at]
        if due and self._chance.random() < 0.2:
            due = [each for each in self._replicas if each.pid]  # both at a time
        for replica in due:
            ended = self.nursery.ended(replica.pid) is not None
            if not ended:
                self.nursery.kill(replica.pid)
            self._count(replica, replica.kind if ended else RANDOM)

    def _count(self, replica: Replica, kind: str) -> None:
        self.killed[kind] += 1
        self._bury(replica)

    def _bury(self, replica: Replica) -> None:
        """Read its journal, and all that it showed."""
        self.book.look(replica.public)
        has_keys = (replica.public / "verifier-keys").exists()
        self.book.read(replica.journal, vkeys_of(replica.public) if has_keys else [])
        errors = replica.journal.with_name(f"{replica.journal.name}.errors")
        if errors.exists() and (text := errors.read_text()) and "Traceback" in text:
            self.book.findings.append(f"{replica.journal.name}: {text[-3000:]}")
        else:
            errors.unlink(missing_ok=True)
            replica.journal.unlink()
        replica.pid = 0

    def _crash(self, cluster: Cluster) -> None:
        """PostgreSQL dies: one of its processes, after which it recovers by itself, or all of it."""
        self.crashes += 1
        if self.crashes % 2:
            _kill_a_backend(cluster)
            return
        cluster.stop(signal.SIGQUIT)
        time.sleep(0.2)
        cluster.start()


def _errors(replica: Replica) -> str:
    errors = replica.journal.with_name(f"{replica.journal.name}.errors")
    return replica.journal.read_text()[-1000:] + (errors.read_text()[-3000:] if errors.exists() else "")


def _kill_a_backend(cluster: Cluster) -> None:
    """SIGKILL of one that serves a replica: PostgreSQL ends all others and recovers."""
    engine = sa.create_engine(cluster.url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        query = "SELECT pid FROM pg_stat_activity WHERE application_name = 'hallmark' LIMIT 1"
        pid = connection.execute(sa.text(query)).scalar()
    if pid is not None:
        os.kill(pid, signal.SIGKILL)
