"""How sensitive a key is: kept, logged, raised for nothing, lowered like any setting that is loosened."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from hallmark.v1 import common_pb2, keys_pb2
from kms.core.errors import InvalidArgument
from kms.core.names import KeyName
from kms.core.resources import Sensitivity
from kms.keys.gates import GatedAct, settings_sha256
from kms.keys.key_update import KeyUpdate
from kms.keys.model import Key
from kms.keys.policies import KeySettings
from kms.keys.service import gated_update, settings_details
from kms.keys.settings_wire import sensitivity_from_wire, settings_from_wire
from kms.keys.update_wire import update_from_wire
from kms.keys.wire import key_to_wire
from support.keys_world import KeysWorld, keys_world

NAME = KeyName("default", "manifest")
LOW, STANDARD, HIGH, MAXIMUM = Sensitivity


@pytest.fixture
async def world(tmp_path: Path, world_url: str | None) -> AsyncIterator[KeysWorld]:
    async with keys_world(tmp_path, world_url) as world:
        yield world


async def change(world: KeysWorld, sensitivity: Sensitivity) -> Key:
    key, _, _ = await world.keys.update(
        NAME,
        KeyUpdate(sensitivity=sensitivity),
        etag="",
        request=world.request(),
        now=world.world.clock.now(),
        published=False,
    )
    return key


async def logged(world: KeysWorld, kind: str) -> list[object]:
    """`sensitivity` of the entries of that type, None where it is left out."""

    def read(tx: sa.Connection) -> list[object]:
        entries = [json.loads(data) for data in tx.execute(sa.text("SELECT data FROM tlog_queue ORDER BY 1")).scalars()]
        return [entry["details"].get("sensitivity") for entry in entries if entry["type"] == kind]

    return await world.world.database.read(read)


async def test_a_key_is_as_sensitive_as_it_was_said_to_be(world: KeysWorld) -> None:
    assert (await world.create("plain")).settings.sensitivity is STANDARD
    assert (await world.create(settings=KeySettings(sensitivity=HIGH))).settings.sensitivity is HIGH
    assert (await world.keys.get(NAME)).settings.sensitivity is HIGH
    assert sorted(map(str, await logged(world, "key.created"))) == ["None", "high"]


async def test_a_change_is_kept_and_logged(world: KeysWorld) -> None:
    await world.create()
    for level in (MAXIMUM, LOW, STANDARD):
        assert (await change(world, level)).settings.sensitivity is level
        assert (await world.keys.get(NAME)).settings.sensitivity is level
    assert sorted(map(str, await logged(world, "key.updated"))) == ["None", "low", "maximum"]


async def test_keys_of_before_are_standard(world: KeysWorld) -> None:
    await world.create(settings=KeySettings(sensitivity=HIGH))
    columns = await world.world.database.read(
        lambda tx: {column["name"]: column["default"] for column in sa.inspect(tx).get_columns("key")}
    )
    assert "standard" in str(columns["sensitivity"])


@pytest.mark.parametrize("before", Sensitivity)
@pytest.mark.parametrize("after", Sensitivity)
async def test_raising_is_free_and_lowering_is_a_change_of_policy(
    world: KeysWorld, before: Sensitivity, after: Sensitivity
) -> None:
    await world.create(settings=KeySettings(sensitivity=before))
    rehearsal = await world.keys.rehearse_update(
        NAME, KeyUpdate(sensitivity=after), etag="", now=world.world.clock.now()
    )
    assert rehearsal.loosened == (("sensitivity",) if after < before else ())
    change = gated_update(await world.keys.get(NAME), rehearsal.key)
    if after < before:
        assert change is not None
        assert (change.act, change.parameters_sha256) == (GatedAct.POLICY_CHANGE, rehearsal.parameters_sha256)
    else:
        assert change is None


async def test_what_was_approved_before_there_were_sensitivities_keeps_its_hash(world: KeysWorld) -> None:
    key = await world.create()
    assert "sensitivity" not in settings_details(key)
    higher = KeyUpdate(sensitivity=HIGH).applied_to(key, world.world.clock.now())
    hashes = {settings_sha256(json.dumps(settings_details(each), sort_keys=True).encode()) for each in (key, higher)}
    assert len(hashes) == 2


@pytest.mark.parametrize("level", Sensitivity)
async def test_it_goes_over_the_wire_and_back(world: KeysWorld, level: Sensitivity) -> None:
    message = key_to_wire(await world.create(settings=KeySettings(sensitivity=level)))
    assert message.sensitivity == getattr(common_pb2, f"SENSITIVITY_{level.name}")
    assert settings_from_wire(message).sensitivity is level
    request = keys_pb2.UpdateKeyRequest(key=message)
    request.update_mask.paths.append("sensitivity")
    assert update_from_wire(request) == KeyUpdate(sensitivity=level)


def test_left_out_is_standard_and_what_nobody_knows_is_refused() -> None:
    assert settings_from_wire(keys_pb2.CreateKeyRequest()).sensitivity is STANDARD
    assert settings_from_wire(keys_pb2.ImportKeyRequest(sensitivity=common_pb2.SENSITIVITY_LOW)).sensitivity is LOW
    with pytest.raises(InvalidArgument) as refused:
        sensitivity_from_wire(9)
    assert refused.value.field == "sensitivity"
