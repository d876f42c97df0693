"""Rows of the table of writes: devices, the log itself, the rewrap."""

from typing import Any, Final, Self

from attestation.testing import DeviceKey
from attestation.testing.virtual_tpm import VirtualTpm, VirtualTpmMaker
from fault.kms.write_table import CHECKPOINTS, REQUEST_ID, Row
from hallmark.v1 import devices_pb2
from hallmark_tlog.cose import Algorithm
from kms.keys.algorithms import HPKE_DEFAULT
from kms.keys.model import KeyPurpose
from kms.keys.rewrapping import RETIRED, Rewrapper
from kms.log.receipts.receipt_keys import ReceiptKeys
from support.clock import START
from support.keys_world import KeysWorld, keys_world
from support.log_world import ORIGIN, LogWorld
from support.randomness import SeededRandomness
from support.tpm_flow import activation, keys_message, opened
from unit.kms.devices.bench import DeviceBench, devices_running
from unit.kms.devices.test_purposes import attest_request
from unit.kms.revocation.bench import TENANT

# Devices

ATTEST_ID: Final = "6b1f6a0e-58cf-4d0a-9a8e-3f4f6f0c1d12"


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
    bench.service.revocations.events.database = database
    await bench.service.revoke(enrolled[1].name, request_id=REQUEST_ID)


async def _tpm(bench: DeviceBench) -> VirtualTpm:
    maker = VirtualTpmMaker.create(now=START)
    bench.status.anchors = maker.anchors("ek")
    return VirtualTpm.create(maker)


async def _ask(bench: DeviceBench, tpm: VirtualTpm) -> devices_pb2.Challenge:
    request = devices_pb2.CreateChallengeRequest(
        parent=f"tenants/{TENANT}", tpm=keys_message(tpm), request_id=REQUEST_ID
    )
    return await bench.servicer.CreateChallenge(request, bench.service.call("CreateChallenge"))


async def _tpm_challenge(bench: DeviceBench, tpm: VirtualTpm, database: Any, _attempt: int) -> None:
    bench.devices.database = database
    assert opened(tpm, (await _ask(bench, tpm)).tpm_credential)


async def _activation(bench: DeviceBench) -> devices_pb2.AttestDeviceRequest:
    tpm = await _tpm(bench)
    challenge = await _ask(bench, tpm)
    request = attest_request(challenge, activation(tpm, challenge.tpm_credential, now=START))
    request.request_id = ATTEST_ID
    return request


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
    inner = world.world
    receipt_keys = ReceiptKeys(inner.database, inner.provider, inner.files, ORIGIN)
    await receipt_keys.ensure(Algorithm.ML_DSA_44, inner.clock.now())
    await inner.provider.create_kek()


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
    "CreateChallenge for a TPM": _on_the_bench(_tpm_challenge, _tpm),
    "AttestDevice": _on_the_bench(_attest, _evidence),
    "AttestDevice with an activated credential": _on_the_bench(_attest, _activation),
    "Revoke of a device": _on_the_bench(_revoke_device, _enrolled),
    "the log begins": _in_log_world(),
    "the log goes on": _in_log_world(_with_entries),
    "rewrap": _in_keys_world(_rewrap, _with_sealed_keys),
}
