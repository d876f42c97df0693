"""Revocations of before migration 0012 move into the feeds: the same signed bytes, the same order, and a later history."""

import json
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

import kms.app  # noqa: F401 - imports every store
from kms import migrations
from kms.core.database import Database
from kms.events import history, store
from kms.events.model import GLOBAL, REVOCATIONS, Known, Status

OLD_EPOCH = b"an old epoch 16!"
DEVICE = "00000000-0000-0000-0000-000000000001"
REVOKED = "https://schemas.openid.net/secevent/caep/event-type/credential-change"
ASSURANCE = "https://schemas.openid.net/secevent/caep/event-type/assurance-level-change"


def _old_database(folder: Path, url: str | None) -> Database:
    database = Database(url or f"sqlite:///{folder / 'old.db'}")
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    with database.engine.connect().execution_options(writes=True) as connection, connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, "0011")
    return database


def _put(tx: sa.Connection, sequence: int, subject: str, *, grave: bool | None, levels: dict[str, str] | None) -> None:
    table = sa.Table("revocation_event", sa.MetaData(), autoload_with=tx)
    uri = ASSURANCE if grave is None else REVOKED
    tx.execute(
        table.insert().values(
            tenant="default",
            sequence=sequence,
            id=f"00000000-0000-7000-8000-{sequence:012}",
            subject=f"tenants/default/{subject}",
            reason="ASSURANCE_LEVEL_CHANGE" if grave is None else "superseded",
            event_time=1_700_000_000_000_000 + sequence,
            effective_time=1_700_000_000_000_000,
            initiating_entity="admin",
            payload=json.dumps({"events": {uri: {}}}).encode(),
            key_version="tenants/system/keys/revocation-events/versions/1",
            signature=b"signature",
            sign_time=1_700_000_000_000_000,
            context="hallmark/revocation-event/v1",
            leaf_hash=bytes(32),
            entry=b"{}",
            grave=grave,
            assurance=levels,
        )
    )


def test_old_revocations_become_events(tmp_path: Path, database_url: str | None) -> None:
    database = _old_database(tmp_path, database_url)
    try:
        with database.engine.connect().execution_options(writes=True) as tx, tx.begin():
            feed = sa.Table("revocation_feed", sa.MetaData(), autoload_with=tx)
            tx.execute(feed.insert().values(tenant="default", epoch=OLD_EPOCH, sequence=5))
            _put(tx, 1, "keys/a", grave=False, levels=None)
            _put(tx, 2, f"devices/{DEVICE}", grave=None, levels={"current": "not-appraised", "previous": "appraised"})
            _put(tx, 3, "keys/a", grave=True, levels=None)
            _put(tx, 4, f"devices/{DEVICE}", grave=None, levels={"current": "appraised", "previous": "not-appraised"})
            _put(tx, 5, "keys/b", grave=False, levels=None)
        migrations.upgrade(database.engine)
        with database.engine.connect() as tx:
            _check(tx)
    finally:
        database.close()


def _check(tx: sa.Connection) -> None:
    all_of_them = history.events_after(tx, "default", REVOCATIONS, 0, limit=10)
    assert [placed.sequence for placed in all_of_them] == [1, 2, 3, 4, 5]
    assert [placed.event.subject.rpartition("/")[2] for placed in all_of_them] == ["a", DEVICE, "a", DEVICE, "b"]
    first = all_of_them[0].event
    assert json.loads(first.payload) == {"events": {REVOKED: {}}}
    assert first.signature is not None
    assert first.signature.signature == b"signature"
    everybody = history.state_after(tx, "default", GLOBAL, 0, limit=10)
    assert [(placed.sequence, placed.event.id[-1]) for placed in everybody] == [(2, "3"), (3, "5")]
    key = store.known(tx, "default", GLOBAL, "tenants/default/keys/a")
    assert key == Known(2, Status.INVALID)
    device = store.known(tx, "default", f"devices/{DEVICE}", f"tenants/default/devices/{DEVICE}")
    assert device == Known(2, Status.VALID)
    newest = history.find_newest(tx, "default", GLOBAL)
    assert newest is not None
    assert newest.sequence == 3
    assert int.from_bytes(newest.epoch[:8], "big") == 1_700_000_000_000_005, "cursors of before are of another history"
    outbox = history.outbox_after(tx, "default", 0, limit=10)
    assert [places for _, places, _ in outbox][1] == {REVOCATIONS: 2, f"devices/{DEVICE}": 1}
