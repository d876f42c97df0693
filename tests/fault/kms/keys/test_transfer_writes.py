"""Every write of an import and of an export x {failed, failed but stored}: a retry ends with it done exactly once."""

import contextlib
import json
from collections import Counter
from pathlib import Path

import pytest
import sqlalchemy as sa

from fault.kms.revocation.flaky import ConnectionLost, Fault, FlakyDatabase
from hallmark.v1 import approvals_pb2
from hsm.errors import ExportForbidden, TokenUnavailable
from kms.core.errors import FailedPrecondition, Reason, Unavailable
from support.transfer_world import TransferWorld, transfer_world


async def logged(world: TransferWorld) -> Counter[str]:
    rows = await world.envelopes.keys.world.read(
        lambda tx: list(tx.execute(sa.text("SELECT data FROM tlog_queue")).scalars())
    )
    return Counter(json.loads(row)["type"] for row in rows)


@pytest.mark.parametrize("fault", Fault)
async def test_an_export_is_done_once(tmp_path: Path, fault: Fault) -> None:
    async with transfer_world(tmp_path) as world:
        key = await world.movable()
        proposal, request = await world.approved(key), world.request()
        flaky = FlakyDatabase(world.keys.database)
        flaky.plan(fault)
        _, exports = world.another(flaky)
        with pytest.raises(ConnectionLost):
            await world.export(key, proposal, exports, request=request)
        first = await world.export(key, proposal, exports, request=request)
        again = await world.export(key, proposal, request=request)
        assert first.envelope == again.envelope
        assert first.promise.event_key == again.promise.event_key
        assert (await logged(world))["key.exported"] == (await logged(world))["proposal.executed"] == 1
        with pytest.raises(FailedPrecondition) as refused:
            await world.export(key, proposal)
        assert refused.value.reason is Reason.PROPOSAL_USED


@pytest.mark.parametrize("fault", Fault)
async def test_an_import_is_done_once(tmp_path: Path, fault: Fault) -> None:
    async with transfer_world(tmp_path) as world:
        key = await world.movable()
        wanted, request = await world.brought(key), world.request()
        flaky = FlakyDatabase(world.keys.database)
        flaky.plan(fault)
        imports, _ = world.another(flaky)
        with contextlib.suppress(ConnectionLost):
            await imports.import_key(wanted, request=request, now=world.now, published=False)
        made, promise, _ = await imports.import_key(wanted, request=request, now=world.now, published=False)
        again, same, replayed = await imports.import_key(wanted, request=request, now=world.now, published=False)
        assert (again, same.event_key, replayed) == (made, promise.event_key, True)
        assert (await logged(world))["key.imported"] == 1
        assert made.versions[0].public_bytes == key.versions[0].public_bytes
        signed = await world.envelopes.keys.sign(b"m", made.name)
        assert signed.key_version.endswith("imported/versions/1")


async def test_an_envelope_that_was_sealed_does_not_leave_when_the_key_was_stopped_meanwhile(tmp_path: Path) -> None:
    async with transfer_world(tmp_path) as world:
        key = await world.movable()
        proposal = await world.approved(key)
        provider = world.envelopes.keys.world.provider
        sealed = provider.export_key

        async def revoked_meanwhile(*arguments, **more) -> bytes:
            envelope = await sealed(*arguments, **more)
            await world.envelopes.keys.revoke(key.name)
            return envelope

        provider.export_key = revoked_meanwhile
        with pytest.raises(FailedPrecondition) as refused:
            await world.export(key, proposal)
        assert refused.value.reason is Reason.KEY_VERSION_NOT_ACTIVE
        assert "key.exported" not in await logged(world)
        state = (await world.envelopes.approvals.get(proposal)).state
        assert state == approvals_pb2.PROPOSAL_STATE_APPROVED, "it was not used"


async def test_the_hsm_has_the_last_word(tmp_path: Path) -> None:
    """Rows that say more than is true let nothing out."""
    async with transfer_world(tmp_path) as world:
        key = await world.envelopes.keys.create("stays")
        await world.keys.database.write(
            lambda tx: tx.execute(sa.text("UPDATE key SET export_policy = 'wrapped' WHERE key_id = 'stays'"))
        )
        await world.keys.database.write(
            lambda tx: tx.execute(sa.text("UPDATE key_version SET exportable = 1 WHERE key_id = 'stays'"))
        )
        with pytest.raises(FailedPrecondition) as refused:
            await world.export(await world.keys.get(key.name), await world.approved(key))
        assert refused.value.reason is Reason.EXPORT_FORBIDDEN
        assert isinstance(refused.value.__cause__, ExportForbidden)


@pytest.mark.parametrize("operation", ["export_key", "import_key"])
async def test_a_token_that_is_away_costs_nothing(tmp_path: Path, operation: str) -> None:
    async with transfer_world(tmp_path) as world:
        key = await world.movable()
        wanted, proposal = await world.brought(key), await world.approved(key)
        imports, _ = world.another(world.keys.database)
        provider = world.envelopes.keys.world.provider
        works = getattr(provider, operation)

        async def away(*_arguments, **_more) -> bytes:
            raise TokenUnavailable("gone")

        setattr(provider, operation, away)
        request = world.request()

        async def act() -> object:
            if operation == "export_key":
                return await world.export(key, proposal, request=request)
            return await imports.import_key(wanted, request=request, now=world.now, published=False)

        with pytest.raises(Unavailable):
            await act()
        setattr(provider, operation, works)
        await act()
