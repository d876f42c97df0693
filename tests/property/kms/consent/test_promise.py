"""No sequence of calls, failures and time leaves anything usable longer after a withdrawal than was promised.

What a device may still use is taken from the events that were ever made for it, those included that it has not got
yet: a device that hears nothing of the end goes on to the end of the newest lease it could have had.
"""

import asyncio
import contextlib
import json
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fault.kms.revocation.flaky import ConnectionLost, Fault, FlakyDatabase
from hallmark.v1 import consent_pb2
from kms.core.errors import ServiceError
from kms.core.names import ChildName
from kms.events.model import Status
from kms.status import lists
from unit.kms.consent.bench import ConsentBench, consents_running, device, span

DEVICES = 3
REMOVAL_SECONDS = 3600
GRACE_SECONDS = 300
ENDED = {consent_pb2.CONSENT_STATE_WITHDRAWN, consent_pb2.CONSENT_STATE_REVOKED, consent_pb2.CONSENT_STATE_EXPIRED}

_WHICH = st.integers(0, 1)
_DEVICE = st.integers(1, DEVICES)
ACTS = st.one_of(
    st.tuples(st.just("grant"), _WHICH, _DEVICE),
    st.tuples(st.just("renew"), _WHICH, _DEVICE),
    st.tuples(st.just("withdraw"), _WHICH, _DEVICE),
    st.tuples(st.just("revoke"), _WHICH, _DEVICE),
    st.tuples(st.just("acquire"), _WHICH, _DEVICE),
    st.tuples(st.just("renew leases"), _WHICH, _DEVICE),
    st.tuples(st.just("look at the clock"), _WHICH, _DEVICE),
    st.tuples(st.just("toggle"), _WHICH, _DEVICE),
    st.tuples(st.just("wait"), st.sampled_from([60, 900, 1700, 3600]), _DEVICE),
)
STEPS = st.lists(st.tuples(ACTS, st.sampled_from([None, None, None, *Fault])), min_size=4, max_size=14)


class World:
    """Consents by number, with what the caller saw of them."""

    def __init__(self, bench: ConsentBench) -> None:
        self.bench = bench
        self.names: dict[int, str] = {}
        self.seen_ended: dict[str, int] = {}

    async def step(self, act: tuple[str, int, int], fault: Fault | None) -> None:
        bench = self.bench
        real = bench.service.database
        flaky = FlakyDatabase(real)
        flaky.plan(fault)
        bench.events.database = flaky  # type: ignore[assignment]
        with contextlib.suppress(ServiceError, ConnectionLost):
            await self._do(*act)
        bench.events.database = real
        await self.check()

    async def _do(self, act: str, which: int, number: int) -> None:
        bench, clock = self.bench, self.bench.service.clock
        name = self.names.get(which, f"tenants/default/consents/{'0' * 8}-0000-7000-8000-{'0' * 12}")
        match act:
            case "grant":
                made = await bench.grant(
                    devices=[device(number)],
                    artifacts=[1, 2],
                    validity_duration=span(2 * REMOVAL_SECONDS),
                    removal_time=span(REMOVAL_SECONDS),
                    lease_terms={"offline_grace": span(GRACE_SECONDS)},
                )
                self.names[which] = made.consent.name
            case "renew":
                await bench.renew(name, validity_duration=span(3 * REMOVAL_SECONDS))
            case "withdraw":
                await bench.withdraw(name)
            case "revoke":
                await bench.revoke(name)
            case "acquire":
                await bench.acquire(name, device(number), 1 + number % 2)
            case "renew leases":
                await asyncio.gather(bench.renewer.renew_due(clock.now()), bench.renewer.renew_due(clock.now()))
            case "look at the clock":
                await bench.expiry.expire_due(clock.now())
                await bench.expiry.request_removals(clock.now())
            case "toggle":
                bench.devices.appraised ^= {device(number)}
            case _:
                clock.advance(which)

    async def check(self) -> None:
        bench = self.bench
        for consent in await self._consents():
            if consent.name in self.seen_ended:
                assert consent.state == self.seen_ended[consent.name], "an end is for ever"
            if consent.state in ENDED:
                self.seen_ended[consent.name] = consent.state
        given_to = await self._given()
        for name, gifts in given_to.items():
            consent = await bench.get(name)
            for own in gifts:
                usable_until = _time(own["expires_at"]) + timedelta(seconds=own["offline_grace_seconds"])
                promised = timedelta(seconds=REMOVAL_SECONDS)
                assert usable_until <= _time(own["not_before"]) + promised
                if consent.state in ENDED:
                    assert _time(own["not_before"]) <= _end(consent)
                    assert usable_until <= _end(consent) + promised
            if consent.state in ENDED:
                await self._check_ended(consent, gifts)

    async def _check_ended(self, consent: consent_pb2.Consent, gifts: list[dict[str, Any]]) -> None:
        bench = self.bench
        assert not any(lease.live for lease in await bench.leases(consent=consent.name))
        asked = {
            (str(each.order.device), str(each.order.artifact))
            for each in bench.removals.made
            if each.order.consent == ChildName.parse(consent.name, "consents")
        }
        if consent.state == consent_pb2.CONSENT_STATE_WITHDRAWN:
            assert asked == {(own["device"], own["artifact"]) for own in gifts}
        if consent.state != consent_pb2.CONSENT_STATE_EXPIRED:  # that needs no message at all
            names = [consent.name, *(own["lease"] for own in gifts)]
            values = await bench.service.database.read(lambda tx: {lists.value(tx, name) for name in names})
            assert values == {Status.INVALID}

    async def _consents(self) -> list[consent_pb2.Consent]:
        return list((await self.bench.consents()).consents)

    async def _given(self) -> dict[str, list[dict[str, Any]]]:
        """Consent -> what every lease-granted event ever made says, delivered or held."""
        found: dict[str, list[dict[str, Any]]] = {}
        for row in await self.bench.rows("event"):
            if row["type"].endswith("lease-granted"):
                (event,) = json.loads(row["payload"])["events"].values()
                found.setdefault(event["hallmark.v1"]["consent"], []).append(event["hallmark.v1"])
        return found


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _end(consent: consent_pb2.Consent) -> datetime:
    return consent.end_time.ToDatetime(tzinfo=UTC)


async def _live(steps: list[tuple[tuple[str, int, int], Fault | None]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with consents_running(Path(folder), batch_max=3) as bench:
            bench.devices.enrol(*(device(number) for number in range(1, DEVICES + 1)))
            world = World(bench)
            await world.step(("grant", 0, 1), None)
            for act, fault in steps:
                await world.step(act, fault)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_nothing_is_usable_longer_than_was_promised(steps: list[tuple[tuple[str, int, int], Fault | None]]) -> None:
    asyncio.run(_live(steps))
