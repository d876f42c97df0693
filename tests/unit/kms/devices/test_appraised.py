"""Which of many devices may be relied on: the same answer from each kind of database."""

import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import Connection

from kms.core.database import Database, metadata
from kms.core.names import ChildName
from kms.devices.appraised import appraised
from kms.devices.model import DeviceState
from support.clock import START
from support.database import fresh_database

MANY = 1201


@pytest.fixture
def database(tmp_path: Path, database_url: str) -> Iterator[Database]:
    with fresh_database(tmp_path, database_url) as opened:
        yield opened


def named(number: int, tenant: str = "default") -> ChildName:
    return ChildName(tenant, "devices", str(uuid.UUID(int=number)))


def _enrol(tx: Connection, name: ChildName, *, verdict: bool, state: DeviceState = DeviceState.ATTESTED) -> None:
    values = {"tenant": name.tenant, "id": name.id, "create_time": START}
    document = json.dumps({"appraised": verdict, "claims": {"appraised": not verdict}})
    empty = {"evidence": b"", "challenge": bytes(32)}
    tx.execute(metadata.tables["attestation_verdict"].insert().values(**values, **empty, verdict=document))
    tx.execute(
        metadata.tables["device"]
        .insert()
        .values(**values, state=state, key_spki=b"", latest_verdict=name.id, update_time=START)
    )


async def test_attested_and_appraised_ones(database: Database) -> None:
    def write(tx: Connection) -> None:
        for number in range(MANY):
            _enrol(tx, named(number), verdict=number % 3 != 0)
        _enrol(tx, named(MANY), verdict=True, state=DeviceState.REVOKED)
        _enrol(tx, named(1, "other"), verdict=False)

    await database.write(write)
    asked = [*(named(number) for number in range(MANY + 2)), named(1, "other"), named(2, "other")]
    found = await database.read(lambda tx: appraised(tx, asked))
    assert found == {named(number) for number in range(MANY) if number % 3}
    assert await database.read(lambda tx: appraised(tx, [])) == frozenset()
