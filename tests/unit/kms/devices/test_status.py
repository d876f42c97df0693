"""A device's entry in the status lists follows what becomes of it."""

from kms.core.database import metadata
from kms.events.model import Status
from kms.status import lists
from unit.kms.devices.bench import DeviceBench


async def _value(bench: DeviceBench, device: str) -> Status | None:
    return await bench.service.database.read(lambda tx: lists.value(tx, device))


async def test_it_has_a_place_from_its_enrolment_and_is_invalid_once_revoked(bench: DeviceBench) -> None:
    _, device = await bench.enrol()
    assert await _value(bench, device.name) is Status.VALID
    await bench.service.revoke(device.name)
    assert await _value(bench, device.name) is Status.INVALID
    changes = await bench.service.database.read(lists.changes)
    assert changes[-1].urgent


async def test_one_that_enrolled_before_there_were_lists_gets_its_place_later(bench: DeviceBench) -> None:
    challenge = await bench.challenge()
    key = bench.phone.generate_key(challenge.challenge)
    first = await bench.attest(bench.request(challenge, key.evidence, key_spki=key.spki))
    table = metadata.tables["status_index"]
    await bench.service.database.write(lambda tx: tx.execute(table.delete()))
    await bench.service.revoke(str((await bench.service.create_key("other")).name))
    again = await bench.same_challenge(challenge.challenge)
    await bench.attest(bench.request(again, key.evidence))
    assert await _value(bench, first.device.name) is Status.VALID


async def test_a_refusal_has_none(bench: DeviceBench) -> None:
    bench.status.put(None)
    answer = await bench.attest_phone()
    assert not answer.HasField("device")
    assert await bench.service.database.read(lambda tx: lists.list_count(tx, "default")) == 0
