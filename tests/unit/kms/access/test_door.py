"""Who gets in, what they are told who do not, and how soon a change counts."""

import asyncio
from datetime import timedelta

import pytest
import sqlalchemy as sa

from kms.access.question import VerdictFacts
from kms.access.source import STALE_SECONDS
from kms.core.database import metadata
from kms.core.errors import FailedPrecondition, NotFound, PermissionDenied, Reason, ServiceError, Unavailable, not_found
from kms.core.identity import Role
from kms.core.resources import ResourceFacts
from unit.kms.access.bench import (
    ADMINS,
    AUDITOR,
    BACKEND,
    CLASSICAL,
    PARENT,
    SIGNERS,
    AccessBench,
    Switch,
    replica_of,
)
from unit.kms.revocation.bench import caller

PAY = f"{PARENT}/keys/pay"
SIGN, GET_KEY = "SigningService.Sign", "KeyService.GetKey"
READS = '@id("reads")\npermit(principal, action == Action::"KeyService.GetKey", resource) when { resource.tenant == "default" };\n'
HYBRID_ONLY = '@id("hybrid-only")\nforbid(principal, action, resource) unless { context.post_quantum };\n'
KNOW_POLICIES = (
    '@id("auditors")\npermit(principal, action in [Action::"read"], resource) when { principal.role == "auditor" };\n'
)
BY_ROLE = ()


async def _refusal(bench: AccessBench, *asked: object, **more: object) -> ServiceError:
    with pytest.raises(ServiceError) as refused:
        await bench.enter(*asked, **more)  # type: ignore[arg-type]
    return refused.value


async def test_roles_decide_until_a_policy_does_and_again_after(bench: AccessBench) -> None:
    assert await bench.enter(BACKEND, GET_KEY, PAY) == BY_ROLE
    await bench.in_force(SIGNERS)
    assert await bench.enter(BACKEND, SIGN, PAY) == ("backends-sign",)
    await _refusal(bench, BACKEND, GET_KEY, PAY)
    await bench.activate(f"{PARENT}/accessPolicies/0")
    assert await bench.enter(BACKEND, GET_KEY, PAY) == BY_ROLE


async def test_other_tenants_have_their_own_rules(bench: AccessBench) -> None:
    await bench.in_force(ADMINS)
    stranger = caller(Role.BACKEND, tenant="other")
    assert await bench.enter(stranger, SIGN, "tenants/other/keys/k") == BY_ROLE


async def test_what_may_not_be_read_is_not_found(bench: AccessBench) -> None:
    """Exactly the answer of what is not there."""
    await bench.in_force(ADMINS)
    error = await _refusal(bench, BACKEND, SIGN, PAY)
    assert isinstance(error, NotFound)
    expected = not_found(PAY)
    assert (error.message, error.reason, error.resource) == (expected.message, expected.reason, expected.resource)


async def test_what_may_be_read_is_denied(bench: AccessBench) -> None:
    await bench.in_force(ADMINS + READS)
    assert (await _refusal(bench, BACKEND, SIGN, PAY)).reason is Reason.ACCESS_DENIED
    tenant = await _refusal(bench, BACKEND, "KeyService.ListKeys", PARENT)
    assert (type(tenant), tenant.reason) == (PermissionDenied, Reason.ACCESS_DENIED), (
        "nobody's tenant is a secret to them"
    )
    nothing_named = await _refusal(bench, BACKEND, "KeyService.GetCapabilities")
    assert nothing_named.reason is Reason.ACCESS_DENIED


async def test_other_tenants_resources_look_all_the_same(bench: AccessBench) -> None:
    """Whatever the policy permits of one's own, and whatever the facts of the others' are."""
    await bench.in_force(
        SIGNERS + READS + '@id("own") forbid(principal, action, resource) when { resource.tenant != "default" };'
    )
    bench.facts.known["tenants/other/keys/pay"] = ResourceFacts("tenants/other/keys/pay", "other", "keys")
    for name in ("tenants/other/keys/pay", "tenants/other/keys/none", "tenants/system/keys/none"):
        error = await _refusal(bench, BACKEND, SIGN, name)
        assert (type(error), error.message) == (NotFound, not_found(name).message)
    assert bench.facts.asked == [], "they are not even looked up"


async def test_which_statement_forbids_is_for_those_who_may_read_policies(bench: AccessBench) -> None:
    await bench.in_force(
        ADMINS + READS + KNOW_POLICIES + HYBRID_ONLY.replace("action,", 'action == Action::"KeyService.ListKeys",')
    )
    told = await _refusal(bench, AUDITOR, "KeyService.ListKeys", PARENT, channel=CLASSICAL)
    assert (told.reason, told.metadata) == (Reason.ACCESS_FORBIDDEN, {"statements": "hybrid-only"})
    assert "hybrid-only" in told.message
    not_told = await _refusal(bench, BACKEND, "KeyService.ListKeys", PARENT, channel=CLASSICAL)
    assert (not_told.reason, not_told.metadata) == (Reason.ACCESS_FORBIDDEN, {})
    assert "hybrid-only" not in not_told.message


async def test_every_resource_of_a_call_has_to_be_permitted(bench: AccessBench) -> None:
    await bench.in_force(ADMINS + f'@id("pay") permit(principal, action, resource in Resource::"{PAY}");')
    assert await bench.enter(BACKEND, "SigningService.BatchSign", PAY, f"{PAY}/versions/2") == ("pay",)
    await _refusal(bench, BACKEND, "SigningService.BatchSign", PAY, f"{PARENT}/keys/other")


async def test_an_alias_is_its_key(bench: AccessBench) -> None:
    await bench.in_force(
        ADMINS
        + '@id("all") permit(principal, action, resource);'
        + f'@id("no") forbid(principal, action == Action::"{SIGN}", resource in Resource::"{PAY}");'
    )
    alias = f"{PARENT}/aliases/current"
    bench.facts.known[alias] = ResourceFacts(PAY, "default", "keys")
    assert (await _refusal(bench, BACKEND, SIGN, alias)).reason is Reason.ACCESS_FORBIDDEN


async def test_decisions_are_remembered_but_never_past_a_change(bench: AccessBench) -> None:
    await bench.in_force(SIGNERS + '@id("low") permit(principal, action, resource) when { resource.sensitivity < 2 };')
    decisions = bench.rules.decisions
    for _ in range(5):
        await bench.enter(BACKEND, SIGN, PAY)
    assert len(decisions._remembered) == 1
    await bench.enter(BACKEND, SIGN, PAY, channel=CLASSICAL)
    assert len(decisions._remembered) == 2, "another channel is another question"
    await bench.in_force(ADMINS)
    await _refusal(bench, BACKEND, SIGN, PAY)


async def test_slow_rules_hold_up_nobody_else(bench: AccessBench) -> None:
    """Each decision by rules that are asked anew is a turn of its own: between two of them everybody else runs."""
    await bench.in_force(ADMINS + '@id("any") permit(principal, action, resource) when { context.hour < 24 };')
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    counting = asyncio.create_task(count())
    names = [f"{PARENT}/keys/k{number}" for number in range(50)]
    await asyncio.gather(*(bench.enter(BACKEND, "SigningService.BatchSign", *names) for _ in range(4)))
    counting.cancel()
    assert turns >= 200


async def test_facts_of_today_count(bench: AccessBench) -> None:
    await bench.in_force(
        ADMINS
        + '@id("blue") permit(principal, action, resource) when { resource.hasTag("team") && resource.getTag("team") == "blue" };'
    )
    await _refusal(bench, BACKEND, SIGN, PAY)
    bench.facts.known[PAY] = ResourceFacts(PAY, "default", "keys", labels={"team": "blue"})
    assert await bench.enter(BACKEND, SIGN, PAY) == ("blue",)
    bench.facts.known[PAY] = ResourceFacts(PAY, "default", "keys", labels={"team": "red"})
    await _refusal(bench, BACKEND, SIGN, PAY)


async def test_policies_that_look_at_the_time_are_asked_each_time(bench: AccessBench) -> None:
    await bench.in_force(ADMINS + '@id("noon") permit(principal, action, resource) when { context.hour == 12 };')
    assert await bench.enter(BACKEND, SIGN, PAY) == ("noon",)
    edition = bench.rules.edition("default")
    bench.service.clock.jump(3600)
    await _refusal(bench, BACKEND, SIGN, PAY)
    assert bench.rules.edition("default") != edition, "open streams ask again"


async def test_a_device_is_judged_by_its_verdict_now(bench: AccessBench) -> None:
    await bench.in_force(
        ADMINS
        + '@id("good") permit(principal, action, resource) when { context.verdict.appraised && context.verdict.age_seconds < 60 };'
    )
    phone = caller(Role.DEVICE, name="d-1")
    bench.verdicts.found = VerdictFacts(attested=True, appraised=True, device_class="hardware", age_seconds=3)
    assert await bench.enter(phone, SIGN, PAY) == ("good",)
    bench.verdicts.found = VerdictFacts(attested=True)
    await _refusal(bench, phone, SIGN, PAY)


async def test_a_grant_permits_until_it_ends(bench: AccessBench) -> None:
    await bench.in_force(ADMINS)
    grant = (await bench.grant(BACKEND.spiffe_id, SIGN, resources=[f"{PAY}*"], days=1)).grant
    assert await bench.enter(BACKEND, SIGN, PAY) == (grant.name,)
    edition = bench.rules.edition("default")
    await _refusal(bench, BACKEND, SIGN, f"{PARENT}/keys/other")
    await _refusal(bench, caller(Role.BACKEND, name="bobby"), SIGN, PAY)
    bench.service.clock.jump(timedelta(days=1).total_seconds())
    assert bench.rules.edition("default") != edition
    await _refusal(bench, BACKEND, SIGN, PAY)


async def test_a_grant_is_taken_back_at_once_and_never_beats_a_forbid(bench: AccessBench) -> None:
    await bench.in_force(ADMINS + HYBRID_ONLY)
    grant = (await bench.grant(f"{BACKEND.spiffe_id[:-3]}*", "SigningService.*")).grant
    assert await bench.enter(BACKEND, SIGN, PAY) == (grant.name,)
    assert isinstance(await _refusal(bench, BACKEND, SIGN, PAY, channel=CLASSICAL), NotFound)
    await bench.revoke(grant.name)
    await _refusal(bench, BACKEND, SIGN, PAY)


async def test_another_replica_follows_within_a_look(bench: AccessBench) -> None:
    other = await replica_of(bench)
    await bench.in_force(ADMINS)
    assert await other.decisions.check(BACKEND, SIGN, (PAY,), CLASSICAL) == BY_ROLE, "it has not looked yet"
    running = asyncio.create_task(other.decisions.source.run())
    try:
        before = other.edition("default")
        async with asyncio.timeout(10):
            while other.edition("default") == before:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        with pytest.raises(NotFound):
            await other.decisions.check(BACKEND, SIGN, (PAY,), CLASSICAL)
    finally:
        running.cancel()


async def test_nobody_is_let_in_before_the_first_look_or_long_after_the_last(bench: AccessBench) -> None:
    source = bench.rules.decisions.source
    switch = Switch(source.database)
    source.database = switch  # type: ignore[assignment]
    await bench.enter(BACKEND, SIGN, PAY)
    switch.away = Unavailable(Reason.DATABASE_UNAVAILABLE, "away")
    bench.service.clock.advance(STALE_SECONDS - 1)
    await bench.enter(BACKEND, SIGN, PAY)
    bench.service.clock.advance(1)
    with pytest.raises(Unavailable):
        await bench.enter(BACKEND, SIGN, PAY)
    switch.away = None
    await source.refresh()
    await bench.enter(BACKEND, SIGN, PAY)


async def test_rules_that_can_not_be_loaded_let_nobody_in(bench: AccessBench) -> None:
    await bench.in_force(SIGNERS)
    source = bench.rules.decisions.source
    source._known.clear()
    switch = Switch(source.database)
    source.database, switch.away = switch, Unavailable(Reason.DATABASE_UNAVAILABLE, "away")  # type: ignore[assignment]
    with pytest.raises(Unavailable):
        await bench.enter(BACKEND, SIGN, PAY)


@pytest.mark.parametrize(
    "change",
    [
        {"document": b'@id("mine") permit(principal, action, resource);'},
        {"payload": b'{"name":"tenants/default/accessPolicies/1","document_sha256":"00"}'},
        {"signature": b"nonsense"},
        {"key_version": f"{PARENT}/keys/mine/versions/1"},
    ],
)
async def test_a_policy_that_was_not_signed_like_this_lets_nobody_in(
    bench: AccessBench, change: dict[str, object]
) -> None:
    await bench.in_force(SIGNERS)
    table = metadata.tables["access_policy"]
    await bench.service.database.write(lambda tx: tx.execute(sa.update(table).values(change)))
    other = await replica_of(bench)
    with pytest.raises(FailedPrecondition) as refused:
        await other.decisions.check(BACKEND, SIGN, (PAY,), CLASSICAL)
    assert refused.value.reason is Reason.POLICY_INVALID


async def test_an_answer_that_was_read_before_a_change_takes_nothing_back(bench: AccessBench) -> None:
    """A poll may have begun before an activation and come back after it."""
    source = bench.rules.decisions.source
    await bench.in_force(ADMINS)
    edition = source._editions["default"]
    source._note("default", edition - 1)
    assert source._editions["default"] == edition
    await _refusal(bench, BACKEND, SIGN, PAY)


async def test_a_thousand_callers_load_the_rules_once(bench: AccessBench) -> None:
    await bench.in_force(SIGNERS)
    source = bench.rules.decisions.source
    source._known.clear()
    await asyncio.gather(*(bench.enter(BACKEND, SIGN, f"{PARENT}/keys/k{number}") for number in range(1000)))
    first = await source.rules("default")
    assert first is not None
    assert {key[0] for key in bench.rules.decisions._remembered} == {first.serial}  # type: ignore[index]
