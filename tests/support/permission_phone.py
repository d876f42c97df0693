"""A phone as a process of its own, to be killed at any moment: it follows its feeds and deletes what it is told to.

    python -m support.permission_phone FOLDER STREAM|POLL|FILES

FOLDER holds its profile, whom to believe (service.pem, log.vkeys), watch.db and the journal. What it may use it asks all the time; an answer that lies goes into
the journal. After a start it is reminded by the journal of what it heard before, and of receipts that it owes.
"""

import base64
import hashlib
import signal
import sys
import threading
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from hallmark_client import Client, HallmarkError, Profile
from hallmark_client.model.removals import DeletionReceipt
from hallmark_client.removals import deletion_receipt
from hallmark_client.system import System
from hallmark_client.watch import Change, PinnedKeys, Rung, Watcher
from hallmark_composite import CompositePublicKey
from hallmark_tlog.vkey import parse_vkey
from support.permission_journal import Journal, Memory

STORE: Final = "watch.db"
SERVICE_KEY: Final = "service.pem"
LOG_KEYS: Final = "log.vkeys"
IMPATIENT: Final = System(jitter=lambda: 0.01)
"""Never waits for more than three seconds: the server is not there for longer at a time."""
_LOOK_SECONDS: Final = 0.2
_USED: Final = ("consents/", "artifacts/", "leases/")


class PhoneLife:
    """From a start to a kill."""

    def __init__(self, folder: Path, rung: Rung) -> None:
        self.folder = folder
        self.memory, self.lock = Memory.of(folder), threading.Lock()
        self.journal = Journal(folder)
        self.name = (folder / "name").read_text()
        self.stop = threading.Event()
        key = load_pem_private_key((folder / "key.pem").read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        self.key = key
        self.profile = Profile.load(folder)
        self.client = Client(self.profile, timeout_seconds=5)
        self.keys = PinnedKeys(CompositePublicKey.from_spki_pem((folder / SERVICE_KEY).read_text()))
        self.note("start")
        self.watcher = self._watch(rung)

    def live(self) -> None:
        while not self.stop.wait(_LOOK_SECONDS):
            self.look()
            self.give_receipts()
        self.watcher.close()
        self.client.close()

    def note(self, saw: str, **facts: Any) -> None:
        with self.lock:
            self.journal.write(saw, **facts)
            self.memory.add({"saw": saw, **facts})

    def look(self) -> None:
        """Whatever was heard to be ended for ever may not be used, at any moment."""
        with self.lock:
            gone = set(self.memory.gone)
            fresh = set(self.memory.told) - gone - self.memory.allowed
        for subject in (each for each in gone | fresh if any(f"/{kind}" in each for kind in _USED)):
            if self.watcher.decision(subject).is_allowed:
                if subject in gone:
                    self.note("wrong", text=f"{subject} is allowed after it was heard to be over")
                else:
                    self.note("allowed", subject=subject)

    def give_receipts(self) -> None:
        with self.lock:
            owed = [each for each in self.memory.commands if each not in self.memory.answers]
        for removal in owed:
            if removal not in self.memory.receipts:
                made = self._receipt(self.memory.commands[removal])
                facts = {"set": _text(made.set), "signature": _text(made.signature), "request_id": str(uuid.uuid4())}
                self.note("receipt", removal=removal, **facts)
            try:
                self._submit(removal, self.memory.receipts[removal])
            except HallmarkError as error:
                if type(error).__name__ not in {"Unavailable", "DeadlineExceeded", "TransportRefused"}:
                    self._refused(removal, error)
                return

    def told(self, change: Change) -> None:
        """Written down before it counts as applied; what is taken back is asked for at once."""
        after = None if change.after is None else change.after.name
        self.note(
            "change",
            kind=type(change).__name__,
            feed=change.feed.value,
            subject=change.subject,
            after=after,
            jti=change.jti,
            uri=change.uri,
            own=dict(change.own),
        )
        is_over = after in {"INVALID", "SUSPENDED"} and hasattr(self, "watcher")
        if is_over and self.watcher.decision(change.subject).is_allowed:
            self.note("wrong", text=f"{change.subject} is allowed while it is told to be {after}")

    def _watch(self, rung: Rung) -> Watcher:
        return Watcher(
            self.client,
            store=self.folder / STORE,
            on_change=self.told,
            files_url=self.profile.public_url if rung is Rung.FILES else None,
            trusted_keys=self.keys,
            log_policy=[parse_vkey(line) for line in (self.folder / LOG_KEYS).read_text().splitlines()],
            heartbeat=timedelta(seconds=1),
            poll_every=timedelta(seconds=0.4),
            files_every=timedelta(seconds=1),
            begin_with=rung,
            system=IMPATIENT,
        )

    def _receipt(self, command: dict[str, Any]) -> DeletionReceipt:
        return deletion_receipt(
            SimpleNamespace(uri=command["uri"], subject=command["subject"], jti=command["jti"], own=command["own"]),
            device=self.name,
            jti=IMPATIENT.request_id(),
            epoch_before=1,
            epoch_after=2,
            audit_head=hashlib.sha256(command["jti"].encode()).digest(),
            boot_id=str(uuid.uuid4()),
            device_time=datetime.now(UTC),
            sign=lambda message: self.key.sign(message, ec.ECDSA(hashes.SHA256())),
        )

    def _submit(self, removal: str, made: dict[str, Any]) -> None:
        receipt = DeletionReceipt(set=base64.b64decode(made["set"]), signature=base64.b64decode(made["signature"]))
        answer = self.client.removals.submit(removal, receipt, request_id=made["request_id"])
        assert answer.receipt is not None
        answer.receipt.verify(self.keys, removal)
        assert answer.receipt.log is not None
        facts = {"countersigned": _text(answer.receipt.countersigned), "leaf": answer.receipt.log.leaf_hash.hex()}
        self.note("answer", removal=removal, state=str(answer.state), grade=str(answer.grade), **facts)

    def _refused(self, removal: str, error: HallmarkError) -> None:
        """A phone that was revoked gives no receipts any more."""
        if error.reason != "DEVICE_REVOKED":
            self.note("wrong", text=f"a receipt for {removal} was refused: {type(error).__name__} {error}")
        self.note("answer", removal=removal, state=error.reason, grade="", countersigned="", leaf="")


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def main(folder: Path, rung: Rung) -> None:
    """Until SIGTERM. Needs no server to begin: what it believes lies in the folder."""
    life = PhoneLife(folder, rung)
    signal.signal(signal.SIGTERM, lambda *_: life.stop.set())
    life.live()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Rung[sys.argv[2]])
