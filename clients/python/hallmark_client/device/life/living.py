"""What goes on while a device lives: feeds followed, the vault kept in line, receipts, anchors, the certificate."""

import logging
import threading
import uuid
from collections.abc import Callable
from typing import Final

from hallmark_client.device.audit import AuditAct, AuditHead, AuditRecord
from hallmark_client.device.roots.port import RootOfTrust
from hallmark_client.device.vault import Vault
from hallmark_client.model.log import LogPromise
from hallmark_client.model.releases import Anchored, ArtifactKey
from hallmark_client.watch.changes import Change, DeletionRequested
from hallmark_events.trust import LogEvidence

from .anchoring import Anchoring
from .erasing import Erasing, Moment
from .fates import commands_in
from .feeds import Feeds
from .link import Link
from .model import Command, DeviceStatus
from .receipts import Sending, Signer
from .settings import LifeSettings
from .standing import Standing
from .store import LifeStore
from .tasks import Task, Tasks

_logger = logging.getLogger("hallmark_client.device")

ERASING: Final = "deletion"
RECEIPTS: Final = "receipts"
RENEWAL: Final = "renewal"
ANCHOR: Final = "anchor"
_FOREVER: Final = float("inf")
_RENEWAL_SECONDS_MAX: Final = 60.0
"""The clock is looked at so often: it may have jumped."""
_JOIN_SECONDS: Final = 30.0
_ENTRIES_KEPT: Final = 10_000
"""Of the audit chain, at least; older ones go once an anchor stands for them."""


class Living:
    """Threads: hallmark-device for the tasks, that of the watcher for changes. One runs the tasks at a time."""

    def __init__(
        self,
        *,
        vault: Vault,
        root: RootOfTrust,
        store: LifeStore,
        feeds: Feeds,
        standing: Standing,
        link: Link,
        settings: LifeSettings,
    ) -> None:
        self._vault, self._store, self._feeds = vault, store, feeds
        self._standing, self._link, self._settings = standing, link, settings
        self._erasing = self._eraser(root)
        self._sending = Sending(
            store=store,
            client=lambda: link.client,
            trusted_keys=lambda: link.trust.keys(link.client),
            system=settings.system,
        )
        self._anchoring = Anchoring(
            store=store,
            head=self._head,
            anchor=self._anchor,
            remember=self._remember,
            every=settings.anchor_every,
        )
        self._tasks = self._made_tasks()
        self._working = threading.Lock()
        self._awake = threading.Event()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def _eraser(self, root: RootOfTrust) -> Erasing:
        signer = Signer(
            device=self._link.registration.device,
            key=self._link.key,
            root=root,
            system=self._settings.system,
            moment=self._moment,
        )
        return Erasing(
            vault=self._vault,
            root=root,
            store=self._store,
            decision=self._standing.decision,
            told=self._standing.told,
            sign=signer.sign,
        )

    def _made_tasks(self) -> Tasks:
        runs: dict[str, Callable[[], float]] = {
            ERASING: self._erase,
            RECEIPTS: self._send,
            RENEWAL: self._renew_in_time,
            ANCHOR: self._anchoring.run,
        }
        return Tasks(self._settings.system, {name: Task(name=name, run=run) for name, run in runs.items()})

    def start(self) -> None:
        if self._thread is None:
            self._follow()
            self._thread = threading.Thread(target=self._run, name="hallmark-device", daemon=True)
            self._thread.start()

    def work(self) -> float:
        with self._working:
            return self._tasks.run_due()

    def renew(self) -> None:
        with self._working:
            self._renewed()

    def look(self) -> None:
        """The vault is looked at soon."""
        self._tasks.wake(ERASING)
        self._awake.set()

    def key_received(self, artifact: str, answer: ArtifactKey) -> None:
        """Written down before the key is used."""
        lease = "" if answer.lease is None else answer.lease.name
        with self._vault.writing() as chain:
            chain.append(self._record(AuditAct.KEY_RECEIVED, artifact=artifact, release=answer.release, lease=lease))

    def status(self) -> DeviceStatus:
        registration = self._link.registration
        return DeviceStatus(
            device=registration.device,
            is_running=self._thread is not None and self._thread.is_alive(),
            watch=self._feeds.status(),
            blocked=self._standing.told().blocked,
            certificate_expire_time=registration.expire_time,
            receipts_owed=self._store.owed(),
            suspended=len(self._store.suspended()),
            anchored_size=self._anchoring.size,
            trouble=dict(self._tasks.trouble()),
        )

    def close(self) -> None:
        """Ends the watcher and the connection first: nobody waits for an answer any more."""
        self._closing.set()
        self._awake.set()
        self._feeds.stop()
        self._link.close()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(_JOIN_SECONDS)
        self._feeds.stop()

    def _run(self) -> None:
        while not self._closing.is_set():
            self._awake.clear()
            try:
                seconds = self.work()
            except Exception:  # a fault of ours must not end the life of the device
                _logger.exception("a task of the device has failed")
                seconds = self._settings.look_every.total_seconds()
            self._awake.wait(min(seconds, self._settings.look_every.total_seconds()))

    def _follow(self) -> None:
        link = self._link
        configured = self._settings.files_url
        url = link.registration.public_url if configured is None else configured
        self._feeds.start(link.client, link.trust, files_url=url or None, on_change=self._changed)

    def _changed(self, change: Change) -> None:
        """In the watcher's thread. A command is durable when this returns: then it counts as heard."""
        if isinstance(change, DeletionRequested):
            self._ask(Command(subject=change.subject, jti=change.jti, own=dict(change.own)))
        self._standing.changed()
        self.look()

    def _ask(self, command: Command) -> None:
        if self._store.ask(command):
            self._standing.changed()

    def _erase(self) -> float:
        self._feeds.tick()
        for command in commands_in(self._feeds.snapshot()):
            self._ask(command)
        try:
            self._erasing.run()
        finally:
            self._standing.changed()
        if self._store.owed():
            self._tasks.wake(RECEIPTS)
        return self._settings.look_every.total_seconds()

    def _send(self) -> float:
        if self._sending.run():
            self._tasks.wake(ANCHOR)
        return _FOREVER

    def _renew_in_time(self) -> float:
        if self._link.due_in().total_seconds() <= 0:
            self._renewed()
        return min(max(1.0, self._link.due_in().total_seconds()), _RENEWAL_SECONDS_MAX)

    def _renewed(self) -> None:
        self._link.renew()
        if self._thread is not None and not self._closing.is_set():
            self._follow()  # a stream shows the certificate that it was opened with

    def _moment(self) -> Moment:
        now, clocks = self._feeds.now()
        return Moment(head=self._head(), boot_id=_uuid(clocks.boot_id), time=now.time)

    def _anchor(self, head: AuditHead) -> Anchored:
        releases = self._link.client.releases
        return releases.anchor_audit(self._link.registration.device, size=head.size, head=head.head, wait="published")

    def _remember(self, head: AuditHead, log: LogPromise) -> None:
        evidence, trust = LogEvidence(log.entry, log.tlog_proof), self._link.trust.log()
        with self._vault.writing() as chain:
            chain.append(self._record(AuditAct.ANCHORED, size=str(head.size), head=head.head.hex()))
            chain.remember_anchor(head, evidence, log=trust)
            chain.prune(keep=_ENTRIES_KEPT, time=self._feeds.now()[0].time, boot_seconds=self._boot_seconds())

    def _head(self) -> AuditHead:
        """Durable, with every read so far."""
        with self._vault.writing() as chain:
            return chain.head()

    def _record(self, act: AuditAct, **facts: str) -> AuditRecord:
        return AuditRecord(time=self._feeds.now()[0].time, boot_seconds=self._boot_seconds(), act=act, facts=facts)

    def _boot_seconds(self) -> int:
        return int(self._settings.clock.boot_seconds())


def _uuid(boot_id: str) -> str:
    """As it is where it is a UUID; another name of a boot becomes one (RFC 9562, section 5.5)."""
    try:
        return str(uuid.UUID(boot_id))
    except ValueError:
        return str(uuid.uuid5(uuid.NAMESPACE_OID, boot_id))
