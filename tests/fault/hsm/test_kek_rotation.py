"""Several key-encryption keys in one real token: processes, restarts and other services agree on them."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

import softhsm
from hallmark_envelope import HpkeKem, TransferAlgorithm, seal_envelope
from hsm.errors import KeyNotFound, SetupError
from hsm.material import HpkeKeyMaterial
from hsm.pkcs11.provider import Pkcs11KeyProvider

BINDING, KEM = b"binding", HpkeKem.MLKEM768_X25519


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest_asyncio.fixture
async def start(folder: Path) -> AsyncIterator:
    started: list[Pkcs11KeyProvider] = []

    async def make(**changes) -> Pkcs11KeyProvider:
        provider = Pkcs11KeyProvider(softhsm.settings(folder, **({"workers": 2, "engine": "cryptography"} | changes)))
        started.append(provider)
        await provider.start()
        return provider

    yield make
    for provider in started:
        await provider.close()


async def make_key(provider: Pkcs11KeyProvider) -> HpkeKeyMaterial:
    return await softhsm.until_it_works(lambda: provider.generate_hpke(KEM, key_binding=BINDING))


async def check_opens(provider: Pkcs11KeyProvider, material: HpkeKeyMaterial) -> None:
    envelope = seal_envelope(material.public_key, KEM, b"content", info=b"info")

    async def open_it() -> bytes:
        return await provider.open_envelope(material, envelope=envelope, info=b"info", key_binding=BINDING)

    assert await softhsm.until_it_works(open_it) == b"content"


async def test_processes_that_start_later_seal_under_the_newest(start) -> None:
    provider = await start()
    old = await make_key(provider)
    newest = await provider.create_kek()
    softhsm.signal_all(provider, signal.SIGKILL)
    await softhsm.until(lambda: not softhsm.process_ids(provider))
    for _ in range(4):
        assert (await make_key(provider)).post_quantum.kek_id == newest.kek_id
    await check_opens(provider, old)


async def test_a_rotation_and_a_destruction_survive_a_restart(start, folder: Path) -> None:
    provider = await start()
    old = await make_key(provider)
    newest = await provider.create_kek()
    moved = await provider.rewrap(old, key_binding=BINDING)
    await provider.destroy_kek(old.post_quantum.kek_id)
    await provider.close()
    assert json.loads((folder / "token.json").read_text())["kek_generation"] == 1  # as it was at start
    await provider.start()
    assert json.loads((folder / "token.json").read_text())["kek_id"] == newest.kek_id.hex()
    assert await provider.list_keks() == (newest,)
    await check_opens(provider, moved)
    with pytest.raises(KeyNotFound):
        await provider.rewrap(old, key_binding=BINDING)


async def test_a_record_without_a_generation_is_of_the_first(start, folder: Path) -> None:
    provider = await start(workers=1)
    await provider.create_kek()
    await provider.close()
    record = json.loads((folder / "token.json").read_text())
    del record["kek_generation"]
    (folder / "token.json").write_text(json.dumps(record))
    await provider.start()
    assert json.loads((folder / "token.json").read_text())["kek_generation"] == 2


async def test_a_lost_newest_key_stops_the_start(start, folder: Path) -> None:
    provider = await start(workers=1)
    newest = await provider.create_kek()
    await provider.close()
    await provider.start()  # recorded
    await provider.close()
    softhsm.in_token_process(folder, DESTROY.replace("KEK_ID", newest.kek_id.hex()))
    with pytest.raises(SetupError, match=newest.kek_id.hex()):
        await provider.start()


async def test_two_services_on_one_token_agree(start) -> None:
    first, second = await start(workers=1), await start(workers=1)
    old = await make_key(second)
    newest = await first.create_kek()
    assert (await make_key(second)).post_quantum.kek_id == old.post_quantum.kek_id  # it does not know yet
    assert (await second.list_keks())[-1] == newest
    assert (await make_key(second)).post_quantum.kek_id == newest.kek_id
    await check_opens(first, old)


async def test_a_service_that_did_not_notice_a_destruction_heals(start) -> None:
    """Its processes find that the key they seal under is gone, start over, and take the newest."""
    first, second = await start(workers=1), await start(workers=1)
    old = await make_key(second)
    await first.create_kek()
    moved = await first.rewrap(old, key_binding=BINDING)
    await first.destroy_kek(old.post_quantum.kek_id)
    await check_opens(second, moved)
    assert (await make_key(second)).post_quantum.kek_id == moved.post_quantum.kek_id
    await softhsm.until_it_works(second.health)


async def test_rotation_under_load_fails_no_call(start) -> None:
    provider = await start()
    keys = [await make_key(provider) for _ in range(4)]

    async def use(material: HpkeKeyMaterial) -> HpkeKeyMaterial:
        for _ in range(10):
            envelope = seal_envelope(material.public_key, KEM, b"content")
            assert (
                await provider.open_envelope(material, envelope=envelope, info=b"", key_binding=BINDING) == b"content"
            )
            material = await provider.rewrap(material, key_binding=BINDING)
        return material

    using = [asyncio.create_task(use(material)) for material in keys]
    for _ in range(3):
        await provider.create_kek()
    moved = [await provider.rewrap(material, key_binding=BINDING) for material in await asyncio.gather(*using)]
    for kek in (await provider.list_keks())[:-1]:
        await provider.destroy_kek(kek.kek_id)
    for material in moved:
        await check_opens(provider, material)


async def test_what_the_token_says_of_its_keys(start, folder: Path) -> None:
    provider = await start(workers=1)
    await provider.create_kek()
    await provider.generate_ed25519()
    await provider.generate_exportable(TransferAlgorithm.MLDSA65_ECDSA_P256_SHA512, key_binding=BINDING)
    report = json.loads(softhsm.in_token_process(folder, EXAMINE))
    keks = [item for item in report if item["kind"] == "SECRET_KEY"]
    assert sorted(item["label"] for item in keks) == ["hallmark-kek", "hallmark-kek-2"]
    assert all(item["local"] and item["never_extractable"] and not item["extractable"] for item in keks)
    assert all(item["sensitive"] and item["value"] == "AttributeSensitive" for item in report)
    extractable = [item for item in report if item["extractable"]]
    assert [item["kind"] for item in extractable] == ["PRIVATE_KEY"]  # the one that was made to leave
    assert len(report) == 4


OPEN = """
import json, os
from pathlib import Path
import pkcs11
from pkcs11 import Attribute, ObjectClass
from hsm.pkcs11.settings import resolve_module
folder = Path(os.environ["DATA_FOLDER"])
library = pkcs11.lib(str(resolve_module(None)))
pin = (folder / "token-pin").read_text().strip()
[token] = [token for token in library.get_tokens() if token.label == "hallmark"]
session = token.open(rw=True, user_pin=pin)
"""

DESTROY = (
    OPEN
    + """
[kek] = list(session.get_objects({Attribute.ID: bytes.fromhex("KEK_ID")}))
kek.destroy()
"""
)

EXAMINE = (
    OPEN
    + """
report = []
for key in list(session.get_objects({Attribute.TOKEN: True})):
    try:
        value = key[Attribute.VALUE].hex()
    except pkcs11.PKCS11Error as error:
        value = type(error).__name__
    report.append({
        "kind": key.object_class.name,
        "label": key.label,
        "sensitive": key[Attribute.SENSITIVE],
        "extractable": key[Attribute.EXTRACTABLE],
        "never_extractable": key[Attribute.NEVER_EXTRACTABLE],
        "local": key[Attribute.LOCAL],
        "value": value,
    })
print(json.dumps(report))
"""
)
