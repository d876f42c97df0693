"""Two replicas over PostgreSQL, each with its own connections: epochs grow, nothing is given after it was closed."""

import asyncio
import concurrent.futures
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from hallmark.v1 import consent_pb2
from kms.app.releases import ReleaseParts, make_releases
from kms.artifacts.changing import Asker
from kms.artifacts.model import ModelName
from kms.artifacts.service import ArtifactStatusService
from kms.consent import lease_store
from kms.consent.acquiring import LeaseService
from kms.consent.renewing import Renewer
from kms.core.database import Database
from kms.core.errors import FailedPrecondition, Reason, ServiceError
from kms.core.idempotency import RequestKey
from kms.core.names import DigestName
from kms.events.model import InitiatingEntity, Status
from kms.keys import store as key_store
from support.database import fresh_database
from unit.kms.releases.bench import MODEL, Phone, ReleaseBench, artifact, releases_running


@dataclass(frozen=True)
class Pair:
    bench: ReleaseBench
    other: ReleaseBench


@asynccontextmanager
async def two_replicas(folder: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pair]:
    monkeypatch.setattr("unit.kms.revocation.bench.fresh_database", lambda folder: fresh_database(folder, url))
    second = Database(url)
    try:
        async with releases_running(folder) as bench:
            yield Pair(bench, replace(bench, parts=_beside(bench, second)))
    finally:
        second.close()


def _beside(bench: ReleaseBench, database: Database) -> ReleaseParts:
    keys = bench.parts.servicer.keys
    events = replace(bench.events, database=database)
    leases = replace(
        keys.leases, giving=replace(keys.leases.giving, issuer=replace(keys.leases.giving.issuer, events=events))
    )
    opener = replace(keys.opener, keys=replace(keys.opener.keys, database=database))
    orders = replace(bench.parts.upkeep.orders, events=events)
    clock = bench.base.service.clock
    return make_releases(events, opener=opener, leases=leases, orders=orders, clock=clock, interval_seconds=1)


async def outcomes(*acts: Awaitable[Any]) -> list[Any]:
    """Answers and refusals; anything else is a mistake."""
    found = await asyncio.gather(*acts, return_exceptions=True)
    for each in found:
        if isinstance(each, BaseException) and not isinstance(each, ServiceError):
            raise each
    return found


@pytest.fixture
async def pair(postgresql_tables: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Pair]:
    async with two_replicas(tmp_path, postgresql_tables, monkeypatch) as found:
        yield found


async def test_epochs_grow_however_two_replicas_race(pair: Pair) -> None:
    """Each round two want the same epoch, and two the next: what was made has grown in the order of its log entries."""
    for round_ in range(6):
        epochs = [2 * round_ + 1, 2 * round_ + 1, 2 * round_ + 2, 2 * round_ + 2]
        await outcomes(
            *(
                side.create(100 * round_ + place, epoch=epoch, minimum_epoch=epoch if place == 3 else 0)
                for place, (side, epoch) in enumerate(
                    zip((pair.bench, pair.other, pair.bench, pair.other), epochs, strict=True)
                )
            )
        )
    made = [each.epoch for each in (await pair.bench.listed(model=MODEL)).releases]
    assert len(made) == len(set(made))
    assert set(range(2, 13, 2)) <= set(made)
    logged = [entry["details"]["epoch"] for entry in await pair.bench.logged("release.created")]
    assert logged == sorted(logged)
    minimums = [entry["details"]["minimum_version"] for entry in await pair.bench.logged("model.minimum-version-set")]
    assert minimums == sorted(set(minimums))


async def test_twins_at_two_replicas_are_one(pair: Pair) -> None:
    phone = await pair.bench.enrol()
    wanted = pair.bench.wanted()
    for _ in range(2):
        made = await outcomes(pair.bench.send(wanted), pair.other.send(wanted))
        assert {each.release.name for each in made} == {made[0].release.name}
    request_id = str(uuid.uuid4())
    for _ in range(2):
        given = await outcomes(*(each.request_key(phone, request_id=request_id) for each in (pair.bench, pair.other)))
        assert len({each.envelope for each in given}) == 1
    assert len(await pair.bench.logged("artifact-key.released")) == 1


async def test_nothing_is_released_after_the_revocation_is_logged(pair: Pair) -> None:
    """Whoever got the key before is asked to delete it, whichever replica gave it."""
    phones = [await pair.bench.enrol() for _ in range(4)]
    for number in (1, 2, 3):
        await pair.bench.create(number)
        sides = [pair.bench, pair.other] * 2
        got = await outcomes(
            *(side.request_key(phone, number) for side, phone in zip(sides, phones, strict=True)),
            pair.bench.revoke(number),
        )
        refused = [each for each in got if isinstance(each, FailedPrecondition)]
        assert {each.reason for each in refused} <= {Reason.ARTIFACT_REVOKED}
        assert await refusal(pair.other, phones[0], number) is Reason.ARTIFACT_REVOKED
        now = pair.bench.base.service.clock.now()
        await outcomes(*(side.parts.upkeep.request_removals(now) for side in (pair.bench, pair.other)))
        for side in (pair.bench, pair.other):
            await side.parts.upkeep.request_removals(now)
        asked = [each.device for each in await pair.bench.removals() if each.artifact == artifact(number)]
        holders = [str(phone.name) for phone, answer in zip(phones, got, strict=False) if answer not in refused]
        assert sorted(asked) == sorted(holders)


@pytest.mark.parametrize("act", ["suspend", "raise the minimum"])
async def test_nothing_is_released_after_it_was_closed_for_a_while(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    """The other replica closes it between the last look and the commit."""
    await pair.bench.create(1)
    phone = await pair.bench.enrol()
    loop, count_uses, closing = asyncio.get_running_loop(), key_store.count_uses, list[Any]()

    def close_meanwhile(*arguments: Any) -> bool:
        close = _suspend(pair.other) if act == "suspend" else _raise_minimum(pair.other)
        closing.append(asyncio.run_coroutine_threadsafe(close, loop))
        concurrent.futures.wait(closing, timeout=0.5)
        return count_uses(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr("kms.releases.giving.key_store.count_uses", close_meanwhile)
        await outcomes(pair.bench.request_key(phone, 1))
    await asyncio.wrap_future(closing[0])
    told = await pair.bench.logged("artifact-key.released", "artifact.status-set", "model.minimum-version-set")
    assert [entry["type"] for entry in told][1:] != ["artifact-key.released"], "given after it was closed"
    assert len(told) <= 2
    with pytest.raises(FailedPrecondition):
        await pair.bench.request_key(phone, 1)


@pytest.mark.parametrize("act", ["grant", "acquire", "renew"])
async def test_no_lease_is_given_after_a_suspension(pair: Pair, monkeypatch: pytest.MonkeyPatch, act: str) -> None:
    """The other replica suspends the artifact between the look at it and the commit."""
    phone = await pair.bench.enrol()
    consent = await pair.bench.grant(*(() if act != "renew" else (phone,)))
    if act == "renew":
        pair.bench.advance(timedelta(hours=15))
    loop, closing = asyncio.get_running_loop(), list[Any]()

    def closed_before(call: Callable[..., Any]) -> Callable[..., Any]:
        def close_meanwhile(*arguments: Any) -> Any:
            if not closing:
                closing.append(asyncio.run_coroutine_threadsafe(_suspend(pair.other), loop))
                concurrent.futures.wait(closing, timeout=0.5)
            return call(*arguments)

        return close_meanwhile

    acts: dict[str, Callable[[], Awaitable[Any]]] = {
        "grant": lambda: pair.bench.grant(phone),
        "acquire": lambda: _acquire(pair.bench, phone, consent),
        "renew": lambda: Renewer(giving=_leases(pair.bench).giving).renew_due(pair.bench.base.service.clock.now()),
    }
    with monkeypatch.context() as patched:
        for name in ("of_consent", "renew_many"):  # in all three the look is over by then
            patched.setattr(lease_store, name, closed_before(getattr(lease_store, name)))
        await outcomes(acts[act]())
    await asyncio.wrap_future(closing[0])
    told = [entry["type"] for entry in await pair.bench.logged("leases.issued", "artifact.status-set")]
    assert told == ["leases.issued"] * (2 if act == "renew" else 1) + ["artifact.status-set"]
    with pytest.raises(FailedPrecondition):
        await _acquire(pair.bench, phone, consent)


async def _acquire(bench: ReleaseBench, phone: Phone, consent: str) -> Any:
    request = consent_pb2.AcquireLeaseRequest(consent=consent, artifact=artifact(1), request_id=str(uuid.uuid4()))
    return await bench.consent.servicer.AcquireLease(request, bench.call("AcquireLease", **phone.who))


def _leases(bench: ReleaseBench) -> LeaseService:
    return bench.parts.servicer.keys.leases


async def _suspend(bench: ReleaseBench) -> None:
    await _statuses(bench).set_state(DigestName.parse(artifact(1), "artifacts"), Status.SUSPENDED, _asker(bench))


async def _raise_minimum(bench: ReleaseBench) -> None:
    await _statuses(bench).set_minimum_version(ModelName.parse(MODEL), 2, _asker(bench))


def _statuses(bench: ReleaseBench) -> ArtifactStatusService:
    return ArtifactStatusService(events=bench.parts.servicer.keys.events)


def _asker(bench: ReleaseBench) -> Asker:
    return Asker(
        initiating_entity=InitiatingEntity.ADMIN,
        request=RequestKey("someone", str(uuid.uuid4()), bytes(32)),
        transaction_id="test",
        now=bench.base.service.clock.now(),
        published=False,
    )


async def test_a_withdrawal_at_one_replica_closes_it_at_the_other(pair: Pair) -> None:
    await pair.bench.create(requires_consent=True)
    phone = await pair.bench.enrol()
    consent = await pair.bench.grant(phone)
    await pair.other.request_key(phone)
    await outcomes(pair.bench.withdraw(consent), *(pair.other.request_key(phone) for _ in range(4)))
    assert await refusal(pair.other, phone, 1) is Reason.LEASE_REQUIRED


async def test_one_of_two_heads_of_the_same_size_is_anchored(pair: Pair) -> None:
    phone = await pair.bench.enrol()
    for size in range(1, 6):
        heads = bytes([size]) * 32, bytes([size + 100]) * 32
        got = await outcomes(pair.bench.anchor(phone, size, heads[0]), pair.other.anchor(phone, size, heads[1]))
        (refused,) = [each for each in got if isinstance(each, FailedPrecondition)]
        assert refused.reason is Reason.AUDIT_DIVERGED


async def refusal(bench: ReleaseBench, phone: Phone, number: int) -> Reason:
    with pytest.raises(FailedPrecondition) as refused:
        await bench.request_key(phone, number)
    return refused.value.reason
