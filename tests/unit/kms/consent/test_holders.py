"""Who may hold anything, asked of the tables of devices and artifacts themselves."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from kms.artifacts import store as artifact_store
from kms.consent.holders import AttestedDevices, RegisteredArtifacts
from kms.core.database import metadata
from kms.core.errors import FailedPrecondition, NotFound
from kms.core.names import ChildName, DigestName
from support.clock import START
from unit.kms.consent.bench import artifact, device
from unit.kms.devices.bench import DeviceBench, devices_running


async def test_devices_that_are_attested_and_appraised(tmp_path: Path) -> None:
    async with devices_running(tmp_path) as bench:
        names = [ChildName.parse((await bench.enrol())[1].name, "devices") for _ in range(3)]
        holders, database = AttestedDevices(), bench.service.database
        asked = frozenset([*names, device(9), device(1, tenant="other")])
        assert await database.read(lambda tx: holders.trusted(tx, asked)) == frozenset(names)
        await bench.service.revoke(str(names[0]))
        assert await database.read(lambda tx: holders.trusted(tx, asked)) == frozenset(names[1:])
        await _refuse(bench, names[1])
        assert await database.read(lambda tx: holders.trusted(tx, asked)) == {names[2]}
        with pytest.raises(FailedPrecondition):
            await database.read(lambda tx: holders.check_known(tx, names[0]))
        with pytest.raises(NotFound):
            await database.read(lambda tx: holders.check_known(tx, device(9)))
        await database.read(lambda tx: holders.check_known(tx, names[1]))


async def _refuse(bench: DeviceBench, name: ChildName) -> None:
    """Its newest verdict becomes a refusal, as after a re-appraisal."""
    latest = (await bench.get(str(name))).latest_verdict.name.rpartition("/")[2]
    table = metadata.tables["attestation_verdict"]
    refused = sa.func.replace(table.c.verdict, '"appraised":true', '"appraised":false')
    change = table.update().where(table.c.id == latest).values(verdict=refused)
    await bench.service.database.write(lambda tx: tx.execute(change))
    assert not (await bench.get(str(name))).latest_verdict.appraised


async def test_artifacts_of_which_something_was_said(tmp_path: Path) -> None:
    async with devices_running(tmp_path) as bench:
        database, register = bench.service.database, RegisteredArtifacts()
        await database.write(lambda tx: artifact_store.set_revoked(tx, artifact(1), START))
        asked = frozenset({artifact(1), artifact(2), DigestName("other", "artifacts", artifact(1).digest)})
        assert await database.read(lambda tx: register.withheld(tx, asked)) == {artifact(1)}
