"""Sums meet in the database, on both kinds of it."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from kms.audit import seen_store, session_store, signature_store
from kms.audit.model import CertificateFacts, SeenKind, Session
from kms.audit.recorder import SeenRow
from kms.audit.seen_calls import SeenCallsReader
from kms.audit.session_store import Place
from kms.core.database import Database
from support.clock import START
from support.database import fresh_database
from unit.kms.audit.bench import KEY

HOUR = timedelta(hours=1)
CALLER = "spiffe://example/tenants/default/backend/backend"
SESSION = Session(
    id="00000000000000aa",
    tenant="default",
    caller=CALLER,
    authentication="mtls",
    tls_version="TLSv1.3",
    tls_group="X25519MLKEM768",
    certificate=CertificateFacts("ECDSA P-256", "ECDSA-SHA256"),
    start_time=START,
    last_time=START,
    calls=1,
    refused=0,
    bytes=10,
)
KIND = SeenKind("default", CALLER, "SigningService.Sign", KEY, "192.0.2.0/24", "X25519MLKEM768", True)


@pytest.fixture
def database(tmp_path: Path, world_url: str | None) -> Iterator[Database]:
    with fresh_database(tmp_path, world_url) as fresh:
        yield fresh


async def _listing(database: Database, tenant: str | None = "default", **options: object) -> list[Session]:
    wanted = {"classical_only": False, "after": None, "limit": 100, **options}
    return await database.read(lambda tx: session_store.listing(tx, tenant, **wanted))


async def test_a_session_grows(database: Database) -> None:
    later = replace(SESSION, start_time=START + HOUR, last_time=START + HOUR, calls=2, refused=1, bytes=5)
    for rows in ([SESSION], [later], [replace(SESSION, calls=0, bytes=0)]):
        await database.write(lambda tx, rows=rows: session_store.add(tx, rows))
    grown = replace(SESSION, last_time=START + HOUR, calls=3, refused=1, bytes=15)
    assert await _listing(database) == [grown]


async def test_sessions_come_newest_first_page_by_page_each_tenant_its_own(database: Database) -> None:
    many = [
        replace(SESSION, id=f"{number:016x}", start_time=START + (number // 2) * HOUR, tls_group=group)
        for number, group in enumerate(["X25519", "X25519MLKEM768"] * 40)
    ]
    other = replace(SESSION, id="f" * 16, tenant="other")
    await database.write(lambda tx: session_store.add(tx, [*many, other]))
    first = await _listing(database, limit=30)
    rest = await _listing(database, after=Place(first[-1].start_time, first[-1].id))
    assert [*first, *rest] == many[::-1]
    assert await _listing(database, classical_only=True) == many[::2][::-1]
    assert len(await _listing(database, None)) == len(many) + 1
    assert await _listing(database, "other") == [other]


async def test_sessions_are_counted_while_they_lived(database: Database) -> None:
    long = replace(SESSION, id="1" * 16, start_time=START - 9 * HOUR, last_time=START + 9 * HOUR)
    old = replace(SESSION, id="2" * 16, start_time=START - 9 * HOUR, last_time=START - 8 * HOUR, tls_group="X25519")
    await database.write(lambda tx: session_store.add(tx, [SESSION, long, old]))

    def count(tx, **span):
        return session_store.counts(tx, "default", ("tls_group", "certificate_key"), **span)

    found = await database.read(lambda tx: count(tx, since=START, until=START + HOUR))
    assert found == [(("X25519MLKEM768", "ECDSA P-256"), 2)]
    assert len(await database.read(lambda tx: count(tx, since=START - 9 * HOUR, until=START))) == 2


async def test_kinds_of_calls_add_up_over_hours_and_replicas(database: Database) -> None:
    rows = [SeenRow(KIND, START, 2, START), SeenRow(replace(KIND, allowed=False), START, 1, START)]
    later = SeenRow(KIND, START + HOUR, 3, START + HOUR)
    await database.write(lambda tx: seen_store.add(tx, rows))
    await database.write(lambda tx: seen_store.add(tx, [*rows, later]))
    reader = SeenCallsReader(database)
    first, token = await reader.page("default", 1, "")
    second, end = await reader.page("default", 1, token)
    found = {call.kind: call for call in (*first, *second)}
    assert end == ""
    assert (found[KIND].count, found[KIND].last_time) == (7, START + HOUR)
    assert found[replace(KIND, allowed=False)].count == 2
    assert await reader.page("other", 10, "") == ([], "")
    assert (await reader.page("default", 10, "\x00 not ours"))[0] != []


async def test_what_is_old_goes_in_steps(database: Database) -> None:
    kinds = [replace(KIND, resource=f"{KEY}{number}") for number in range(25)]

    def fill(tx) -> None:
        seen_store.add(tx, [SeenRow(kind, START + hour * HOUR, 1, START) for kind in kinds for hour in (0, 1, 5)])
        session_store.add(tx, [replace(SESSION, id=f"{n:016x}", last_time=START + n * HOUR) for n in range(20)])
        found = {("default", START + n * HOUR, "ML-DSA-65"): 1 for n in range(20)}
        signature_store.add(tx, origin="log", before=0, size=20, found=found)

    await database.write(fill)
    limit = START + 2 * HOUR
    gone = [await database.write(lambda tx: seen_store.remove(tx, before=limit, limit=10)) for _ in range(7)]
    assert gone == [10, 10, 5, 10, 10, 5, 0]
    assert await database.write(lambda tx: session_store.remove(tx, before=limit, limit=1)) == 1
    assert await database.write(lambda tx: session_store.remove(tx, before=limit, limit=10)) == 1
    assert [await database.write(lambda tx: signature_store.remove(tx, before=limit, limit=1)) for _ in "123"] == [
        1,
        1,
        0,
    ]
    assert await database.read(lambda tx: session_store.end_of_surplus(tx, 18)) == START + 2 * HOUR
    assert await database.read(lambda tx: session_store.end_of_surplus(tx, 19)) is None


async def test_signatures_are_counted_once_by_whichever_replica_is_first(database: Database) -> None:
    found = {("default", START, "ML-DSA-65"): 2, ("default", START + HOUR, "Ed25519"): 1}

    def add(tx, before: int, size: int) -> bool:
        return signature_store.add(tx, origin="log", before=before, size=size, found=found)

    assert await database.write(lambda tx: add(tx, 0, 7))
    assert not await database.write(lambda tx: add(tx, 0, 9))
    assert await database.write(lambda tx: add(tx, 7, 9))
    assert not await database.write(lambda tx: add(tx, 7, 11))
    assert await database.read(lambda tx: signature_store.place(tx, "log")) == 9
    assert await database.read(lambda tx: signature_store.place(tx, "another")) == 0
    span = {"since": START, "until": START + HOUR}
    assert await database.read(lambda tx: signature_store.counts(tx, None, **span)) == {"ML-DSA-65": 4}
    assert await database.read(lambda tx: signature_store.counts(tx, "other", **span)) == {}
