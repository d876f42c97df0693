"""What the life of a key should be, told a second time and differently: the model that properties compare with."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from hsm.material import Ed25519KeyMaterial, TokenKey
from kms.core.names import KeyName, KeyVersionName
from kms.keys.algorithms import DEFAULT
from kms.keys.lifecycle import Action
from kms.keys.model import Key, KeyPurpose, KeyVersion
from kms.keys.model import KeyVersionState as S
from kms.keys.policies import DESTROY_WAIT_DEFAULT

STEPS = {
    Action.ACTIVATE: {S.PRE_ACTIVE: S.ACTIVE},
    Action.SUSPEND: {S.ACTIVE: S.SUSPENDED},
    Action.RESUME: {S.SUSPENDED: S.ACTIVE},
    Action.DEACTIVATE: {S.ACTIVE: S.DEACTIVATED, S.SUSPENDED: S.DEACTIVATED},
    Action.SCHEDULE_DESTROY: dict.fromkeys((S.PRE_ACTIVE, S.DEACTIVATED, S.COMPROMISED), S.DESTROY_SCHEDULED),
    Action.RESTORE: {S.DESTROY_SCHEDULED: None},
}
ENDED = {S.DEACTIVATED, S.COMPROMISED, S.DESTROY_SCHEDULED, S.DESTROYED}


@dataclass
class Life:
    """What the model knows of one version."""

    state: S
    before: S | None = None
    begin: datetime | None = None
    lead: timedelta = timedelta(0)
    published: datetime | None = None
    end: datetime | None = None
    revoked: bool = False
    compromised: bool = False


@dataclass
class Model:
    versions: dict[int, Life] = field(default_factory=dict)
    revoked: bool = False

    @property
    def active(self) -> int | None:
        found = [number for number, life in self.versions.items() if life.state is S.ACTIVE]
        assert len(found) <= 1
        return found[0] if found else None

    @property
    def waiting(self) -> int | None:
        """The newest, as the service chooses."""
        return max((n for n, life in self.versions.items() if life.state is S.PRE_ACTIVE), default=None)

    def activate(self, number: int) -> None:
        if self.active is not None:
            self.versions[self.active].state = S.DEACTIVATED
        self.versions[number].state = S.ACTIVE

    def act(self, number: int, action: Action, now: datetime) -> bool:
        """False: must be refused."""
        life = self.versions[number]
        if life.state not in STEPS[action]:
            return False
        match action:
            case Action.ACTIVATE | Action.RESUME if self.revoked:
                return False
            case Action.ACTIVATE:
                self.activate(number)
            case Action.RESUME if self.active is not None:
                return False
            case Action.SCHEDULE_DESTROY:
                life.before, life.state, life.end = life.state, S.DESTROY_SCHEDULED, now + DESTROY_WAIT_DEFAULT
            case Action.RESTORE:
                assert life.end is not None
                if now >= life.end:
                    return False
                life.state, life.before, life.end = life.before, None, None
                if life.state is S.PRE_ACTIVE:
                    life.begin = None
            case _:
                life.state = STEPS[action][life.state]
        return True

    def revoke(self, number: int, *, compromised: bool) -> None:
        life = self.versions[number]
        life.revoked = True
        life.compromised |= compromised
        if life.state is S.DESTROY_SCHEDULED:
            if compromised:
                life.before = S.COMPROMISED
            elif life.before is not S.COMPROMISED:
                life.before = S.DEACTIVATED
        elif compromised and life.state is not S.DESTROYED:
            life.state = S.COMPROMISED
        elif life.state not in ENDED:
            life.state = S.DEACTIVATED

    def check(self, key: Key) -> None:
        """The key is what the model says."""
        assert [version.name.version for version in key.versions] == sorted(self.versions, reverse=True)
        assert key.primary == self.active
        for version in key.versions:
            life = self.versions[version.name.version]
            assert version.state is life.state
            assert (version.revoke_time is not None) == life.revoked
            assert (version.compromise_time is not None) == life.compromised
            assert (version.material is None) == (version.state is S.DESTROYED)
            assert (version.destroy_time is None) == (version.state not in {S.DESTROY_SCHEDULED, S.DESTROYED})

    def rotate(self, now: datetime, lead: timedelta) -> bool:
        """False: must be refused."""
        if self.revoked or (lead and self.waiting is not None):
            return False
        number = self.waiting
        if number is None:
            number = len(self.versions) + 1
            self.versions[number] = Life(S.PRE_ACTIVE, begin=now + lead, lead=lead)
        if not lead:
            self.activate(number)
        return True

    def pass_time(self, now: datetime) -> None:
        """What the clock work does: promotions in the order of their time, then destructions, then publication."""
        due = [
            (life.begin, number)
            for number, life in self.versions.items()
            if life.state is S.PRE_ACTIVE and life.begin is not None and life.begin <= now and not self.revoked
            if life.published is not None and life.published + life.lead <= now and self.active is not None
        ]
        for _, number in sorted(due):
            self.activate(number)
        for life in self.versions.values():
            if life.state is S.DESTROY_SCHEDULED and life.end is not None and life.end <= now:
                life.state = S.DESTROYED
        for life in self.versions.values():
            life.published = life.published or now


def key_of_one_version(now: datetime) -> Key:
    """Without an HSM: the rules look at neither private nor public bytes."""
    name = KeyName("default", "manifest")
    return Key(
        name=name,
        purpose=KeyPurpose.SIGN,
        algorithm=DEFAULT,
        labels={},
        primary=1,
        revision=1,
        create_time=now,
        update_time=now,
        revoke_time=None,
        versions=(_version(1, S.ACTIVE, now, now),),
    )


def next_version(key: Key, now: datetime, lead: timedelta) -> KeyVersion:
    return _version(key.next_number, S.PRE_ACTIVE if lead else S.ACTIVE, now, now + lead)


def _version(number: int, state: S, now: datetime, begin: datetime) -> KeyVersion:
    return KeyVersion(
        name=KeyVersionName("default", "manifest", number),
        algorithm=DEFAULT,
        state=state,
        material=Ed25519KeyMaterial(public_key=bytes(32), classical=TokenKey(bytes(16))),
        public_bytes=bytes(32),
        create_time=now,
        activate_time=begin,
    )
