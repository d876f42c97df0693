"""Tokens that vanish, PINs that are wrong, and what the token itself says about its keys."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

import softhsm
from hallmark_composite import DEFAULT_ALGORITHM, prehash
from hsm.errors import KeyNotFound, PinIncorrect, TokenNotFound, TokenUnavailable, UnsupportedAlgorithm
from hsm.pkcs11.provider import Pkcs11KeyProvider

BINDING, DIGEST = b"binding", prehash(DEFAULT_ALGORITHM, b"message")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest_asyncio.fixture
async def start(folder: Path) -> AsyncIterator:
    started: list[Pkcs11KeyProvider] = []

    async def make(**changes) -> Pkcs11KeyProvider:
        provider = Pkcs11KeyProvider(softhsm.settings(folder, **changes))
        started.append(provider)
        await provider.start()
        return provider

    yield make
    for provider in started:
        await provider.close()


async def make_signer(provider: Pkcs11KeyProvider):
    material = await provider.generate_composite(DEFAULT_ALGORITHM, key_binding=BINDING)
    return lambda: provider.sign_composite(material, digest=DIGEST, context=b"", key_binding=BINDING)


@pytest.mark.parametrize("kill", [True, False], ids=["killed", "left running"])
async def test_a_lost_token_folder_is_reported_and_heals_when_it_is_back(start, folder: Path, *, kill: bool) -> None:
    provider = await start()
    sign = await make_signer(provider)
    (folder / "tokens").rename(folder / "elsewhere")
    if kill:
        softhsm.signal_all(provider, signal.SIGKILL)
    for _ in range(5):
        with pytest.raises(TokenUnavailable):
            await sign()
        await asyncio.sleep(0.05)
    with pytest.raises(TokenUnavailable):
        await provider.health()
    (folder / "elsewhere").rename(folder / "tokens")
    assert await softhsm.until_it_works(sign)
    await softhsm.until(lambda: len(softhsm.process_ids(provider)) == 2)


async def test_a_token_file_that_a_kill_left_empty_is_put_back(start, folder: Path) -> None:
    """SoftHSM truncates and rewrites it at every login: this is what a SIGKILL in between leaves."""
    provider = await start()
    sign = await make_signer(provider)
    (file,) = (folder / "tokens").glob("*/token.object")
    file.write_bytes(b"")
    softhsm.signal_all(provider, signal.SIGKILL)
    assert await softhsm.until_it_works(sign)
    await provider.close()
    file.write_bytes(b"")
    again = await start()
    assert await again.health()


async def test_a_lost_token_under_load_gives_only_signatures_and_typed_errors(start, folder: Path) -> None:
    provider = await start()
    sign = await make_signer(provider)
    calls = [asyncio.create_task(sign()) for _ in range(200)]
    await asyncio.sleep(0.02)
    (folder / "tokens").rename(folder / "elsewhere")
    results = await asyncio.gather(*calls, return_exceptions=True)
    wrong = [result for result in results if not isinstance(result, bytes | TokenUnavailable)]
    assert wrong == []
    (folder / "elsewhere").rename(folder / "tokens")
    assert await softhsm.until_it_works(sign)


async def test_a_lost_token_is_never_replaced_by_an_empty_one(start, folder: Path) -> None:
    provider = await start()
    sign = await make_signer(provider)
    await provider.close()
    (folder / "tokens").rename(folder / "elsewhere")
    with pytest.raises(TokenNotFound, match="restore"):
        await provider.start()
    with pytest.raises(TokenNotFound, match="restore"):  # until it starts, every call says why it did not
        await sign()
    (folder / "tokens").mkdir()
    with pytest.raises(TokenNotFound, match="restore"):
        await provider.start()
    (folder / "tokens").rmdir()
    (folder / "elsewhere").rename(folder / "tokens")
    await provider.start()
    assert await sign()


async def test_a_wrong_pin_at_start_is_tried_once(start, folder: Path) -> None:
    provider = await start()
    await provider.close()
    pin_file = folder / "token-pin"
    pin = pin_file.read_text()
    pin_file.write_text("not the pin\n")
    with pytest.raises(PinIncorrect, match="tried once") as caught:
        await provider.start()
    assert "not the pin" not in str(caught.value)
    assert not caught.value.retryable
    pin_file.write_text(pin)
    await provider.start()


async def test_a_pin_that_becomes_wrong_stops_the_pool_after_one_attempt(start, folder: Path) -> None:
    provider = await start(workers=2)
    sign = await make_signer(provider)
    pin_file = folder / "token-pin"
    pin = pin_file.read_text()
    pin_file.write_text("0000\n")
    softhsm.signal_all(provider, signal.SIGKILL)
    with pytest.raises(PinIncorrect):
        await sign()
    await asyncio.sleep(0.5)  # more than twice the pause before the next start
    with pytest.raises(PinIncorrect):
        await sign()
    assert softhsm.pool_of(provider).starts == 3  # two at first, one with the wrong PIN, no more
    pin_file.write_text(pin)
    await provider.close()
    await provider.start()
    assert await sign()


async def test_several_tokens_of_one_name_are_told_apart_by_serial(start, folder: Path) -> None:
    provider = await start(workers=1)
    sign = await make_signer(provider)
    serial = (await provider.capabilities()).token_serial
    softhsm.in_token_process(folder, SECOND_TOKEN)
    await provider.close()
    with pytest.raises(TokenNotFound, match="several"):
        await Pkcs11KeyProvider(softhsm.settings(folder, workers=1)).start()
    with pytest.raises(TokenNotFound, match="no token has the serial"):
        await Pkcs11KeyProvider(softhsm.settings(folder, workers=1, token_serial="0123456789abcdef")).start()
    named = await start(workers=1, token_serial=serial)
    assert (await named.capabilities()).token_serial == serial
    del sign


async def test_a_key_removed_behind_our_back_is_not_found(start, folder: Path) -> None:
    provider = await start()
    sign = await make_signer(provider)
    await sign()
    softhsm.in_token_process(folder, REMOVE_PRIVATE_KEYS)
    with pytest.raises(KeyNotFound):
        await sign()
    assert len(softhsm.process_ids(provider)) == 2
    assert await (await make_signer(provider))()


async def test_private_keys_and_the_key_encryption_key_cannot_leave(start, folder: Path) -> None:
    provider = await start(workers=1)
    await make_signer(provider)
    await provider.generate_ed25519()
    report = json.loads(softhsm.in_token_process(folder, EXAMINE))
    kinds = sorted(item["kind"] for item in report)
    assert kinds == ["PRIVATE_KEY", "PRIVATE_KEY", "SECRET_KEY"]
    for item in report:
        assert item["sensitive"]
        assert item["always_sensitive"]
        assert item["never_extractable"]
        assert item["local"]
        assert not item["extractable"]
        assert item["value"] == "AttributeSensitive"
        assert len(bytes.fromhex(item["id"])) == 16
        assert item["wrapped"] == "KeyUnextractable"
    [kek] = [item for item in report if item["kind"] == "SECRET_KEY"]
    assert kek["abilities"] == ["DECRYPT", "ENCRYPT"]
    assert all(item["abilities"] == ["SIGN"] for item in report if item is not kek)


async def test_the_operator_may_choose_the_engine(start) -> None:
    provider = await start(workers=1, engine="cryptography")
    capabilities = await provider.capabilities()
    assert (capabilities.signing_engine, capabilities.independently_verified) == ("cryptography", True)


async def test_an_engine_that_is_not_there_is_reported(start) -> None:
    with pytest.raises(UnsupportedAlgorithm, match="quantum-magic"):
        await start(workers=1, engine="quantum-magic")


async def test_an_invalid_session_is_replaced_by_a_new_one(start, folder: Path) -> None:
    provider = await start(workers=1)
    await provider.close()
    assert softhsm.in_token_process(folder, LOSE_SESSION).split() == ["64", "64", "48"]


async def test_files_with_pins_are_for_the_owner_only(start, folder: Path) -> None:
    await start(workers=1)
    modes = {name: (folder / name).stat().st_mode & 0o777 for name in ("token-pin", "token-so-pin", "tokens", ".")}
    assert modes == {"token-pin": 0o600, "token-so-pin": 0o600, "tokens": 0o700, ".": 0o700}


async def test_the_pin_may_come_from_the_environment(start, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HALLMARK_TEST_PIN", "correct-horse")
    provider = await start(workers=1, pin_env="HALLMARK_TEST_PIN")
    sign = await make_signer(provider)
    assert await sign()
    assert not (folder / "token-pin").exists()
    await provider.close()
    monkeypatch.setenv("HALLMARK_TEST_PIN", "wrong-horse")
    with pytest.raises(PinIncorrect):
        await provider.start()
    assert os.environ["HALLMARK_TEST_PIN"] == "wrong-horse"


OPEN = """
import json, os
from pathlib import Path
import pkcs11
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass
from hsm.pkcs11.settings import resolve_module
folder = Path(os.environ["DATA_FOLDER"])
library = pkcs11.lib(str(resolve_module(None)))
pin = (folder / "token-pin").read_text().strip()
[token] = [token for token in library.get_tokens() if token.label == "hallmark"]
"""

SECOND_TOKEN = (
    OPEN
    + """
from hsm.pkcs11.init_token import init_token
from hsm.secret import Secret
init_token(library, resolve_module(None), label="hallmark", so_pin=Secret(b"12345678"))
"""
)

REMOVE_PRIVATE_KEYS = (
    OPEN
    + """
session = token.open(rw=True, user_pin=pin)
for key in list(session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY})):
    key.destroy()
"""
)

EXAMINE = (
    OPEN
    + """
session = token.open(rw=True, user_pin=pin)
carrier = session.generate_key(KeyType.AES, 256, store=False, template={Attribute.WRAP: True})
ABILITIES = ("ENCRYPT", "DECRYPT", "SIGN", "VERIFY", "WRAP", "UNWRAP", "DERIVE")
report = []
for key in list(session.get_objects({Attribute.TOKEN: True})):
    secret = key.object_class == ObjectClass.SECRET_KEY
    def attempt(act):
        try:
            return act().hex()
        except pkcs11.PKCS11Error as error:
            return type(error).__name__
    abilities = []
    for name in ABILITIES:
        try:
            if key[getattr(Attribute, name)]:
                abilities.append(name)
        except pkcs11.PKCS11Error:
            pass
    report.append({
        "kind": key.object_class.name,
        "id": key.id.hex(),
        "sensitive": key[Attribute.SENSITIVE],
        "always_sensitive": key[Attribute.ALWAYS_SENSITIVE],
        "never_extractable": key[Attribute.NEVER_EXTRACTABLE],
        "extractable": key[Attribute.EXTRACTABLE],
        "local": key[Attribute.LOCAL],
        "value": attempt(lambda: key[Attribute.VALUE]),
        "wrapped": attempt(lambda: carrier.wrap_key(key, mechanism=Mechanism.AES_KEY_WRAP_PAD)),
        "abilities": sorted(abilities),
    })
print(json.dumps(report))
"""
)

LOSE_SESSION = (
    OPEN
    + """
import ctypes
from hallmark_composite import EcCurve
from hsm.pkcs11.token import TokenSession
from hsm.secret import Secret
session = token.open(rw=True, user_pin=pin)
[kek] = list(session.get_objects({Attribute.CLASS: ObjectClass.SECRET_KEY}))
kek_id = kek.id
session.close()
opened = TokenSession.open(library, label="hallmark", serial=None, pin=Secret(pin.encode()), kek_id=kek_id)
opened.generate_ec(EcCurve.P256, b"i" * 16, label="label")
print(len(opened.sign_digest(b"i" * 16, bytes(32), label="label")))
close_all = ctypes.CDLL(str(resolve_module(None))).C_CloseAllSessions
close_all.argtypes = (ctypes.c_ulong,)
assert close_all(token.slot.slot_id) == 0
print(len(opened.sign_digest(b"i" * 16, bytes(32), label="label")))
assert close_all(token.slot.slot_id) == 0
print(len(opened.seal(bytes(32), b"aad").ciphertext))
"""
)
