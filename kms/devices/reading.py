"""Use cases that change nothing: devices, verdicts, a verdict judged again."""

from dataclasses import dataclass

from kms.core.database import Database
from kms.core.errors import not_found
from kms.core.names import ChildName
from kms.devices import store, verdict_store
from kms.devices.findings import describe
from kms.devices.model import Device, DeviceClass, DeviceState, DeviceVerdict
from kms.devices.replay import archived_basis, differences
from kms.devices.verdict_store import StoredVerdict
from kms.devices.verification import CollateralSource, Verifier


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """`differences` is empty when the verdict came out the same."""

    recorded: DeviceVerdict
    replayed: DeviceVerdict
    differences: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class DeviceReader:
    database: Database
    verifier: Verifier
    collateral: CollateralSource

    async def get(self, name: ChildName) -> Device:
        """Raises the uniform not-found, like everything here."""
        device = await self.database.read(lambda tx: store.find_device(tx, name))
        if device is None:
            raise not_found(str(name))
        return device

    async def list(
        self, tenant: str, *, after: str, limit: int, state: DeviceState | None, device_class: DeviceClass | None
    ) -> tuple[list[Device], bool]:
        """A page in the order of the ids, and whether there are more."""
        found = await self.database.read(
            lambda tx: store.list_devices(
                tx, tenant, after=after, limit=limit + 1, state=state, device_class=device_class
            )
        )
        return found[:limit], len(found) > limit

    async def get_verdict(self, name: ChildName) -> StoredVerdict:
        stored = await self.database.read(lambda tx: verdict_store.find_verdict(tx, name))
        if stored is None:
            raise not_found(str(name))
        return stored

    async def replay(self, name: ChildName) -> Replay:
        """As of its time, with what was in force then. Raises FailedPrecondition/ARCHIVE_INCOMPLETE."""
        stored = await self.get_verdict(name)
        basis = await archived_basis(stored, self.collateral)
        again = await self.verifier.judge_case(basis.case(stored))
        return Replay(
            recorded=stored.verdict,
            replayed=describe(again.verdict, name),
            differences=tuple(differences(stored, again)),
        )
