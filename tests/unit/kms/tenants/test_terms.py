"""What every call asks: from memory for a second, suspended tenants nowhere for longer, and without the database for
half a minute.
"""

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa

from kms.core.database import Database
from kms.core.errors import PermissionDenied, Reason, Unavailable
from kms.tenants import terms as terms_module
from kms.tenants.model import ChannelMode, ChannelRules, Quotas
from kms.tenants.terms import KNOWN_SECONDS, TenantTerms, TermsSettings
from unit.kms.tenants.bench import ACTIVE, SUSPENDED, TenantBench

DEFAULTS = TermsSettings(quotas=Quotas(concurrency=7), channels=ChannelRules(mode=ChannelMode.ALLOW))


class Away:
    """A database that can be away, silent, and counts its reads."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.reads = 0
        self.is_away = False
        self.is_silent = False

    async def read(self, work: Any) -> Any:
        self.reads += 1
        if self.is_away:
            raise Unavailable(Reason.DATABASE_UNAVAILABLE, "away", retry_after_seconds=5)
        if self.is_silent:
            await asyncio.sleep(60)
        return await self.database.read(work)


@pytest.fixture
def away(bench: TenantBench) -> Away:
    return Away(bench.world.world.database)


@pytest.fixture
def door(bench: TenantBench, away: Away) -> TenantTerms:
    """Of another replica than the bench's: nobody tells it of changes."""
    return TenantTerms(away, bench.clock, DEFAULTS)  # type: ignore[arg-type]


async def _refusal(door: TenantTerms, tenant: str = "acme") -> Reason:
    with pytest.raises(PermissionDenied) as refused:
        await door.terms(tenant)
    return refused.value.reason


async def test_a_tenants_own_or_the_defaults(bench: TenantBench, door: TenantTerms) -> None:
    await bench.create("acme", quotas={"keys": 5})
    acme, nobody = await door.terms("acme"), await door.terms("nobody")
    assert (acme.tenant, acme.quotas, acme.channels) == ("acme", Quotas(keys=5), DEFAULTS.channels)
    assert (nobody.tenant, nobody.quotas) == ("nobody", DEFAULTS.quotas)


async def test_thousands_of_calls_are_one_read_a_second(bench: TenantBench, door: TenantTerms, away: Away) -> None:
    await asyncio.gather(*(door.terms(f"t{number % 5}") for number in range(1_000)))
    assert away.reads <= 2, "those who wait are looked up together"
    for _ in range(1_000):
        await door.terms("t1")
    assert away.reads <= 2
    before = away.reads
    bench.clock.advance(1)
    await door.terms("t1")
    assert away.reads == before + 1


async def test_suspended_here_at_once_and_elsewhere_within_a_second(bench: TenantBench, door: TenantTerms) -> None:
    await bench.create()
    await bench.terms.terms("acme")
    await door.terms("acme")
    edition = door.edition("acme")
    await bench.set_state(SUSPENDED)
    assert await _refusal(bench.terms) is Reason.TENANT_SUSPENDED
    await door.terms("acme")
    bench.clock.advance(1)
    assert await _refusal(door) is Reason.TENANT_SUSPENDED
    assert door.edition("acme") != edition
    await bench.set_state(ACTIVE)
    bench.clock.advance(1)
    await door.terms("acme")
    assert door.edition("acme") == edition, "all is as it was"


async def test_another_edition_when_the_terms_change(bench: TenantBench, door: TenantTerms) -> None:
    await bench.create()
    assert door.edition("acme") is None
    first = await door.terms("acme")
    edition = door.edition("acme")
    bench.clock.advance(1)
    assert await door.terms("acme") is first
    assert door.edition("acme") == edition
    await bench.update("quotas", quotas={"streams": 1})
    bench.clock.advance(1)
    await door.terms("acme")
    assert door.edition("acme") != edition


async def test_who_was_never_made_where_tenants_have_to_be(bench: TenantBench) -> None:
    door = TenantTerms(bench.world.world.database, bench.clock, TermsSettings(require_registered=True))
    assert await _refusal(door) is Reason.TENANT_UNKNOWN
    await door.terms("default")
    await bench.create()
    bench.clock.advance(1)
    await door.terms("acme")


async def test_without_the_database_the_last_known_terms_hold_for_a_while(
    bench: TenantBench, door: TenantTerms, away: Away
) -> None:
    await bench.create("acme")
    await bench.create("gone")
    await bench.set_state(SUSPENDED, tenant="gone")
    await door.terms("acme")
    assert await _refusal(door, "gone") is Reason.TENANT_SUSPENDED
    away.is_away = True
    for _ in range(int(KNOWN_SECONDS) - 1):
        bench.clock.advance(1)
        await door.terms("acme")
        assert await _refusal(door, "gone") is Reason.TENANT_SUSPENDED
    with pytest.raises(Unavailable):
        await door.terms("never seen")
    bench.clock.advance(1)
    for tenant in ("acme", "gone"):
        with pytest.raises(Unavailable):
            await door.terms(tenant)
    away.is_away = False
    await door.terms("acme")


async def test_a_database_that_is_silent_is_not_waited_for_by_who_is_known(
    bench: TenantBench, door: TenantTerms, away: Away, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terms_module, "PATIENCE_SECONDS", 0.05)
    known = await door.terms("acme")
    away.is_silent = True
    bench.clock.advance(1)
    assert await door.terms("acme") is known
    reads = away.reads
    assert await door.terms("acme") is known
    assert away.reads == reads, "for another second nobody asks"
    bench.clock.advance(KNOWN_SECONDS)
    with pytest.raises(Unavailable) as refused:
        await door.terms("acme")
    assert refused.value.reason is Reason.DATABASE_UNAVAILABLE


async def test_who_is_not_known_waits_for_no_silent_database_without_end(
    door: TenantTerms, away: Away, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terms_module, "FIRST_PATIENCE_SECONDS", 0.05)
    away.is_silent = True
    async with asyncio.timeout(5):
        with pytest.raises(Unavailable) as refused:
            await door.terms("acme")
    assert refused.value.reason is Reason.DATABASE_UNAVAILABLE


async def test_memory_is_bounded(door: TenantTerms, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terms_module, "_KEPT_MAX", 10)
    await asyncio.gather(*(door.terms(f"t{number}") for number in range(100)))
    assert len(door._seen) == 10


async def test_a_change_while_it_is_looked_up_is_not_covered_by_the_old_answer(bench: TenantBench) -> None:
    """The answer comes late, after somebody has changed the tenant here."""
    await bench.create()
    await bench.terms.terms("acme")
    bench.clock.advance(1)
    has_read = asyncio.Event()
    loop = asyncio.get_running_loop()

    def note(*_: Any) -> None:
        loop.call_soon_threadsafe(has_read.set)

    engine = bench.world.world.database.engine
    sa.event.listen(engine, "after_cursor_execute", note)
    asking = asyncio.create_task(bench.terms.terms("acme"))
    await has_read.wait()
    bench.terms.forget("acme")
    await asking
    sa.event.remove(engine, "after_cursor_execute", note)  # not while a thread tells its listeners
    await bench.set_state(SUSPENDED)
    assert await _refusal(bench.terms) is Reason.TENANT_SUSPENDED
