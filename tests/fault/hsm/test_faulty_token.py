"""A real token whose calls fail as network HSMs do: each answer of PKCS#11, before and after the call was carried out."""

import asyncio
import contextlib
import json
import logging
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

import softhsm
from hallmark_composite import DEFAULT_ALGORITHM, EcCurve, prehash
from hallmark_envelope import HpkeKem, TransferAlgorithm, import_info, seal_envelope
from hsm.breaker import CircuitState
from hsm.errors import CircuitOpen, HsmError, HsmTimeout, PinIncorrect, PinLocked, TokenUnavailable
from hsm.pkcs11.provider import Pkcs11KeyProvider
from hsm.pkcs11.settings import resolve_module
from hsm.slot_health import SlotState

BINDING, DIGEST = b"binding", prehash(DEFAULT_ALGORITHM, b"message")
DEVICE_ERROR, DEVICE_MEMORY, GENERAL_ERROR, SESSION_INVALID, SESSION_COUNT = 0x30, 0x31, 0x05, 0xB3, 0xB1
PIN_INCORRECT, PIN_LOCKED, NOT_PRESENT, OPERATION_ACTIVE, LOGGED_OUT = 0xA0, 0xA4, 0xE0, 0x90, 0x101


class Faults:
    """What the signer processes' token does wrong from now on."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def set(self, **plan) -> None:
        self.path.with_suffix(".calls").unlink(missing_ok=True)
        new = self.path.with_suffix(".new")
        new.write_text(json.dumps(plan))
        new.rename(self.path)

    def clear(self) -> None:
        self.path.unlink(missing_ok=True)

    def calls(self, name: str) -> int:
        path = self.path.with_suffix(".calls")
        return sum(line.startswith(f"{name} ") for line in path.read_text().splitlines()) if path.exists() else 0


@pytest.fixture
def faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Faults:
    path = tmp_path / "faults.json"
    softhsm.settings(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent / "faulty_token"))
    monkeypatch.setenv("HALLMARK_TEST_FAULTS", str(path))
    monkeypatch.setenv("HALLMARK_TEST_MODULE", str(resolve_module(None)))
    return Faults(path)


@pytest_asyncio.fixture
async def start(faults: Faults, tmp_path: Path) -> AsyncIterator:
    started: list[Pkcs11KeyProvider] = []

    async def make(**changes) -> Pkcs11KeyProvider:
        settings = softhsm.settings(
            tmp_path / "data", **({"workers": 1, "engine": "cryptography", "circuit_pause_seconds": 0.1} | changes)
        )
        provider = Pkcs11KeyProvider(settings)
        started.append(provider)
        await provider.start()
        return provider

    yield make
    faults.clear()
    for provider in started:
        await provider.close()


async def make_signer(provider: Pkcs11KeyProvider):
    material = await provider.generate_composite(DEFAULT_ALGORITHM, key_binding=BINDING)
    return lambda: provider.sign_composite(material, digest=DIGEST, context=b"", key_binding=BINDING)


async def test_a_dead_device_opens_the_circuit_and_a_probe_closes_it(start, faults: Faults, caplog) -> None:
    provider = await start(workers=2)
    sign = await make_signer(provider)
    faults.set(C_Sign={"rv": DEVICE_ERROR}, C_Decrypt={"rv": DEVICE_ERROR})
    with caplog.at_level(logging.INFO, logger="hsm.breaker"):
        seen: list[HsmError] = []
        async with asyncio.timeout(20):
            while not (seen and isinstance(seen[-1], CircuitOpen)):
                with pytest.raises(TokenUnavailable) as caught:
                    await sign()
                seen.append(caught.value)
        assert len(seen) == 6  # five in a row, then refused
        assert seen[-1].retryable
        assert 0 < seen[-1].retry_after_seconds < 2
        for _ in range(50):
            began = asyncio.get_running_loop().time()
            with pytest.raises(CircuitOpen, match="doctor"):
                await sign()
            assert asyncio.get_running_loop().time() - began < 0.05
        faults.clear()
        assert await softhsm.until_it_works(sign)
    assert softhsm.pool_of(provider).circuit is CircuitState.CLOSED
    assert [
        record.message.split(",")[0].partition(" after")[0] for record in caplog.records if record.name == "hsm.breaker"
    ] == [
        "the HSM failed 5 times in a row",
        "the HSM signs again",
    ]
    await softhsm.until(lambda: len(softhsm.process_ids(provider)) == 2)
    health = await provider.health()
    assert {slot.state for slot in health.slots} == {SlotState.READY}
    assert max(slot.starts for slot in health.slots) > 1


@pytest.mark.parametrize("rv", [SESSION_INVALID, OPERATION_ACTIVE], ids=hex)
@pytest.mark.parametrize("function", ["C_SignInit", "C_Sign"])
async def test_a_lost_session_costs_nothing(start, faults: Faults, function: str, rv: int) -> None:
    provider = await start()
    sign = await make_signer(provider)
    faults.set(**{function: {"rv": rv, "times": 1}})
    assert await sign()
    assert faults.calls(function) > 1
    assert softhsm.pool_of(provider).starts == 1


@pytest.mark.parametrize(
    ("function", "rv"),
    [
        ("C_Sign", GENERAL_ERROR),
        ("C_Sign", DEVICE_ERROR),
        ("C_Sign", DEVICE_MEMORY),
        ("C_Sign", NOT_PRESENT),
        ("C_Sign", LOGGED_OUT),
        ("C_Decrypt", DEVICE_ERROR),
    ],
)
async def test_a_process_whose_token_fails_is_replaced_and_the_call_repeated(
    start, faults: Faults, function: str, rv: int
) -> None:
    provider = await start()
    sign = await make_signer(provider)
    # The first process fails always, those after it never: the plan is taken away when it has ended.
    faults.set(**{function: {"rv": rv}})
    signing = asyncio.create_task(sign())
    await softhsm.until(lambda: softhsm.pool_of(provider).starts > 1 or faults.calls(function) > 0)
    faults.clear()
    assert await signing
    assert softhsm.pool_of(provider).circuit is CircuitState.CLOSED


async def test_a_token_without_free_sessions_leaves_the_others_signing(start, faults: Faults) -> None:
    provider = await start(workers=2)
    sign = await make_signer(provider)
    faults.set(C_OpenSession={"rv": SESSION_COUNT})
    os.kill(softhsm.process_ids(provider)[0], signal.SIGKILL)
    await softhsm.until(lambda: faults.calls("C_OpenSession") >= 2)
    for _ in range(10):
        assert await sign()
    slots = await provider.slots()
    assert sorted(slot.state.value for slot in slots) == ["FAILED", "READY"]
    [failed] = [slot for slot in slots if slot.state is SlotState.FAILED]
    assert "session" in failed.problem
    assert "TOKEN_UNAVAILABLE" in failed.problem
    faults.clear()
    await softhsm.until(lambda: len(softhsm.process_ids(provider)) == 2)
    assert (await provider.health()).workers_ready == 2


async def test_no_session_at_all_is_reported_and_heals(start, faults: Faults) -> None:
    provider = await start(workers=2)
    sign = await make_signer(provider)
    faults.set(C_OpenSession={"rv": SESSION_COUNT})
    softhsm.signal_all(provider, signal.SIGKILL)
    await softhsm.until(lambda: not softhsm.process_ids(provider))
    for _ in range(8):
        with pytest.raises(TokenUnavailable):
            await sign()
    faults.clear()
    assert await softhsm.until_it_works(sign)


@pytest.mark.parametrize(("rv", "error"), [(PIN_INCORRECT, PinIncorrect), (PIN_LOCKED, PinLocked)])
async def test_a_refused_pin_is_tried_once_by_the_whole_pool(start, faults: Faults, rv: int, error) -> None:
    provider = await start(workers=3)
    sign = await make_signer(provider)
    faults.set(C_Login={"rv": rv})
    softhsm.signal_all(provider, signal.SIGKILL)
    await softhsm.until(lambda: not softhsm.process_ids(provider))
    for _ in range(20):
        with pytest.raises(error):
            await sign()
    await asyncio.sleep(0.6)
    with pytest.raises(error):
        await provider.health()
    assert faults.calls("C_Login") == 1
    slots = await provider.slots()
    assert {slot.state for slot in slots} == {SlotState.FAILED}


async def test_a_token_that_hangs_costs_one_time_limit(start, faults: Faults) -> None:
    provider = await start(workers=2, call_timeout_seconds=0.6)
    sign = await make_signer(provider)
    faults.set(C_Sign={"hang": 30})
    with pytest.raises(HsmTimeout):
        await sign()
    faults.clear()
    assert await softhsm.until_it_works(sign)
    assert (await provider.health()).workers_ready >= 1


async def test_a_general_error_is_never_taken_for_a_broken_seal(start, faults: Faults) -> None:
    """SoftHSM reports a wrong tag with the same error as a breakdown."""
    provider = await start()
    material = await provider.generate_hpke(HpkeKem.MLKEM768_X25519, key_binding=BINDING)
    envelope = seal_envelope(material.public_key, material.kem, b"content")
    faults.set(C_Decrypt={"rv": GENERAL_ERROR})
    with pytest.raises(TokenUnavailable):
        await provider.open_envelope(material, envelope=envelope, info=b"", key_binding=BINDING)
    faults.clear()

    async def open_it() -> bytes:
        return await provider.open_envelope(material, envelope=envelope, info=b"", key_binding=BINDING)

    assert await softhsm.until_it_works(open_it) == b"content"


@pytest.mark.parametrize("stored", [False, True], ids=["failed", "failed but stored"])
class TestEveryWrite:
    """Each write of the token, failed and failed but stored: what was acknowledged still works, a repeat succeeds."""

    async def test_create_kek(self, start, faults: Faults, *, stored: bool) -> None:
        provider = await start(workers=2)
        before = await provider.generate_hpke(HpkeKem.MLKEM768_X25519, key_binding=BINDING)
        faults.set(C_GenerateKey={"rv": DEVICE_ERROR, "stored": stored})
        with pytest.raises(TokenUnavailable):
            await provider.create_kek()
        faults.clear()
        keks = await softhsm.until_it_works(provider.list_keks)
        assert len(keks) == (2 if stored else 1)
        after = await softhsm.until_it_works(
            lambda: provider.generate_hpke(HpkeKem.MLKEM768_X25519, key_binding=BINDING)
        )
        for material in (before, after, await provider.rewrap(before, key_binding=BINDING)):
            envelope = seal_envelope(material.public_key, material.kem, b"content")
            opened = await provider.open_envelope(material, envelope=envelope, info=b"", key_binding=BINDING)
            assert opened == b"content"
        assert (await provider.create_kek()).generation == len(keks) + 1

    async def test_rewrap(self, start, faults: Faults, *, stored: bool) -> None:
        provider = await start()
        material = await provider.generate_hpke(HpkeKem.MLKEM768_X25519, key_binding=BINDING)
        await provider.create_kek()
        faults.set(C_Encrypt={"rv": DEVICE_ERROR, "stored": stored})
        with pytest.raises(TokenUnavailable):
            await provider.rewrap(material, key_binding=BINDING)
        faults.clear()
        envelope = seal_envelope(material.public_key, material.kem, b"content")
        moved = await softhsm.until_it_works(lambda: provider.rewrap(material, key_binding=BINDING))
        for either in (material, moved):
            opened = await provider.open_envelope(either, envelope=envelope, info=b"", key_binding=BINDING)
            assert opened == b"content"

    async def test_destroy_kek(self, start, faults: Faults, *, stored: bool) -> None:
        provider = await start()
        material = await provider.generate_hpke(HpkeKem.MLKEM768_X25519, key_binding=BINDING)
        newest = await provider.create_kek()
        moved = await provider.rewrap(material, key_binding=BINDING)
        faults.set(C_DestroyObject={"rv": DEVICE_ERROR, "stored": stored})
        with contextlib.nullcontext() if stored else pytest.raises(TokenUnavailable):  # a repeat finds it gone
            await provider.destroy_kek(material.post_quantum.kek_id)
        faults.clear()
        await softhsm.until_it_works(lambda: provider.destroy_kek(material.post_quantum.kek_id))
        assert await provider.list_keks() == (newest,)
        envelope = seal_envelope(moved.public_key, moved.kem, b"content")
        assert await provider.open_envelope(moved, envelope=envelope, info=b"", key_binding=BINDING) == b"content"

    async def test_import_and_exportable_keys(self, start, faults: Faults, tmp_path: Path, *, stored: bool) -> None:
        """A failed one leaves nothing behind once the token works again: it is removed by the id chosen before."""
        provider = await start()
        import_key = await provider.generate_hpke(HpkeKem.MLKEM768_X25519, key_binding=BINDING)
        scalar = bytes(31) + b"\x07"
        encoded = b"\x30\x31\x02\x01\x01\x04\x20" + scalar + bytes.fromhex("a00a06082a8648ce3d030107")
        info = import_info(algorithm=TransferAlgorithm.ECDSA_P256, key_name="k")

        async def bring() -> object:
            return await provider.import_key(
                import_key,
                envelope=seal_envelope(import_key.public_key, import_key.kem, encoded, info=info),
                algorithm=TransferAlgorithm.ECDSA_P256,
                key_name="k",
                import_key_binding=BINDING,
                key_binding=BINDING,
            )

        faults.set(C_CreateObject={"rv": DEVICE_ERROR, "stored": stored, "times": 1})
        with pytest.raises(TokenUnavailable):
            await bring()
        faults.set(C_GenerateKeyPair={"rv": DEVICE_ERROR, "stored": stored, "times": 1})
        with pytest.raises(TokenUnavailable):
            await provider.generate_exportable(TransferAlgorithm.ECDSA_P256, key_binding=BINDING)
        faults.clear()
        material = await softhsm.until_it_works(bring)
        await provider.sign_ecdsa(material, digest=bytes(EcCurve.P256.coordinate_size))
        await provider.close()
        assert softhsm.in_token_process(tmp_path / "data", COUNT_PRIVATE_KEYS).split() == ["1"]


COUNT_PRIVATE_KEYS = """
import os
from pathlib import Path
import pkcs11
from pkcs11 import Attribute, ObjectClass
from hsm.pkcs11.settings import resolve_module
folder = Path(os.environ["DATA_FOLDER"])
library = pkcs11.lib(str(resolve_module(None)))
[token] = [token for token in library.get_tokens() if token.label == "hallmark"]
session = token.open(user_pin=(folder / "token-pin").read_text().strip())
print(len(list(session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY}))))
"""
