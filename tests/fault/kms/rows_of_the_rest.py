"""Rows of the table of writes: devices, the log itself, the rewrap."""

from typing import Any, Final, Self

from attestation.testing import DeviceKey
from fault.kms.write_table import CHECKPOINTS, REQUEST_ID, Row
from kms.keys.algorithms import HPKE_DEFAULT
from kms.keys.model import KeyPurpose
from kms.keys.rewrapping import RETIRED, Rewrapper
from support.keys_world import KeysWorld, keys_world
from support.log_world import LogWorld
from support.randomness import SeededRandomness
from unit.kms.devices.bench import DeviceBench, devices_running

# Devices


async def _challenge(bench: DeviceBench, _: Any, database: Any, _attempt: int) -> None:
    bench.devices.database = database
    await bench.challenge(request_id=REQUEST_ID)


async def _evidence(bench: DeviceBench) -> Any:
    challenge = await bench.challenge()
    key = bench.phone.generate_key(challenge.challenge)
    return bench.request(challenge, key.evidence, key_spki=key.spki, request_id=REQUEST_ID)


async def _attest(bench: DeviceBench, request: Any, database: Any, _attempt: int) -> None:
    bench.devices.database = database
    assert (await bench.attest(request)).verdict.appraised


async def _enrolled(bench: DeviceBench) -> tuple[DeviceKey, Any]:
    return await bench.enrol()


async def _revoke_device(bench: DeviceBench, enrolled: tuple[DeviceKey, Any], database: Any, _attempt: int) -> None:
    bench.service.revocations.database = database
    await bench.service.revoke(enrolled[1].name, request_id=REQUEST_ID)


def _on_the_bench(run: Any, prepare: Any = None) -> Row:
    return Row(world=devices_running, run=run, prepare=prepare, database=lambda bench: bench.service.database)


# The log itself, and the rewrap


class _OpenLog(LogWorld):
    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


async def _with_entries(world: LogWorld) -> None:
    """More than a tile, in two rounds: one is made, one grows."""
    await world.log.prepare()
    await world.act(250)
    await world.log.step()
    await world.act(10)


async def _publish(world: LogWorld, _: Any, database: Any, _attempt: int) -> None:
    log = world.on_same_data(world.audited, database)
    await log.prepare()
    await log.step()
    await log.close()


def _in_log_world(prepare: Any = None) -> Row:
    return Row(
        world=_OpenLog, run=_publish, prepare=prepare, database=lambda world: world.database, harmless=CHECKPOINTS
    )


async def _with_sealed_keys(world: KeysWorld) -> None:
    await world.create()
    await world.create("sealed", algorithm=HPKE_DEFAULT, purpose=KeyPurpose.ENVELOPE)
    await world.world.provider.create_kek()


async def _rewrap(world: KeysWorld, _: Any, database: Any, attempt: int) -> None:
    """Again only for what the first attempt left: whoever asks for more gets another key-encryption key."""
    inner = world.world
    if len(await inner.provider.list_keks()) == 1:
        return
    log = inner.on_same_data(inner.files, database)
    await log.prepare()
    rewrapper = Rewrapper(
        database=database,
        provider=inner.provider,
        log=log,
        clock=inner.clock,
        randomness=SeededRandomness(90 + attempt),
    )
    await rewrapper.run()
    await log.close()


def _in_keys_world(run: Any, prepare: Any) -> Row:
    return Row(
        world=keys_world,
        run=run,
        prepare=prepare,
        database=lambda world: world.world.database,
        harmless=CHECKPOINTS | {RETIRED},
    )


ROWS: Final[dict[str, Row]] = {
    "CreateChallenge": _on_the_bench(_challenge),
    "AttestDevice": _on_the_bench(_attest, _evidence),
    "Revoke of a device": _on_the_bench(_revoke_device, _enrolled),
    "the log begins": _in_log_world(),
    "the log goes on": _in_log_world(_with_entries),
    "rewrap": _in_keys_world(_rewrap, _with_sealed_keys),
}
