"""Two replicas on one PostgreSQL database are one service: what the one did, the other knows at once."""

import json
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from hallmark_client import AlreadyExists, Client, Event, FailedPrecondition, ProposalState, RotationPolicy
from hallmark_tlog.merkle import leaf_hash
from kms.trust.model import latest_path
from support.postgresql import PostgresqlServer
from support.replicas import Replicas, two_replicas

SETTINGS = '[server]\nadmins = ["alice", "bob"]\n[approvals.required]\ndestroy = 1\n'
SCHEDULED = 8


@pytest.fixture(scope="module")
def replicas(postgresql: PostgresqlServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicas]:
    with postgresql.database() as url, two_replicas(tmp_path_factory.mktemp("replicas"), url, settings=SETTINGS) as two:
        yield two


@pytest.fixture
def first(replicas: Replicas) -> Iterator[Client]:
    with replicas.first.client() as client:
        yield client


@pytest.fixture
def second(replicas: Replicas) -> Iterator[Client]:
    with replicas.second.client() as client:
        yield client


@pytest.fixture
def key(first: Client, second: Client) -> str:
    """Both have signed with it, so both remember its version."""
    name = first.keys.create(f"key-{uuid.uuid4().hex[:12]}").name
    for client in (first, second):
        client.signing.sign(name, b"warm")
    return name


def _until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def test_a_request_id_has_one_answer_wherever_it_is_asked(replicas: Replicas, first, second, key: str) -> None:
    request_id = str(uuid.uuid4())
    signed = first.signing.sign(key, b"once", request_id=request_id)
    again = second.signing.sign(key, b"once", request_id=request_id)
    assert (again.signature, again.log.leaf_hash, again.replayed) == (signed.signature, signed.log.leaf_hash, True)
    with pytest.raises(AlreadyExists) as refused:
        second.signing.sign(key, b"another", request_id=request_id)
    assert refused.value.reason == "REQUEST_ID_REUSED"
    ids = [str(uuid.uuid4()) for _ in range(24)]
    with ThreadPoolExecutor(8) as pool:
        asked = [
            [pool.submit(client.signing.sign, key, request.encode(), request_id=request) for client in (first, second)]
            for request in ids
        ]
        answers = [[future.result() for future in pair] for pair in asked]
    for one, other in answers:
        assert (one.signature, one.log.leaf_hash) == (other.signature, other.log.leaf_hash)
        assert one.replayed != other.replayed
    made = {pair[0].log.leaf_hash for pair in answers}
    second.signing.sign(key, b"last", wait="published")
    logged = Counter(leaf_hash(entry) for entry in replicas.audit()[1])
    assert {logged[leaf] for leaf in made} == {1}


def test_the_other_replica_follows_at_once(first: Client, second: Client, key: str) -> None:
    assert second.signing.sign(key, b"before").key_version.endswith("/1")
    primary = first.keys.rotate(key).primary_version
    assert second.signing.sign(key, b"after").key_version == primary
    alias = f"aliases/current-{uuid.uuid4().hex[:12]}"
    first.aliases.set(alias, key)
    assert second.signing.sign(alias, b"by alias").key_version == primary
    other = second.keys.create(f"key-{uuid.uuid4().hex[:12]}")
    second.aliases.set(alias, other.name)
    assert first.signing.sign(alias, b"by alias").key_version == other.primary_version
    first.revocations.revoke(key, "KEY_COMPROMISE")
    with pytest.raises(FailedPrecondition) as refused:
        second.signing.sign(key, b"too late")
    assert refused.value.reason == "KEY_REVOKED"


def test_a_watcher_of_one_hears_of_a_revocation_at_the_other(first: Client, second: Client, key: str) -> None:
    stop = threading.Event()
    heard: list[str] = []

    def listen() -> None:
        frames = second.revocations.watch(stop=stop)
        heard.extend(frame.event.subject for frame in frames if isinstance(frame, Event))

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    first.revocations.revoke(key, "KEY_COMPROMISE")
    _until(lambda: key in heard)
    stop.set()
    second.close()
    listener.join(10)


def test_people_approve_at_any_replica(replicas: Replicas, first: Client, key: str) -> None:
    first.keys.rotate(key)
    with replicas.first.client("alice") as alice, replicas.second.client("bob") as bob:
        proposal = alice.approvals.propose("DESTROY", f"{key}/versions/1", reason="end of life")
        assert bob.approvals.approve(bob.approvals.get(proposal.name)).state is ProposalState.APPROVED
        assert alice.approvals.get(proposal.name).state is ProposalState.APPROVED
        bob.keys.change_state(f"{key}/versions/1", "SCHEDULE_DESTROY", proposal=proposal.name)
        with pytest.raises(FailedPrecondition) as refused:
            alice.keys.change_state(f"{key}/versions/1", "SCHEDULE_DESTROY", proposal=proposal.name)
    assert refused.value.reason in {"PROPOSAL_USED", "STATE_TRANSITION_INVALID"}


def test_both_give_the_same_trust_bundle(replicas: Replicas, first: Client, second: Client, key: str) -> None:
    first.keys.rotate(key)

    def same() -> bool:
        one, other = first.trust.fetch(), second.trust.fetch()
        return (one.sequence, one.payload, one.signature) == (other.sequence, other.payload, other.signature)

    _until(same)
    sequence = second.trust.fetch().sequence
    file = replicas.public / latest_path("default")
    _until(lambda: file.exists() and json.loads(file.read_bytes())["sequence"] >= sequence)


def test_the_clock_does_each_rotation_once(replicas: Replicas) -> None:
    with replicas.first.client() as client:
        policy = RotationPolicy(period=timedelta(hours=1))
        names = [client.keys.create(f"key-{uuid.uuid4().hex[:12]}", rotation=policy).name for _ in range(SCHEDULED)]
    _make_due(replicas.url, names)
    _until(lambda: _version_counts(replicas, names) == {2})
    for replica in replicas.both:
        replica.stop()
    _make_due(replicas.url, names)
    starting = [threading.Thread(target=replica.start) for replica in replicas.both]
    for thread in starting:
        thread.start()
    for thread in starting:
        thread.join()
    _until(lambda: _version_counts(replicas, names) == {3})
    time.sleep(2.5)  # two more rounds of each replica's clock
    assert _version_counts(replicas, names) == {3}
    with replicas.second.client() as client:
        last = client.signing.sign(names[0], b"afterwards", wait="published")
    entries = [json.loads(entry) for entry in replicas.audit()[1]]
    rotations = Counter(entry["subject"] for entry in entries if entry["type"] == "key.rotated")
    assert last.key_version == f"{names[0]}/versions/3"
    assert {rotations[f"{name}/versions/{number}"] for name in names for number in (2, 3)} == {1}


def _make_due(url: str, names: list[str]) -> None:
    """As if the time had passed."""
    now = int((datetime.now(UTC) - timedelta(seconds=5)).timestamp() * 1_000_000)
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        statement = sa.text("UPDATE key SET next_rotation_time = :now WHERE key_id = ANY(:keys)")
        connection.execute(statement, {"now": now, "keys": [name.rpartition("/")[2] for name in names]})


def _version_counts(replicas: Replicas, names: list[str]) -> set[int]:
    with replicas.first.client() as client:
        return {len(client.keys.get(name).versions) for name in names}
