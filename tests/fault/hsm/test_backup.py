"""Backup of a live SoftHSM token and its restoration on another place: all or nothing."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio

import softhsm
from hallmark_composite import DEFAULT_ALGORITHM, MlDsaParameterSet, prehash
from hallmark_envelope import EnvelopePrivateKey, HpkeKem
from hsm.backup import KeyToCheck, create_backup, read_facts, restore_backup
from hsm.errors import BackupInvalid, KeyNotFound, RestoreFailed, TokenUnavailable, UnsupportedAlgorithm
from hsm.pkcs11.provider import Pkcs11KeyProvider
from hsm.pkcs11.settings import Pkcs11Settings

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
RECOVERY = EnvelopePrivateKey.from_seed(HpkeKem.MLKEM1024_P384, bytes(range(32)))
BINDING = b"binding"


@pytest.fixture
def settings(tmp_path: Path) -> Pkcs11Settings:
    return softhsm.settings(tmp_path / "live", workers=1, engine="cryptography")


@pytest_asyncio.fixture
async def live(settings: Pkcs11Settings) -> AsyncIterator[Pkcs11KeyProvider]:
    provider = Pkcs11KeyProvider(settings)
    await provider.start()
    yield provider
    await provider.close()


async def make_keys(provider: Pkcs11KeyProvider) -> list[KeyToCheck]:
    return [
        KeyToCheck(await provider.generate_composite(DEFAULT_ALGORITHM, key_binding=BINDING), BINDING),
        KeyToCheck(await provider.generate_ed25519(), b""),
        KeyToCheck(await provider.generate_hpke(HpkeKem.MLKEM768_X25519, key_binding=BINDING), BINDING),
        KeyToCheck(await provider.generate_mldsa(MlDsaParameterSet.ML_DSA_44, key_binding=BINDING), BINDING),
    ]


async def back_up(settings: Pkcs11Settings, keys: list[KeyToCheck]) -> bytes:
    return await create_backup(
        settings, recovery_kem=RECOVERY.kem, recovery_public_key=RECOVERY.public_key, keys=keys, now=NOW
    )


async def restore(archive: bytes, settings: Pkcs11Settings, keys: list[KeyToCheck], *, replace: bool = False):
    return await restore_backup(archive, recovery_key=RECOVERY, settings=settings, keys=keys, replace=replace, now=NOW)


async def sign_with(settings: Pkcs11Settings, key: KeyToCheck) -> bytes:
    provider = Pkcs11KeyProvider(settings)
    await provider.start()
    try:
        digest = prehash(DEFAULT_ALGORITHM, b"message")
        return await provider.sign_composite(key.material, digest=digest, context=b"", key_binding=key.key_binding)
    finally:
        await provider.close()


def siblings(folder: Path) -> set[str]:
    return {path.name for path in folder.parent.iterdir()}


async def test_a_live_token_is_backed_up_and_works_elsewhere(live, settings, tmp_path: Path) -> None:
    keys = await make_keys(live)
    await live.create_kek()
    moved = await live.rewrap(keys[0].material, key_binding=BINDING)
    keys.append(KeyToCheck(moved, BINDING))
    archive = await back_up(settings, keys)
    facts = read_facts(archive)
    assert facts.token_serial == (await live.capabilities()).token_serial
    assert (facts.created_at, facts.recovery_kem) == (NOW, RECOVERY.kem)
    pin = (settings.data_folder / "token-pin").read_bytes().strip()
    assert pin not in archive
    elsewhere = replace(settings, data_folder=tmp_path / "other" / "hsm")
    report = await restore(archive, elsewhere, keys)
    assert (report.keys_checked, report.replaced) == (5, None)
    assert siblings(elsewhere.data_folder) == {"hsm"}
    assert await sign_with(elsewhere, keys[0])
    assert siblings(settings.data_folder) == {"live", "other"}  # nothing is left of the copies that were proved


async def test_keys_made_meanwhile_do_not_spoil_a_backup(live, settings, tmp_path: Path) -> None:
    keys = await make_keys(live)

    async def go_on_making() -> None:
        for _ in range(20):
            await live.generate_ed25519()

    making = asyncio.create_task(go_on_making())
    archive = await back_up(settings, keys)
    await making
    elsewhere = replace(settings, data_folder=tmp_path / "other")
    assert (await restore(archive, elsewhere, keys)).keys_checked == len(keys)


async def test_a_token_in_use_is_not_replaced(live, settings) -> None:
    keys = await make_keys(live)
    archive = await back_up(settings, keys)
    with pytest.raises(RestoreFailed, match="not empty"):
        await restore(archive, settings, keys)
    with pytest.raises(RestoreFailed, match="stop it first"):
        await restore(archive, settings, keys, replace=True)
    assert siblings(settings.data_folder) == {"live"}
    assert (await live.health()).workers_ready == 1


async def test_a_token_is_replaced_at_once_and_the_old_one_kept(live, settings) -> None:
    keys = await make_keys(live)
    archive = await back_up(settings, keys)
    late = KeyToCheck(await live.generate_composite(DEFAULT_ALGORITHM, key_binding=BINDING), BINDING)
    await live.close()
    report = await restore(archive, settings, keys, replace=True)
    assert report.replaced == settings.data_folder.with_name("live.replaced-20261121T120000Z")
    assert await sign_with(settings, keys[0])
    with pytest.raises(KeyNotFound):  # made after the backup
        await sign_with(settings, late)
    assert await sign_with(replace(settings, data_folder=report.replaced), late)


@pytest.mark.parametrize("there", [False, True], ids=["elsewhere", "in place"])
async def test_one_key_that_does_not_work_stops_the_whole(live, settings, tmp_path: Path, *, there: bool) -> None:
    keys = await make_keys(live)
    archive = await back_up(settings, keys)
    late = KeyToCheck(await live.generate_composite(DEFAULT_ALGORITHM, key_binding=BINDING), BINDING)
    await live.close()
    target = settings if there else replace(settings, data_folder=tmp_path / "other")
    with pytest.raises(RestoreFailed, match="KEY_NOT_FOUND"):
        await restore(archive, target, [*keys, late], replace=there)
    with pytest.raises(RestoreFailed, match="SEAL_BROKEN"):
        await restore(archive, target, [*keys, KeyToCheck(keys[2].material, b"another")], replace=there)
    assert siblings(settings.data_folder) == {"live"}
    assert await sign_with(settings, late)


async def test_a_backup_that_would_not_restore_is_not_made(live, settings) -> None:
    keys = await make_keys(live)
    with pytest.raises(RestoreFailed, match="SEAL_BROKEN"):
        await back_up(settings, [*keys, KeyToCheck(keys[0].material, b"another")])
    assert siblings(settings.data_folder) == {"live"}


async def test_a_damaged_backup_changes_nothing(live, settings, tmp_path: Path) -> None:
    keys = await make_keys(live)
    archive = bytearray(await back_up(settings, keys))
    archive[len(archive) // 2] ^= 1
    elsewhere = replace(settings, data_folder=tmp_path / "other")
    with pytest.raises(BackupInvalid):
        await restore(bytes(archive), elsewhere, keys)
    assert siblings(settings.data_folder) == {"live"}


async def test_what_a_killed_restore_left_is_in_nobodys_way(live, settings, tmp_path: Path) -> None:
    keys = await make_keys(live)
    archive = await back_up(settings, keys)
    (tmp_path / "other.restoring" / "tokens").mkdir(parents=True)
    (tmp_path / "other").mkdir()  # an empty folder is no token
    elsewhere = replace(settings, data_folder=tmp_path / "other")
    assert (await restore(archive, elsewhere, keys)).replaced is None
    assert await sign_with(elsewhere, keys[0])
    assert siblings(settings.data_folder) == {"live", "other"}


async def test_a_pin_kept_elsewhere_does_not_go_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HALLMARK_TEST_PIN", "correct-horse")
    settings = softhsm.settings(tmp_path / "live", workers=1, engine="cryptography", pin_env="HALLMARK_TEST_PIN")
    provider = Pkcs11KeyProvider(settings)
    await provider.start()
    keys = await make_keys(provider)
    archive = await back_up(settings, keys)
    await provider.close()
    elsewhere = replace(settings, data_folder=tmp_path / "other")
    await restore(archive, elsewhere, keys)
    assert not (elsewhere.data_folder / "token-pin").exists()
    monkeypatch.setenv("HALLMARK_TEST_PIN", "wrong-horse")
    with pytest.raises(RestoreFailed, match="PIN_INCORRECT"):
        await restore(archive, replace(settings, data_folder=tmp_path / "third"), keys)


async def test_only_tokens_in_files_are_backed_up(settings, tmp_path: Path) -> None:
    other = tmp_path / "libother.so"
    other.touch()
    with pytest.raises(UnsupportedAlgorithm, match="maker"):
        await back_up(replace(settings, module=other), [])
    with pytest.raises(TokenUnavailable, match="no token"):
        await back_up(settings, [])


async def test_the_record_goes_along(live, settings, tmp_path: Path) -> None:
    """So a restored token that loses its keys later is never replaced by an empty one."""
    keys = await make_keys(live)
    elsewhere = replace(settings, data_folder=tmp_path / "other")
    await restore(await back_up(settings, keys), elsewhere, keys)
    record = json.loads((elsewhere.data_folder / "token.json").read_text())
    assert record == json.loads((settings.data_folder / "token.json").read_text())
