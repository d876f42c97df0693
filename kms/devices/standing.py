"""May this device still call? Asked by the guard for every call; remembered for a second at most."""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from kms.core.clock import Clock
from kms.core.database import Database
from kms.core.errors import PermissionDenied, Reason
from kms.core.identity import Caller, device_of
from kms.core.names import ChildName
from kms.devices import store
from kms.devices.model import DeviceState

REMEMBERED_SECONDS: Final = 1.0
_KEPT_MAX: Final = 50_000


@dataclass(slots=True)
class DeviceStanding:
    """Only callers whose certificate names an attested device are looked up; others are the operator's own."""

    database: Database
    clock: Clock
    _seen: OrderedDict[ChildName, tuple[float, DeviceState | None]] = field(default_factory=OrderedDict)

    async def check(self, caller: Caller) -> None:
        """Raises PermissionDenied/DEVICE_REVOKED."""
        device = device_of(caller)
        if device is None:
            return
        state = await self._state(device)
        if state is not DeviceState.ATTESTED:
            raise PermissionDenied(
                Reason.DEVICE_REVOKED,
                "this device was revoked; it comes back only with a new key, attested anew under another identity",
            )

    async def _state(self, name: ChildName) -> DeviceState | None:
        now = self.clock.monotonic()
        seen = self._seen.get(name)
        if seen is not None and now - seen[0] < REMEMBERED_SECONDS:
            return seen[1]
        state = await self.database.read(lambda tx: store.find_state(tx, name))
        self._seen[name] = (now, state)
        self._seen.move_to_end(name)
        while len(self._seen) > _KEPT_MAX:
            self._seen.popitem(last=False)
        return state
