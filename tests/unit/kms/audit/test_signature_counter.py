"""Signatures are counted from the log; what the report reads of other features is what they wrote."""

from datetime import timedelta
from pathlib import Path

from kms.audit import other_tables, signature_store
from kms.audit.reading import AuditReader
from kms.audit.signature_counter import SignatureCounter
from kms.core.names import KeyName
from kms.keys.algorithms import ALGORITHMS
from kms.log.entries.indexer import Indexer
from support.keys_world import KeysWorld, keys_world

HYBRID, PLAIN = "id-MLDSA65-ECDSA-P256-SHA512", "Ed25519"


async def _index(made: KeysWorld) -> None:
    await made.world.log.step()
    await Indexer(made.world.database, made.world.log).catch_up()


async def test_signatures_are_counted_from_the_log_by_hour_and_algorithm(tmp_path: Path, world_url: str | None) -> None:
    async with keys_world(tmp_path, world_url) as made:
        await made.create()
        await made.create("plain", algorithm=ALGORITHMS["ED25519"])
        for number in range(5):
            await made.sign(b"%d" % number)
        await made.sign(b"x", KeyName("default", "plain"))
        await _index(made)
        database = made.world.database
        counter = SignatureCounter(database, made.world.log.origin)
        await counter.count()
        made.world.clock.advance(3600)
        await made.sign(b"later")
        await _index(made)
        for _ in range(2):
            await counter.count()
        await SignatureCounter(database, made.world.log.origin).count()  # another replica
        start = made.world.clock.now() - timedelta(hours=1)
        span = {"since": start, "until": start + timedelta(minutes=30)}
        counts = signature_store.counts
        assert await database.read(lambda tx: counts(tx, "default", **span)) == {HYBRID: 5, PLAIN: 1}
        span["until"] += timedelta(hours=1)
        assert await database.read(lambda tx: counts(tx, None, **span)) == {HYBRID: 6, PLAIN: 1}
        assert await database.read(lambda tx: counts(tx, "other", **span)) == {}


async def test_the_report_counts_what_there_is(tmp_path: Path, world_url: str | None) -> None:
    async with keys_world(tmp_path, world_url) as made:
        await made.create()
        await made.rotate()
        await made.create("plain", algorithm=ALGORITHMS["ED25519"])
        await made.keys.ensure_service_key("tokens", made.world.clock.now(), algorithm=ALGORITHMS["ECDSA_P256_SHA256"])
        await made.sign(b"x")
        await _index(made)
        database, now = made.world.database, made.world.clock.now()
        await SignatureCounter(database, made.world.log.origin).count()
        reader = AuditReader(database)
        report = await reader.coverage("default", since=None, until=None, now=now + timedelta(seconds=1))
        assert {each.algorithm: each.count for each in report.keys} == {HYBRID: 2, PLAIN: 1}
        assert {each.algorithm: each.count for each in report.signatures} == {HYBRID: 1}
        classical = {each.what.partition(" (")[0]: each.count for each in report.classical_only}
        assert classical["Versions of keys"] == 1
        assert classical[
            "Service keys for tokens in standard formats: status lists, attestation results, security events"
        ]
        assert classical["Checkpoints of the log for readers that verify only their Ed25519 signature"] >= 1
        everybody = await reader.coverage(None, since=None, until=None, now=now + timedelta(seconds=1))
        assert {each.algorithm: each.count for each in everybody.keys}["ECDSA-P256-SHA256"] == 1


async def test_a_destroyed_version_is_no_key_any_more(tmp_path: Path) -> None:
    async with keys_world(tmp_path) as made:
        key = await made.create()
        version = key.versions[0].name
        database = made.world.database
        assert await database.read(lambda tx: other_tables.key_versions(tx, "default")) == {HYBRID: 1}
        change = other_tables.version_table.update().values(state="destroyed", material=None)
        await database.write(lambda tx: tx.execute(change))
        assert await database.read(lambda tx: other_tables.key_versions(tx, "default")) == {}
        assert await database.read(lambda tx: other_tables.key_algorithm(tx, version.key_name)) == HYBRID
        assert await database.read(lambda tx: other_tables.key_algorithm(tx, KeyName("default", "none"))) is None
