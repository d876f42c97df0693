"""Signer processes that die or hang: callers see a signature or a typed error, and the pool heals."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path

import pytest
import pytest_asyncio
import uvloop

import softhsm
from hallmark_composite import DEFAULT_ALGORITHM, CompositePublicKey, prehash, verify
from hallmark_envelope import HpkeKem
from hsm.errors import EnvelopeInvalid, HsmBusy, HsmError, HsmTimeout, InvalidRequest, TokenUnavailable
from hsm.pkcs11.frames import Operation, SignKind
from hsm.pkcs11.provider import Pkcs11KeyProvider
from hsm.provider import CompositeSignRequest

BINDING, DIGEST = b"binding", prehash(DEFAULT_ALGORITHM, b"message")


class Signing:
    """A started provider with one key."""

    def __init__(self, provider: Pkcs11KeyProvider, material) -> None:
        self.provider = provider
        self.material = material

    async def sign(self) -> bytes:
        return await self.provider.sign_composite(self.material, digest=DIGEST, context=b"", key_binding=BINDING)

    def request(self) -> CompositeSignRequest:
        return CompositeSignRequest(material=self.material, digest=DIGEST, context=b"", key_binding=BINDING)

    def check(self, signature: bytes) -> None:
        key = CompositePublicKey.from_bytes(self.material.algorithm, self.material.public_key)
        verify(key, signature, digest=DIGEST)


@pytest_asyncio.fixture
async def start(tmp_path: Path) -> AsyncIterator:
    started: list[Pkcs11KeyProvider] = []

    async def make(**changes) -> Signing:
        provider = Pkcs11KeyProvider(softhsm.settings(tmp_path / "data", **changes))
        started.append(provider)
        await provider.start()
        return Signing(provider, await provider.generate_composite(DEFAULT_ALGORITHM, key_binding=BINDING))

    yield make
    for provider in started:
        await provider.close()


async def test_a_process_killed_under_load_costs_no_signature(start) -> None:
    signing = await start()
    calls = [asyncio.create_task(signing.sign()) for _ in range(300)]
    await asyncio.sleep(0.02)
    os.kill(softhsm.process_ids(signing.provider)[0], signal.SIGKILL)
    for signature in await asyncio.gather(*calls):
        signing.check(signature)
    await softhsm.until(lambda: len(softhsm.process_ids(signing.provider)) == 2)
    assert (await signing.provider.health()).workers_ready == 2
    assert softhsm.pool_of(signing.provider).starts == 3


async def test_a_batch_survives_a_killed_process(start) -> None:
    signing = await start()
    batch = asyncio.create_task(signing.provider.sign_many([signing.request()] * 256))
    await asyncio.sleep(0.02)
    os.kill(softhsm.process_ids(signing.provider)[1], signal.SIGKILL)
    answers = await batch
    assert [answer for answer in answers if isinstance(answer, HsmError)] == []
    signing.check(answers[-1])


async def test_callers_wait_for_the_next_process_when_all_have_died(start) -> None:
    signing = await start()
    softhsm.signal_all(signing.provider, signal.SIGKILL)
    await softhsm.until(lambda: not softhsm.process_ids(signing.provider))
    signing.check(await signing.sign())


async def test_processes_killed_again_and_again_come_back_with_a_pause(start) -> None:
    signing = await start(workers=1)
    for _ in range(3):
        softhsm.signal_all(signing.provider, signal.SIGKILL)
        await softhsm.until(lambda: not softhsm.process_ids(signing.provider))
        await softhsm.until(lambda: bool(softhsm.process_ids(signing.provider)))
    signing.check(await signing.sign())
    assert softhsm.pool_of(signing.provider).starts == 4


async def test_a_key_that_was_being_made_is_reported_lost(start) -> None:
    signing = await start(workers=1, call_timeout_seconds=0.5)
    softhsm.signal_all(signing.provider, signal.SIGSTOP)
    making = asyncio.create_task(signing.provider.generate_composite(DEFAULT_ALGORITHM, key_binding=BINDING))
    await asyncio.sleep(0.05)
    softhsm.signal_all(signing.provider, signal.SIGKILL)
    with pytest.raises(TokenUnavailable):
        await making
    assert await softhsm.until_it_works(
        lambda: signing.provider.generate_composite(DEFAULT_ALGORITHM, key_binding=BINDING)
    )


async def test_a_hung_process_is_replaced_after_its_time_limit(start) -> None:
    signing = await start(workers=1, call_timeout_seconds=0.4)
    [hung] = softhsm.process_ids(signing.provider)
    os.kill(hung, signal.SIGSTOP)
    with pytest.raises(HsmTimeout, match=r"0\.4 s"):
        await signing.sign()
    signing.check(await softhsm.until_it_works(signing.sign))
    assert softhsm.process_ids(signing.provider) != [hung]
    with pytest.raises(ProcessLookupError):
        os.kill(hung, 0)


async def test_one_hung_process_does_not_stop_the_other(start) -> None:
    signing = await start(workers=2, call_timeout_seconds=1.0)
    os.kill(softhsm.process_ids(signing.provider)[0], signal.SIGSTOP)
    results = await asyncio.gather(*(signing.sign() for _ in range(20)), return_exceptions=True)
    signatures = [result for result in results if isinstance(result, bytes)]
    assert len(signatures) >= 10
    assert {type(result) for result in results} <= {bytes, HsmTimeout}
    signing.check(signatures[0])
    await softhsm.until(lambda: len(softhsm.process_ids(signing.provider)) == 2)
    signing.check(await signing.sign())


async def test_a_full_queue_refuses_at_once(start) -> None:
    signing = await start(workers=1, queue_limit=4, call_timeout_seconds=2.0)
    softhsm.signal_all(signing.provider, signal.SIGSTOP)
    waiting = [asyncio.create_task(signing.sign()) for _ in range(4)]
    await asyncio.sleep(0.05)
    with pytest.raises(HsmBusy, match="4 signatures"):
        await signing.sign()
    with pytest.raises(HsmBusy):
        await signing.provider.sign_many([signing.request()])
    softhsm.signal_all(signing.provider, signal.SIGCONT)
    for signature in await asyncio.gather(*waiting):
        signing.check(signature)
    signing.check(await signing.sign())


async def test_what_callers_gave_up_counts_until_the_process_is_done_with_it(start) -> None:
    """A frame that was sent stays with the process: without a bound, calls with short deadlines would pile up there."""
    signing = await start(workers=1, queue_limit=4, call_timeout_seconds=3.0)
    key = await signing.provider.generate_hpke(HpkeKem.MLKEM768_X25519, key_binding=BINDING)

    def open_one() -> Awaitable[bytes]:
        return signing.provider.open_envelope(key, envelope=bytes(1200), info=b"", key_binding=BINDING)

    softhsm.signal_all(signing.provider, signal.SIGSTOP)
    for _ in range(4):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(open_one(), 0.05)
    with pytest.raises(HsmBusy):
        await open_one()
    softhsm.signal_all(signing.provider, signal.SIGCONT)
    await softhsm.until(lambda: softhsm.pool_of(signing.provider).ready[0].items == 0)
    with pytest.raises(EnvelopeInvalid):
        await open_one()


async def test_a_batch_larger_than_the_queue_is_taken_when_nothing_waits(start) -> None:
    signing = await start(workers=1, queue_limit=4)
    answers = await signing.provider.sign_many([signing.request()] * 40)
    assert all(isinstance(answer, bytes) for answer in answers)


async def test_closing_finishes_what_is_in_flight(start) -> None:
    signing = await start()
    calls = [asyncio.create_task(signing.sign()) for _ in range(100)]
    await asyncio.sleep(0)
    process_ids = softhsm.process_ids(signing.provider)
    await signing.provider.close()
    for signature in await asyncio.gather(*calls):
        signing.check(signature)
    for process_id in process_ids:
        with pytest.raises(ProcessLookupError):
            os.kill(process_id, 0)


async def test_interrupts_from_the_terminal_do_not_reach_the_signers(start) -> None:
    signing = await start()
    before = softhsm.process_ids(signing.provider)
    for number in (signal.SIGINT, signal.SIGTERM):
        softhsm.signal_all(signing.provider, number)
    signing.check(await signing.sign())
    assert softhsm.process_ids(signing.provider) == before


async def test_a_cancelled_call_leaves_the_process_usable(start) -> None:
    signing = await start(workers=1)
    calls = [asyncio.create_task(signing.sign()) for _ in range(20)]
    await asyncio.sleep(0)
    for call in calls[::2]:
        call.cancel()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(result) for result in results[1::2]} == {bytes}
    assert softhsm.pool_of(signing.provider).starts == 1


async def test_a_request_that_makes_no_sense_leaves_the_process_usable(start) -> None:
    signing = await start(workers=1)
    pool = softhsm.pool_of(signing.provider)
    no_material = [SignKind.ED25519.value, b"no material", b"message"]
    assert (await pool.call(Operation.SIGN, [[no_material]]))[0][0] == InvalidRequest.code
    for operation, arguments in (
        (Operation.SIGN, [1]),
        (Operation.SIGN, [[["no kind", b"", b""]]]),
        (Operation.GENERATE_MLDSA, []),
        (Operation.START, {}),
    ):
        with pytest.raises(HsmError, match="unexpected") as caught:
            await pool.call(operation, arguments)
        assert caught.value.code == "HSM_ERROR"
    signing.check(await signing.sign())
    assert pool.starts == 1


SERVICE = """
import asyncio, sys
from pathlib import Path
from hsm.pkcs11.provider import Pkcs11KeyProvider
from hsm.pkcs11.settings import Pkcs11Settings

async def main():
    provider = Pkcs11KeyProvider(Pkcs11Settings(data_folder=Path(sys.argv[1]), workers=2))
    await provider.start()
    print(*(process.pid for process in provider._pool.ready), flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


def is_alive(process_id: int) -> bool:
    """A process that ended but was not yet reaped by init counts as ended."""
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rsplit(")", 1)[1].split()[0] not in {"Z", "X"}
    except FileNotFoundError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("frozen", [False, True], ids=["idle", "frozen"])
def test_signers_end_with_a_killed_service(tmp_path: Path, *, frozen: bool) -> None:
    settings = softhsm.settings(tmp_path / "data")
    command = [sys.executable, "-P", "-c", SERVICE, str(settings.data_folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout is not None
        signers = [int(word) for word in service.stdout.readline().split()]
        assert len(signers) == 2
        assert all(is_alive(process_id) for process_id in signers)
        if frozen:
            for process_id in signers:
                os.kill(process_id, signal.SIGSTOP)
        service.kill()
    asyncio.run(softhsm.until(lambda: not any(is_alive(process_id) for process_id in signers)))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_signers_leave_no_core_and_no_pin_behind(start, tmp_path: Path) -> None:
    signing = await start()
    pin = (tmp_path / "data" / "token-pin").read_text().strip()
    assert len(pin) == 32
    for process_id in softhsm.process_ids(signing.provider):
        folder = Path(f"/proc/{process_id}")
        [core] = [
            line for line in (folder / "limits").read_text().splitlines() if line.startswith("Max core file size")
        ]
        assert core.split()[4:6] == ["0", "0"]
        assert pin not in (folder / "cmdline").read_text()
        assert pin not in (folder / "environ").read_text()


def test_it_works_on_uvloop(tmp_path: Path) -> None:
    async def run() -> None:
        provider = Pkcs11KeyProvider(softhsm.settings(tmp_path / "data"))
        await provider.start()
        signing = Signing(provider, await provider.generate_composite(DEFAULT_ALGORITHM, key_binding=BINDING))
        calls = [asyncio.create_task(signing.sign()) for _ in range(100)]
        await asyncio.sleep(0.01)
        os.kill(softhsm.process_ids(provider)[0], signal.SIGKILL)
        for signature in await asyncio.gather(*calls):
            signing.check(signature)
        await provider.close()

    uvloop.run(run())
