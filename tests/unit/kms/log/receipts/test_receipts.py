import asyncio
from typing import Any

import pytest

from hallmark_tlog.cose import Algorithm
from hallmark_tlog.cose_keys import parse_key_set
from hallmark_tlog.cose_receipt import verify_receipt
from hsm.errors import SignatureFault, TokenUnavailable
from hsm.material import MlDsaKeyMaterial
from kms.core.errors import NotFound, Reason, Unavailable
from kms.log.keys.keys import kept_keys, replace_sealed_key
from kms.log.receipts.receipt_keys import ALGORITHMS, RECEIPT_KEYS_PATH, ReceiptKeys
from kms.log.receipts.receipts import CoseReceipts
from support.log_entries import EntriesWorld
from support.log_world import ORIGIN, LogWorld


@pytest.fixture
def entries(world: LogWorld) -> EntriesWorld:
    return EntriesWorld(world)


@pytest.fixture
def receipts(entries: EntriesWorld) -> CoseReceipts:
    return entries.services().receipts


class Signings:
    """Counts what a provider signs."""

    def __init__(self, world: LogWorld, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        for name in ("sign_ed25519", "sign_mldsa"):
            monkeypatch.setattr(world.provider, name, self._counted(getattr(world.provider, name)))

    def _counted(self, sign: Any) -> Any:
        async def counted(*given: Any, **named: Any) -> bytes:
            self.count += 1
            await asyncio.sleep(0)
            return await sign(*given, **named)

        return counted


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_a_receipt_verifies_with_the_published_keys(
    world: LogWorld, entries: EntriesWorld, receipts: CoseReceipts, algorithm: Algorithm
) -> None:
    keys = [await entries.append() for _ in range(5)]
    made = await receipts.receipt(keys[3], algorithm)
    published = await world.files.read(RECEIPT_KEYS_PATH)
    assert published is not None
    found = verify_receipt(made.receipt, made.entry.data, parse_key_set(published))
    head = (await world.log.checkpoint()).head
    assert (found.index, found.size, found.root) == (3, head.size, head.root) == (made.entry.index, 5, head.root)
    assert (found.issuer, found.subject) == (ORIGIN, ORIGIN)
    note_keys = {key.public_key for key in world.log.verifier_keys()}
    assert found.key.public_key.public_bytes_raw() not in note_keys  # type: ignore[union-attr]


async def test_one_signature_serves_every_entry_of_a_tree(
    world: LogWorld, entries: EntriesWorld, receipts: CoseReceipts, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.act(20)
    await world.log.step()
    signings = Signings(world, monkeypatch)
    made = await asyncio.gather(*(receipts.receipt(index, Algorithm.EDDSA) for index in range(20)))
    assert (signings.count, {one.tree_size for one in made}) == (1, {20})
    await receipts.receipt(0, Algorithm.ML_DSA_44)
    assert signings.count == 2
    await world.act(1)
    await world.log.step()
    signings.count = 0
    assert (await receipts.receipt(19, Algorithm.EDDSA)).tree_size == 20, "that tree has it, and is signed"
    assert signings.count == 0
    assert (await receipts.receipt(20, Algorithm.EDDSA)).tree_size == 21
    assert signings.count == 1


async def test_replicas_sign_with_one_key(world: LogWorld, entries: EntriesWorld) -> None:
    await entries.append()
    made = await asyncio.gather(*(entries.services().receipts.receipt(0, Algorithm.EDDSA) for _ in range(3)))
    assert len({one.key for one in made}) == 1


async def test_what_is_not_published_has_none(entries: EntriesWorld, receipts: CoseReceipts) -> None:
    await entries.append()
    waiting = await entries.append(publish=False)
    for missing in (1, waiting, "nothing"):
        with pytest.raises(NotFound):
            await receipts.receipt(missing, Algorithm.EDDSA)


async def test_a_wrong_signature_is_not_given_out(
    world: LogWorld, entries: EntriesWorld, receipts: CoseReceipts, monkeypatch: pytest.MonkeyPatch
) -> None:
    await entries.append()

    async def wrong(*_: Any, **__: Any) -> bytes:
        return bytes(64)

    monkeypatch.setattr(world.provider, "sign_ed25519", wrong)
    with pytest.raises(SignatureFault):
        await receipts.receipt(0, Algorithm.EDDSA)


async def test_an_hsm_that_is_away_is_said(
    world: LogWorld, entries: EntriesWorld, receipts: CoseReceipts, monkeypatch: pytest.MonkeyPatch
) -> None:
    await entries.append()

    async def away(*_: Any, **__: Any) -> bytes:
        raise TokenUnavailable("the token is gone")

    monkeypatch.setattr(world.provider, "sign_ed25519", away)
    with pytest.raises(Unavailable) as refused:
        await receipts.receipt(0, Algorithm.EDDSA)
    assert refused.value.reason is Reason.HSM_UNAVAILABLE


async def test_the_keys_are_kept_with_those_of_the_log(
    world: LogWorld, entries: EntriesWorld, receipts: CoseReceipts
) -> None:
    """So that backups are proved with them and seals are renewed."""
    await entries.append()
    before = len(await world.read(kept_keys))
    for algorithm in ALGORITHMS:
        await receipts.receipt(0, algorithm)
    kept = (await world.read(kept_keys))[before:]
    assert len(kept) == 2
    ((sealed, binding),) = [(key, bound) for key, bound in kept if isinstance(key, MlDsaKeyMaterial)]
    await world.provider.create_kek()
    renewed = await world.provider.rewrap(sealed, key_binding=binding)
    assert await world.database.write(lambda tx: replace_sealed_key(tx, old=sealed, new=renewed))
    assert not await world.database.write(lambda tx: replace_sealed_key(tx, old=sealed, new=renewed))
    fresh = ReceiptKeys(world.database, world.provider, world.files, ORIGIN)
    key = await fresh.ensure(Algorithm.ML_DSA_44, world.clock.now())
    assert key.material == renewed
    assert await CoseReceipts(world.log, fresh, world.clock).receipt(0, Algorithm.ML_DSA_44)
