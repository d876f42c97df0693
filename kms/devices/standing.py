"""May this device still call? Asked by the guard for every call; remembered for a second at most."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, TypeAlias

from kms.core.clock import Clock
from kms.core.database import Database
from kms.core.errors import PermissionDenied, Reason
from kms.core.gathering import Gathering
from kms.core.identity import Caller, device_of
from kms.core.names import ChildName
from kms.devices import store
from kms.devices.model import DeviceState

REMEMBERED_SECONDS: Final = 1.0
LOOKED_UP_AT_ONCE: Final = 500
_GATHERED_SECONDS: Final = 0.02
_KEPT_MAX: Final = 50_000

_States: TypeAlias = Gathering[ChildName, DeviceState | None]


@dataclass(slots=True)
class _Seen:
    state: DeviceState | None
    at: float

    def is_known_at(self, now: float) -> bool:
        return now - self.at < REMEMBERED_SECONDS


class DeviceStanding:
    """Only callers whose certificate names an attested device are looked up; others are the operator's own. Revoked is
    for ever.

    Thousands may come at once, after an outage: those who wait are looked up together.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._states: _States = Gathering(
            database, store.find_states, at_most=LOOKED_UP_AT_ONCE, interval_seconds=_GATHERED_SECONDS
        )
        self._clock = clock
        self._seen: OrderedDict[ChildName, _Seen] = OrderedDict()
        self._revoked: OrderedDict[ChildName, None] = OrderedDict()
        self._asked: dict[ChildName, object] = {}

    async def check(self, caller: Caller) -> None:
        """Raises PermissionDenied/DEVICE_REVOKED, and what the database raises."""
        device = device_of(caller)
        if device is None:
            return
        if device in self._revoked or await self._look_up(device) is not DeviceState.ATTESTED:
            raise PermissionDenied(
                Reason.DEVICE_REVOKED,
                "this device was revoked; it comes back only with a new key, attested anew under another identity",
            )

    def revoked(self, device: ChildName) -> None:
        """Somebody knows it already, here or at another replica: it is refused from now on, without a look-up."""
        self._asked.pop(device, None)
        self._seen.pop(device, None)
        self._revoked[device] = None
        while len(self._revoked) > _KEPT_MAX:
            self._revoked.popitem(last=False)

    def forget(self, device: ChildName) -> None:
        """Something may have changed: the next call looks it up, and one that waits for an answer does so again."""
        self._asked.pop(device, None)
        self._seen.pop(device, None)

    async def _look_up(self, device: ChildName) -> DeviceState | None:
        """Again, when something has changed meanwhile: an answer may be older than the change."""
        while device not in self._revoked:
            seen = self._seen.get(device)
            if seen is not None and seen.is_known_at(self._clock.monotonic()):
                return seen.state
            asked_at, token = self._clock.monotonic(), self._asked.setdefault(device, object())
            try:
                state = await self._states.ask(device)
            finally:
                nothing_changed = self._asked.pop(device, None) is token
            if state is DeviceState.REVOKED:
                self.revoked(device)
            elif nothing_changed:
                self._remember(device, _Seen(state, asked_at))
                return state
        return DeviceState.REVOKED

    def _remember(self, device: ChildName, found: _Seen) -> None:
        """For a second; what is older goes, or ten thousand streams would each keep what they never ask for again."""
        self._seen.pop(device, None)
        self._seen[device] = found
        while not next(iter(self._seen.values())).is_known_at(found.at) or len(self._seen) > _KEPT_MAX:
            self._seen.popitem(last=False)
