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
_KEPT_MAX: Final = 50_000

_States: TypeAlias = Gathering[ChildName, DeviceState | None]


@dataclass(slots=True)
class _Seen:
    state: DeviceState | None
    at: float

    def is_known_at(self, now: float) -> bool:
        """Revoked is for ever."""
        return self.state is DeviceState.REVOKED or now - self.at < REMEMBERED_SECONDS


class DeviceStanding:
    """Only callers whose certificate names an attested device are looked up; others are the operator's own.

    Thousands may come at once, after an outage: those who wait are looked up together.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._states: _States = Gathering(database, store.find_states, at_most=LOOKED_UP_AT_ONCE)
        self._clock = clock
        self._seen: OrderedDict[ChildName, _Seen] = OrderedDict()

    async def check(self, caller: Caller) -> None:
        """Raises PermissionDenied/DEVICE_REVOKED, and what the database raises."""
        device = device_of(caller)
        if device is None:
            return
        seen = self._seen.get(device)
        if seen is None or not seen.is_known_at(self._clock.monotonic()):
            asked_at = self._clock.monotonic()
            seen = self._remember(device, _Seen(await self._states.ask(device), asked_at))
        if seen.state is not DeviceState.ATTESTED:
            raise PermissionDenied(
                Reason.DEVICE_REVOKED,
                "this device was revoked; it comes back only with a new key, attested anew under another identity",
            )

    def revoked(self, device: ChildName) -> None:
        """Somebody knows it already, here or at another replica: it is refused from now on, without a look-up."""
        self._remember(device, _Seen(DeviceState.REVOKED, self._clock.monotonic()))

    def forget(self, device: ChildName) -> None:
        """Something may have changed: the next call looks it up."""
        self._seen.pop(device, None)

    def _remember(self, device: ChildName, found: _Seen) -> _Seen:
        """What is known now. A look-up that began before a revocation does not undo it."""
        known = self._seen.pop(device, None)
        if known is not None and known.state is DeviceState.REVOKED:
            found = known
        self._seen[device] = found
        while len(self._seen) > _KEPT_MAX:
            self._seen.popitem(last=False)
        return found
