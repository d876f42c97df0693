"""What the log tells of the making of a key."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hsm.material import ProtectionLevel
from kms.keys.algorithms import ALGORITHMS, KeyAlgorithm
from kms.keys.model import KeyOrigin, KeyPurpose
from support.transfer_world import MAY_LEAVE, TransferWorld, transfer_world


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[TransferWorld]:
    async with transfer_world(tmp_path) as opened:
        yield opened


async def entries(world: TransferWorld) -> dict[str, dict[str, Any]]:
    """By event key."""
    types = "key.created", "key.rotated", "key.imported", "key.exported"
    return {entry["id"]: entry for entry in await world.envelopes.logged(*types)}


@pytest.mark.parametrize("algorithm", ALGORITHMS.values(), ids=str)
async def test_every_version_names_the_entry_of_its_making(world: TransferWorld, algorithm: KeyAlgorithm) -> None:
    purpose = KeyPurpose.SIGN if algorithm.signs else KeyPurpose.ENVELOPE
    await world.envelopes.keys.create("made", algorithm=algorithm, purpose=purpose)
    key = await world.envelopes.keys.rotate("made")
    found = await entries(world)
    for version, kind in zip(key.versions, ("key.rotated", "key.created"), strict=True):
        entry = found[version.creation_event]
        assert (entry["type"], entry["subject"]) == (kind, str(version.name))
        details = entry["details"]
        assert (details["origin"], details["exportable"]) == ("generated", False)
        assert details["protection_level"] == version.protection.value
        halves = {half["algorithm"]: (half["kept"], half["mechanism"]) for half in details["halves"]}
        assert len(halves) == (2 if algorithm.composite else 1)
        for name, kept in halves.items():
            sealed = name.startswith(("ML-DSA", "HPKE"))
            assert kept == (("sealed", "AES-256-GCM") if sealed else ("token", kept[1]))
        assert set(details["token"]) == {"manufacturer", "model"}
        assert set(entry["commitments"]) == {"token_serial"}, "a serial number is not published, nor its hash"


async def test_a_key_that_may_leave_claims_less(world: TransferWorld) -> None:
    plain = ALGORITHMS["ECDSA_P256_SHA256"]
    stays = await world.envelopes.keys.create("stays", algorithm=plain)
    leaves = await world.envelopes.keys.create("leaves", algorithm=plain, settings=MAY_LEAVE)
    assert stays.versions[0].protection is ProtectionLevel.HSM
    assert leaves.versions[0].protection is ProtectionLevel.HSM_WRAPPED
    details = (await entries(world))[leaves.versions[0].creation_event]["details"]
    assert (details["exportable"], details["protection_level"]) == (True, "HSM_WRAPPED")


async def test_an_imported_key_says_so_in_the_log(world: TransferWorld) -> None:
    wanted = await world.brought(await world.movable())
    imports, _ = world.another(world.keys.database)
    made, promise, _ = await imports.import_key(wanted, request=world.request(), now=world.now, published=False)
    (version,) = made.versions
    assert (version.origin, version.protection) == (KeyOrigin.IMPORTED, ProtectionLevel.IMPORTED)
    details = (await entries(world))[promise.event_key]["details"]
    assert version.creation_event == promise.event_key
    assert (details["origin"], details["protection_level"]) == ("imported", "IMPORTED")
    assert details["wrapping_key"] == str(wanted.wrapping_key)
    rotated = await world.envelopes.keys.rotate("imported")
    assert [each.origin for each in rotated.versions] == [KeyOrigin.GENERATED, KeyOrigin.IMPORTED]
    assert rotated.versions[0].protection is ProtectionLevel.HSM_WRAPPED


async def test_a_rotation_follows_the_export_policy_of_its_key(world: TransferWorld) -> None:
    await world.movable("movable")
    rotated = await world.envelopes.keys.rotate("movable")
    assert [version.exportable for version in rotated.versions] == [True, True]
