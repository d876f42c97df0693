"""Who gets what: policy, leases, suspensions, limits; and that denials are written down."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

import pytest

from hallmark_client.device.audit import AuditAct, AuditOutcome
from hallmark_client.device.errors import ArtifactSuspended, ArtifactUnknown, LimitReached, PolicyViolation
from hallmark_client.device.model import Artifact, ArtifactState, Caller, Enforcement
from hallmark_client.device.policy import (
    DENY_ALL,
    Callers,
    ConcurrentReaders,
    MaxBytes,
    MaxUses,
    NotAfter,
    Operation,
    PolicyInvalid,
    PolicyRolledBack,
    Rule,
    TimeToLive,
    VaultPolicy,
    VerifiedPolicy,
)
from hallmark_client.device.roots.memory import FACTS, MemoryRoot
from hallmark_client.device.roots.port import RootPower
from hallmark_client.device.vault import OWNER, Vault
from hallmark_client.model.consents import ArtifactKind
from unit.hallmark_client.device.vault.device_world import World

OTHER = ArtifactKind.OTHER
STRANGER = Caller(application="stranger")


def allowing(version: int = 1, **clauses: object) -> VaultPolicy:
    own = Callers(applications=("app",))
    rule = Rule(operations=tuple(sorted(Operation)), callers=own, **clauses)  # type: ignore[arg-type]
    return VaultPolicy(version=version, administrators=own, kinds={"*": rule})


def test_without_a_policy_nobody_reads(world: World, app: Caller) -> None:
    world.policy = None
    vault = world.open()
    vault.put([b"x"], name="m", kind=OTHER)
    for caller in (app, STRANGER, OWNER):
        with pytest.raises(PolicyViolation) as caught:
            vault.read("m", caller=caller)
        assert caught.value.clause == "default-deny"
    assert vault.artifacts(STRANGER) == ()
    assert len(vault.artifacts()) == 1


def test_the_name_of_the_owner_makes_nobody_the_owner(vault: Vault) -> None:
    vault.put([b"x"], name="m", kind=OTHER)
    stranger = Caller(application=OWNER.application)
    for act in (vault.rotate, lambda caller: vault.delete("m", caller=caller)):
        with pytest.raises(PolicyViolation):
            act(caller=stranger)


def test_who_is_denied_learns_no_part_and_the_denial_is_kept(world: World, app: Caller) -> None:
    vault = world.open()
    vault.put([b"x"], name="m", kind=OTHER)
    with pytest.raises(PolicyViolation):
        vault.read("m", part="guess", caller=STRANGER)
    *_, last = vault.audit.entries()
    assert (last.record.outcome, last.record.caller) == (AuditOutcome.DENIED, "stranger")
    with pytest.raises(ArtifactUnknown, match="has no part 'guess': it has ''"):
        vault.read("m", part="guess", caller=app)


def test_a_denial_is_on_disk_before_it_is_answered(world: World) -> None:
    vault = world.open()
    vault.put([b"x"], name="m", kind=OTHER)
    with pytest.raises(PolicyViolation):
        vault.read("m", caller=STRANGER)
    with pytest.raises(PolicyViolation):
        vault.put([b"x"], name="n", kind=OTHER, caller=STRANGER)
    found = [entry.record for entry in vault.audit.entries()][-2:]
    assert [(each.act, each.outcome, each.clause, each.caller) for each in found] == [
        (AuditAct.DENIED, AuditOutcome.DENIED, "callers", "stranger")
    ] * 2
    assert [each.facts["operation"] for each in found] == ["get", "put"]


def test_reads_are_written_down_in_their_order(world: World, app: Caller) -> None:
    vault = world.open()
    vault.put([b"x"], name="m", kind=OTHER)
    for _ in range(3):
        vault.read("m", caller=app)
    vault.put([b"x"], name="n", kind=OTHER)
    vault.read("n", caller=app)
    vault.flush()
    acts = [(entry.record.act, entry.record.name) for entry in vault.audit.entries()]
    get, put = AuditAct.GET, AuditAct.PUT
    assert acts[1:] == [(put, "m"), (get, "m"), (get, "m"), (get, "m"), (put, "n"), (get, "n")]
    assert vault.audit.verify() == vault.audit.head()


def test_the_policy_is_kept_and_changed_only_by_its_administrators(world: World, app: Caller) -> None:
    world.open()
    assert world.reopen().policy == VaultPolicy.allow_own("app")
    newer = allowing(version=5)
    world.policy = newer
    with pytest.raises(PolicyViolation, match="set_policy"):
        world.reopen()
    vault = world.open()
    for caller in (STRANGER, OWNER):
        with pytest.raises(PolicyViolation, match="only app may change"):
            vault.set_policy(newer, caller)
    vault.set_policy(newer, app)
    with pytest.raises(PolicyRolledBack):
        vault.set_policy(allowing(version=4), app)
    assert world.reopen().policy == newer
    assert world.vault
    changes = [e.record for e in world.vault.audit.entries() if e.record.act is AuditAct.POLICY_CHANGED]
    assert [change.facts["policy"] for change in changes] == ["5"]


def test_the_owner_gives_a_vault_its_first_policy(world: World) -> None:
    world.policy = None
    vault = world.open()
    assert vault.policy == DENY_ALL
    vault.set_policy(allowing())
    assert vault.policy == allowing()


def test_a_size_is_known_and_judged_at_the_end(world: World, app: Caller) -> None:
    world.policy = allowing(max_bytes=MaxBytes(size=10))
    vault = world.open()
    vault.put([b"x" * 10], name="m", kind=OTHER, caller=app)
    with pytest.raises(PolicyViolation, match="at most 10 bytes"):
        vault.put([b"x" * 6, b"x" * 5], name="n", kind=OTHER, caller=app)
    assert len([path for path in (world.folder / "blobs").rglob("*") if path.is_file()]) == 1


def test_readers_are_counted_while_they_are_open(world: World, app: Caller) -> None:
    world.policy = allowing(concurrent_readers=ConcurrentReaders(readers=1))
    vault = world.open()
    vault.put([b"x"], name="m", kind=OTHER)
    with vault.get("m", caller=app), pytest.raises(PolicyViolation):
        vault.get("m", caller=app)
    vault.get("m", caller=app).close()


def test_uses_are_counted_before_the_bytes_are_given(world: World, app: Caller) -> None:
    world.policy = allowing(max_uses=MaxUses(uses=2))
    vault = world.open()
    vault.put([b"x"], name="m", kind=OTHER)
    head = vault.audit.head()
    vault.read("m", caller=app)
    assert vault.audit.head().size == head.size + 1
    vault.read("m", caller=app)
    with pytest.raises(LimitReached):
        vault.read("m", caller=app)
    vault = world.reopen()
    with pytest.raises(LimitReached):
        vault.read("m", caller=app)
    clause = next(each for each in vault.effective_policy("m", app) if each.name == "max-uses")
    assert (clause.allows, clause.enforcement) == (False, Enforcement.ADVISORY)


class CountingChip(MemoryRoot):
    """As a root that says its chip counts: so that the vault lets it count."""

    @property
    def facts(self):  # type: ignore[no-untyped-def]
        powers = {RootPower.MAX_USES: Enforcement.HARDWARE, RootPower.NOT_AFTER: Enforcement.HARDWARE}
        return replace(FACTS, powers=MappingProxyType(powers))


def test_the_root_counts_where_the_policy_demands_it(world: World, app: Caller) -> None:
    root = CountingChip(world.root.state)
    policy = allowing(max_uses=MaxUses(uses=3, enforcement=Enforcement.HARDWARE))
    vault = world.vault = Vault.open(world.folder, root, policy=policy)
    vault.put([b"x"], name="m", kind=OTHER)
    vault.put([b"y"], name="other", kind=OTHER)
    assert vault.read("m", caller=app) == b"x"
    vault.delete("other")
    assert vault.read("m", caller=app) == b"x"
    clause = next(each for each in vault.effective_policy("m", app) if each.name == "max-uses")
    assert (clause.allows, clause.enforcement) == (True, Enforcement.HARDWARE)
    vault._access.uses.spent = lambda *_: 0  # type: ignore[method-assign]
    assert vault.read("m", caller=app) == b"x"
    with pytest.raises(LimitReached, match="as often as it was sealed for"):
        vault.read("m", caller=app)
    assert not vault.check().damages
    vault.rotate()
    with pytest.raises(LimitReached, match="nothing is left"):
        vault.read("m", caller=app)


class Lease:
    def __init__(self) -> None:
        self.why = ""
        self.asked = 0

    def check(self, artifact: Artifact) -> None:
        self.asked += 1
        if self.why:
            raise ArtifactSuspended("ARTIFACT_SUSPENDED", self.why, metadata={"why": self.why})


def test_what_needs_a_lease_is_not_given_without_permissions(vault: Vault, app: Caller) -> None:
    vault.put([b"x"], name="m", kind=OTHER, needs_permission=True)
    with pytest.raises(ArtifactSuspended, match="needs a lease"):
        vault.read("m", caller=app)
    assert vault.audit.entries()[-1].record.act is AuditAct.DENIED


def test_permissions_are_asked_at_the_start_and_every_second_of_use(world: World, app: Caller) -> None:
    world.permissions = lease = Lease()
    vault = world.open()
    vault.put([b"x" * 100], name="m", kind=OTHER, needs_permission=True)
    reader = vault.get("m", caller=app)
    asked = lease.asked
    world.passes(0.9)
    reader.read(1)
    assert lease.asked == asked
    world.passes(0.1)
    reader.read(1)
    assert lease.asked == asked + 1
    lease.why = "the lease is over"
    world.passes(0.5)
    assert reader.read(1) == b"x"
    world.passes(0.5)
    for act in (lambda: reader.read(1), lambda: vault.read("m", caller=app)):
        with pytest.raises(ArtifactSuspended, match="the lease is over"):
            act()


def test_a_suspension_ends_readers_and_outlives_a_restart(world: World, app: Caller) -> None:
    vault = world.open()
    vault.put([b"x"], name="m", kind=OTHER)
    reader = vault.get("m", caller=app)
    vault.suspend("m", why="revoked by the service")
    with pytest.raises(ArtifactSuspended, match="revoked by the service"):
        reader.read()
    vault = world.reopen()
    assert vault.find("m").state is ArtifactState.SUSPENDED
    with pytest.raises(ArtifactSuspended) as caught:
        vault.read("m", caller=app)
    assert caught.value.metadata == {"why": "revoked by the service"}
    vault.resume("m")
    assert vault.read("m", caller=app) == b"x"


def test_a_reader_that_is_denied_over_and_over_is_counted(world: World, app: Caller) -> None:
    """An entry for each read would let one app fill the disk; each is an fsync that others wait for."""
    callers = Callers(applications=("app",))
    end = NotAfter(time=world.time + timedelta(seconds=1))
    rule = Rule(operations=(Operation.GET,), callers=callers, not_after=end)
    world.policy = VaultPolicy(version=1, kinds={"*": rule})
    vault = world.open()
    vault.put([b"x" * 100], name="m", kind=OTHER)
    reader = vault.get("m", caller=app)
    world.passes(1)
    vault.flush()
    before = vault.audit.head().size
    for _ in range(100):
        with pytest.raises(LimitReached):
            reader.pread(0, 1)
    assert vault.audit.head().size == before + 1, "the first one, before it was answered"
    vault = world.reopen()
    denied = [each.record for each in vault.audit.entries(before) if each.record.act is AuditAct.DENIED]
    assert [each.facts.get("repeats") for each in denied] == [None, "99"]
    assert {(each.name, each.caller, each.clause) for each in denied} == {("m", "app", "not-after")}


def test_a_reader_that_stays_open_does_not_outlive_the_policy(world: World, app: Caller) -> None:
    end = world.time + timedelta(seconds=10)
    callers = Callers(applications=("app",))
    rule = Rule(operations=(Operation.GET,), callers=callers, not_after=NotAfter(time=end), max_uses=MaxUses(uses=2))
    world.policy = VaultPolicy(version=1, administrators=callers, kinds={"*": rule})
    vault = world.open()
    vault.put([b"x" * 100], name="m", kind=OTHER)
    first = vault.get("m", caller=app)
    world.passes(9)
    second = vault.get("m", caller=app)
    assert first.read(1) == b"x"
    world.passes(1)
    with pytest.raises(LimitReached) as caught:
        first.read(1)
    assert caught.value.clause == "not-after"
    assert vault.audit.entries()[-1].record.act is AuditAct.DENIED
    vault.set_policy(VaultPolicy(version=2), app)
    world.passes(1)
    with pytest.raises(PolicyViolation) as refused:
        second.read(1)
    assert refused.value.clause == "default-deny"


@pytest.mark.parametrize("year", [1, 1900, 1970, 2038, 2262, 9999])
def test_a_clock_that_shows_any_year_is_only_a_clock(year: int, world: World, app: Caller) -> None:
    """A phone with an empty battery, or an owner who plays: limits go on to count, and nothing but our errors comes."""
    world.time = datetime(year, 12, 31, 23, 59, 59, tzinfo=UTC)
    callers = Callers(applications=("app",))
    uses = MaxUses(uses=2, seconds=31 * 24 * 3600)
    rule = Rule(operations=tuple(sorted(Operation)), callers=callers, ttl=TimeToLive(seconds=3600), max_uses=uses)
    world.policy = VaultPolicy(version=1, administrators=callers, kinds={"*": rule})
    vault = world.open()
    vault.put([b"x"], name="m", kind=OTHER)
    assert vault.read("m", caller=app) == b"x"
    world.time = datetime(2026, 11, 22, tzinfo=UTC)
    world.reopen()
    world.time = datetime(year, 12, 31, 23, 59, 59, tzinfo=UTC)
    vault = world.reopen()
    assert vault.read("m", caller=app) == b"x"
    with pytest.raises(LimitReached):
        vault.read("m", caller=app)
    vault.delete("m")
    assert vault.audit.verify() == vault.audit.head()


def test_a_policy_comes_in_by_one_door(world: World, app: Caller) -> None:
    vault = world.open()
    before = vault.policy
    mine = VaultPolicy(version=9, administrators=Callers(applications=("evil",)))
    with pytest.raises(ValueError, match="set_policy"):
        vault.keep_secret("hallmark.policy", mine.to_bytes())
    for tenant in ("", "other"):
        foreign = VerifiedPolicy(policy=replace(mine, tenant=tenant), key_version="tenants/system/keys/k/versions/1")
        with pytest.raises(PolicyInvalid, match="not for 'default'"):
            vault.set_policy(foreign, app)
    assert world.reopen().policy == before
