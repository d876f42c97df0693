import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

import pytest

from kms.core.database import Database
from kms.core.errors import AlreadyExists, InvalidArgument, Reason
from kms.core.idempotency import LIFETIME, Replays, RequestKey, purge
from kms.core.identity import Caller, Role
from support.clock import START
from support.database import fresh_database

ALICE = Caller("spiffe://x/tenants/default/admin/alice", "default", Role.ADMIN, "alice")
BOB = Caller("spiffe://x/tenants/default/admin/bob", "default", Role.ADMIN, "bob")


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True, slots=True)
class Inner:
    payload: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    signature: bytes
    at: datetime
    colour: Colour
    inner: Inner
    maybe: int | None


ANSWER = Answer(b"\xff\x00" * 1700, START, Colour.RED, Inner(b"\x80"), None)
REPLAYS: Replays[Answer] = Replays(Answer)


@pytest.fixture
def database(tmp_path: Path, world_url: str | None) -> Iterator[Database]:
    with fresh_database(tmp_path, world_url) as database:
        yield database


def _key(caller: Caller = ALICE, request_id: str = "", method: str = "Sign", body: bytes = b"body") -> RequestKey:
    return RequestKey.of(caller, request_id or str(uuid.uuid4()), method, body)


async def test_the_same_call_gets_the_same_answer(database: Database) -> None:
    key = _key()
    assert await database.read(lambda tx: REPLAYS.find(tx, key)) is None
    await database.write(lambda tx: REPLAYS.store(tx, key, ANSWER, START))
    assert await database.read(lambda tx: REPLAYS.find(tx, key)) == ANSWER


@pytest.mark.parametrize("other", [{"body": b"other"}, {"method": "Rotate"}])
async def test_another_call_under_the_same_id_is_refused(database: Database, other: dict) -> None:
    key = _key()
    await database.write(lambda tx: REPLAYS.store(tx, key, ANSWER, START))
    reused = _key(request_id=key.request_id, **other)
    with pytest.raises(AlreadyExists) as refused:
        await database.read(lambda tx: REPLAYS.find(tx, reused))
    assert refused.value.reason is Reason.REQUEST_ID_REUSED


async def test_ids_belong_to_their_caller(database: Database) -> None:
    key = _key()
    await database.write(lambda tx: REPLAYS.store(tx, key, ANSWER, START))
    assert await database.read(lambda tx: REPLAYS.find(tx, _key(BOB, key.request_id))) is None


async def test_answers_are_forgotten_after_their_lifetime_only(database: Database) -> None:
    key = _key()
    await database.write(lambda tx: REPLAYS.store(tx, key, ANSWER, START))
    assert await database.write(lambda tx: purge(tx, START + LIFETIME)) == 0
    assert await database.write(lambda tx: purge(tx, START + LIFETIME + timedelta(seconds=1))) == 1
    assert await database.read(lambda tx: REPLAYS.find(tx, key)) is None


@pytest.mark.parametrize(
    "bad", ["", "x", "B51AACEA-2EAD-4DC0-ACF6-25908217ED97", "00000000-0000-0000-0000-000000000000", "é" * 36]
)
def test_a_request_id_is_a_uuid(bad: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        RequestKey.of(ALICE, bad, "Sign", b"")
    assert refused.value.reason is Reason.REQUEST_ID_INVALID
