"""Rows of the table of writes: keys, signatures, revocations, trust bundles."""

from datetime import timedelta
from functools import partial
from typing import Any, Final

from fault.kms.keys.test_life_writes import ACTS, ALIAS, OTHER, Act, set_alias
from fault.kms.write_table import BUNDLES, CHECKPOINTS, REQUEST_ID, Row, key_request
from kms.core.idempotency import LIFETIME, purge
from kms.core.names import ChildName, KeyVersionName
from kms.events.cursor import open_cursor_codec
from kms.events.model import InitiatingEntity
from kms.keys.attestation_gate import AttestationGate
from kms.keys.due import CLAIM_LIFETIME
from kms.keys.formats import SignatureFormat
from kms.keys.inputs import SignInput
from kms.keys.model import Key
from kms.keys.policies import KeySettings, UsageLimits
from kms.keys.sign_item import item_of
from kms.keys.signing import SigningService
from kms.keys.verdict_gate import Claimant
from kms.revocation.model import RevocationReason
from kms.trust.model import SEEN_WITHIN
from kms.trust.scheduler import Scheduler
from support.gate_world import GateWorld, gate_world
from support.randomness import SeededRandomness
from support.trust_world import NAME, Replica, TrustWorld, trust_world


def _replica(world: TrustWorld, database: Any, attempt: int) -> Replica:
    return world.another(70 + attempt, database=database)


def _of_act(act: Act) -> Row:
    async def run(world: TrustWorld, _: Any, database: Any, attempt: int) -> None:
        await act.run(world, _replica(world, database, attempt), key_request())

    return Row(
        world=trust_world,
        run=run,
        prepare=act.prepare,
        database=lambda world: world.base.world.database,
        between=(lambda world: world.advance(CLAIM_LIFETIME.total_seconds())) if act.is_clock_work else None,
        harmless=BUNDLES,
    )


async def _with_an_alias_to_another(world: TrustWorld) -> None:
    await world.base.create(OTHER.key)
    request = world.base.request()
    await world.replica.aliases.set(ALIAS, OTHER, etag="", request=request, now=world.now, published=False)


# Signatures, revocations, trust bundles


async def _sign(world: TrustWorld, _: Any, database: Any, attempt: int) -> None:
    signing = _replica(world, database, attempt).signing
    await signing.sign(NAME, SignInput(data=b"m"), request=key_request(), now=world.now, published=False)


async def _with_a_total_of_one(world: TrustWorld) -> None:
    await world.base.create("few", settings=KeySettings(usage_limits=UsageLimits(total=1)))


async def _sign_beyond_the_total(world: TrustWorld, _: Any, database: Any, attempt: int) -> None:
    name = KeyVersionName("default", "few", 1).key_name
    requests = [key_request(REQUEST_ID), key_request(REQUEST_ID.replace("6b", "7c"))]
    items = [item_of(name, SignInput(data=b"m"), SignatureFormat.RAW, request) for request in requests]
    await _replica(world, database, attempt).signing.sign_many(items, now=world.now, published=False)


async def _sign_gated(world: GateWorld, prepared: tuple[Key, ChildName], database: Any, _attempt: int) -> None:
    key, device = prepared
    base = world.signing
    signing = SigningService(database, base.provider, base.log, base.randomness, base.rates, verdicts=base.verdicts)
    await signing.sign_item(world.item(key, Claimant(device), request=key_request()), now=world.now, published=False)


async def _with_a_gated_key(world: GateWorld) -> tuple[Key, ChildName]:
    return await world.create("fleet", AttestationGate()), await world.enrol()


async def _revoke(world: TrustWorld, _: Any, database: Any, attempt: int) -> None:
    await _replica(world, database, attempt).revocations.revoke(
        NAME,
        reason=RevocationReason.SUPERSEDED,
        effective_time=None,
        initiating_entity=InitiatingEntity.ADMIN,
        request=key_request(),
        transaction_id="transaction",
        now=world.now,
        published=False,
    )


async def _begin_cursors(_world: TrustWorld, _: Any, database: Any, attempt: int) -> None:
    await open_cursor_codec(database, SeededRandomness(attempt))


async def _with_a_bundle(world: TrustWorld) -> None:
    await world.replica.maker.current("default", world.now)


async def _acknowledge(world: TrustWorld, _: Any, database: Any, attempt: int) -> None:
    await _replica(world, database, attempt).trust.acknowledge("default", "client", 1, world.now)


async def _with_an_old_acknowledgement(world: TrustWorld) -> None:
    await _with_a_bundle(world)
    await _acknowledge(world, None, world.base.world.database, 0)
    world.advance(SEEN_WITHIN.total_seconds() + 1)


async def _forget_acknowledgements(world: TrustWorld, _: Any, database: Any, attempt: int) -> None:
    scheduler = _replica(world, database, attempt).scheduler
    await Scheduler._forget(scheduler, world.now)  # its round catches what fails


async def _forget_answers(world: TrustWorld, _: Any, database: Any, _attempt: int) -> None:
    await database.write(partial(purge, now=world.now + LIFETIME + timedelta(seconds=1)))


def _in_trust_world(run: Any, prepare: Any = None) -> Row:
    return Row(
        world=trust_world,
        run=run,
        prepare=prepare,
        database=lambda world: world.base.world.database,
        harmless=CHECKPOINTS,
    )


ROWS: Final[dict[str, Row]] = {
    **{name: _of_act(act) for name, act in ACTS.items()},
    "SetAlias elsewhere": _of_act(Act(set_alias, _with_an_alias_to_another)),
    "Sign": _in_trust_world(_sign),
    "Sign with a gated key": Row(
        world=gate_world,
        run=_sign_gated,
        prepare=_with_a_gated_key,
        database=lambda world: world.bench.service.database,
        harmless=CHECKPOINTS,
    ),
    "BatchSign beyond the total": _in_trust_world(_sign_beyond_the_total, _with_a_total_of_one),
    "Revoke": _in_trust_world(_revoke),
    "the key of cursors": _in_trust_world(_begin_cursors),
    "AcknowledgeTrustBundle": _in_trust_world(_acknowledge, _with_a_bundle),
    "old acknowledgements": _in_trust_world(_forget_acknowledgements, _with_an_old_acknowledgement),
    "old answers": _in_trust_world(_forget_answers),
}
