"""A rolling upgrade: a replica of the release before serves with clients connected, one of this release starts on the same
PostgreSQL and brings it up to date, both serve at once, the old one drains. Nobody loses anything.
"""

import io
import shutil
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
import sqlalchemy as sa

from hallmark.v1 import events_pb2, events_pb2_grpc, keys_pb2, keys_pb2_grpc, revocation_pb2, revocation_pb2_grpc
from hallmark_events.event_set import EventSet
from hallmark_tlog.merkle import leaf_hash
from rpc.wire import PARENT, credentials, fresh_id, fresh_name
from support.postgresql import PostgresqlServer
from support.replicas import ORIGIN, SHARED_FOLDERS, Replicas
from support.service import RunningService, prepare_home

ROOT = Path(__file__).resolve().parents[3]
FIRST_NEW_MIGRATION = "kms/migrations/versions/0018_tenants.py"
OLD_REVISION = "0017"
SIGNERS = 4
SECONDS = 1.5


@pytest.fixture(scope="module")
def old_release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code of the commit before the tables changed, with its own generated messages."""
    folder = tmp_path_factory.mktemp("release")
    found = _git("log", "--diff-filter=A", "--format=%H", "--", FIRST_NEW_MIGRATION).decode().split()
    if not found:
        pytest.skip("the history of this checkout does not go back to the release before (a shallow clone)")
    try:
        archive = _git("archive", f"{found[-1]}^")
    except subprocess.CalledProcessError:
        pytest.skip("the commit before is not in this checkout (a shallow clone)")
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        opened.extractall(folder, filter="data")
    subprocess.run([sys.executable, "scripts/generate_protos.py"], cwd=folder, check=True, capture_output=True)
    return folder


def _git(*arguments: str) -> bytes:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("this is no git checkout: the release before is not here")
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True).stdout


@dataclass(frozen=True)
class Upgrade:
    old: RunningService
    new: RunningService
    url: str

    def identity(self) -> Path:
        return self.old.home / "clients" / "admin"

    def revision(self) -> str:
        engine = sa.create_engine(self.url, poolclass=sa.NullPool)
        with engine.connect() as connection:
            return str(connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar_one())


@pytest.fixture
def upgrade(old_release: Path, postgresql: PostgresqlServer, tmp_path: Path) -> Iterator[Upgrade]:
    """The old one serves; the new one is ready to be started."""
    with postgresql.database() as url:
        environment = {
            "HALLMARK__DATABASE__URL": url,
            "HALLMARK__LOG__ORIGIN": ORIGIN,
            "HALLMARK__LOG__PUBLIC_FOLDER": str(tmp_path / "old" / "public"),
            "HALLMARK__HSM__SIGNERS": "1",
        }
        paths = ":".join(str(old_release / part) for part in ("", "clients/python", "gen"))
        old, new = tmp_path / "old", tmp_path / "new"
        old.mkdir()
        new.mkdir()
        first = RunningService(old, prepare_home(old), (), {**environment, "PYTHONPATH": paths})
        second = RunningService(new, prepare_home(new), (), environment)
        try:
            first.start()
            for name in SHARED_FOLDERS:
                shutil.copytree(old / name, new / name)
            (new / "hsm").symlink_to(old / "hsm")
            yield Upgrade(first, second, url)
        finally:
            for service in (first, second):
                if service.process is not None and service.process.poll() is None:
                    service.kill()


class Follower:
    """What signing and watching clients share: replicas that may answer, and how to get to another one."""

    def __init__(self, upgrade: Upgrade) -> None:
        self.addresses = [str(upgrade.old.facts["address"])]
        self.credentials = credentials(upgrade.identity())
        self.stop = threading.Event()


class Signer(threading.Thread):
    """Signs without pause; what was refused is asked again, with the same request_id, of whoever answers."""

    def __init__(self, follower: Follower, key: str) -> None:
        super().__init__(daemon=True)
        self._follower, self._key = follower, key
        self.answered: list[keys_pb2.SignResponse] = []
        self.codes: set[grpc.StatusCode] = set()

    def run(self) -> None:
        place = 0
        while not self._follower.stop.is_set():
            request = keys_pb2.SignRequest(name=self._key, request_id=fresh_id(), data=b"upgrade")
            while True:
                address = self._follower.addresses[place % len(self._follower.addresses)]
                with grpc.secure_channel(address, self._follower.credentials) as opened:
                    try:
                        answer = keys_pb2_grpc.SigningServiceStub(opened).Sign(request, timeout=20)
                    except grpc.RpcError as error:
                        self.codes.add(error.code())
                        place += 1
                        time.sleep(0.05)
                        continue
                self.answered.append(answer)
                break


class Watcher(threading.Thread):
    """Follows the global feed, with the cursor of before, from replica to replica."""

    def __init__(self, follower: Follower) -> None:
        super().__init__(daemon=True)
        self._follower = follower
        self.heard: list[str] = []
        self.goodbyes: list[str] = []
        self.open = threading.Event()

    def run(self) -> None:
        place, cursor = 0, ""
        while not self._follower.stop.is_set():
            address = self._follower.addresses[place % len(self._follower.addresses)]
            start = events_pb2.FeedStart(feed=events_pb2.FEED_GLOBAL, cursor=cursor)
            request = events_pb2.WatchEventsRequest(parent=PARENT, feeds=[start], heartbeat_interval={"seconds": 1})
            with grpc.secure_channel(address, self._follower.credentials) as opened:
                try:
                    for frame in events_pb2_grpc.EventServiceStub(opened).WatchEvents(request, timeout=60):
                        cursor = frame.cursor or cursor
                        self._take(frame)
                        if self._follower.stop.is_set():
                            return
                except grpc.RpcError:
                    time.sleep(0.05)
            place += 1

    def _take(self, frame: events_pb2.WatchEventsResponse) -> None:
        match frame.WhichOneof("frame"):
            case "event":
                self.heard.append(EventSet.parse(frame.event.set).subject)
            case "bookmark":
                self.open.set()
            case "goodbye":
                self.goodbyes.append(frame.goodbye.reason)


def _new_key(opened: grpc.Channel) -> str:
    request = keys_pb2.CreateKeyRequest(parent=PARENT, key_id=fresh_name(), request_id=fresh_id())
    return keys_pb2_grpc.KeyServiceStub(opened).CreateKey(request, timeout=20).key.name


def _revoke(opened: grpc.Channel, subject: str) -> None:
    reason = revocation_pb2.REVOCATION_REASON_KEY_COMPROMISE
    request = revocation_pb2.RevokeRequest(subject=subject, reason=reason, request_id=fresh_id())
    revocation_pb2_grpc.RevocationServiceStub(opened).Revoke(request, timeout=20)


def test_clients_stay_connected_through_an_upgrade_and_nothing_is_lost(upgrade: Upgrade) -> None:
    follower = Follower(upgrade)
    at_old = grpc.secure_channel(follower.addresses[0], follower.credentials)
    key = _new_key(at_old)
    assert upgrade.revision() == OLD_REVISION
    signers, watcher = [Signer(follower, key) for _ in range(SIGNERS)], Watcher(follower)
    for thread in (*signers, watcher):
        thread.start()
    assert watcher.open.wait(20)
    revoked = [_new_key(at_old)]
    _revoke(at_old, revoked[0])

    upgrade.new.start()
    assert upgrade.revision() > OLD_REVISION
    follower.addresses.append(str(upgrade.new.facts["address"]))
    at_new = grpc.secure_channel(follower.addresses[1], follower.credentials)
    answered = [len(signer.answered) for signer in signers]
    time.sleep(SECONDS)
    assert all(len(signer.answered) > before for signer, before in zip(signers, answered, strict=True))
    assert {signer.answered[-1].key_version for signer in signers} == {f"{key}/versions/1"}
    for maker, breaker in ((at_old, at_new), (at_new, at_old)):  # each works with what the other made
        revoked.append(_new_key(maker))
        sign = keys_pb2.SignRequest(name=revoked[-1], request_id=fresh_id(), data=b"m")
        signature = keys_pb2_grpc.SigningServiceStub(breaker).Sign(sign, timeout=20)
        again = keys_pb2_grpc.SigningServiceStub(maker).Sign(sign, timeout=20)
        assert (again.signature, again.replayed) == (signature.signature, True)
        _revoke(breaker, revoked[-1])

    at_old.close()
    assert upgrade.old.stop() == 0
    follower.addresses.pop(0)
    answered = [len(signer.answered) for signer in signers]
    time.sleep(SECONDS)
    assert all(len(signer.answered) > before for signer, before in zip(signers, answered, strict=True))
    revoked.append(_new_key(at_new))
    _revoke(at_new, revoked[-1])
    deadline = time.monotonic() + 20
    while {name for name in revoked if any(heard.startswith(name) for heard in watcher.heard)} != set(revoked):
        assert time.monotonic() < deadline, "the watcher has not heard of everything"
        time.sleep(0.05)
    follower.stop.set()
    for thread in (*signers, watcher):
        thread.join(20)
    at_new.close()
    assert watcher.goodbyes == ["draining"]
    assert len(watcher.heard) == len(set(watcher.heard)), "and of nothing twice"
    assert {code for signer in signers for code in signer.codes} <= {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.CANCELLED,  # by the release before, which did not wait until callers had heard
    }
    assert upgrade.new.stop() == 0
    _, logged = Replicas(upgrade.old, upgrade.new, upgrade.url).audit()
    leaves = {leaf_hash(entry) for entry in logged}
    assert {answer.log.leaf_hash for signer in signers for answer in signer.answered} <= leaves
