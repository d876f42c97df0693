"""Rows of the table of writes: consents and leases."""

from typing import Any, Final

from fault.kms.write_table import REQUEST_ID, Row
from kms.consent.given import GivenLeases, RevocableHolders
from kms.consent.pseudonyms import open_pseudonyms
from kms.core.database import metadata
from kms.devices.revocable import RevocableDevices
from kms.revocation.model import RevocationReason
from unit.kms.consent.bench import ConsentBench, artifact, consents_running, device, span

HALF_A_LEASE: Final = 43_200.0
DAY: Final = 86_400.0
SECOND_ID: Final = "6b1f6a0e-58cf-4d0a-9a8e-3f4f6f0c1d13"


async def _devices(bench: ConsentBench) -> None:
    bench.devices.enrol(device(1), device(2))


async def _granted(bench: ConsentBench) -> str:
    await _devices(bench)
    return (await bench.grant(devices=[device(1)], validity_duration=span(DAY))).consent.name


async def _lasting(bench: ConsentBench) -> str:
    await _devices(bench)
    return (await bench.grant(devices=[device(1), device(2)])).consent.name


async def _withdrawn(bench: ConsentBench) -> str:
    name = await _lasting(bench)
    await bench.withdraw(name)
    return name


async def _due(bench: ConsentBench) -> str:
    """One lease may be renewed, one has to wait."""
    name = await _lasting(bench)
    bench.devices.overdue.add(device(2))
    bench.service.clock.advance(HALF_A_LEASE)
    return name


async def _over(bench: ConsentBench) -> str:
    name = await _granted(bench)
    bench.service.clock.advance(DAY)
    return name


async def _revoked(bench: ConsentBench) -> str:
    name = await _lasting(bench)
    await bench.revoke(name)
    return name


async def _without_key(bench: ConsentBench) -> None:
    table = metadata.tables["consent_pseudonym_key"]
    await bench.service.database.write(lambda tx: tx.execute(table.delete()))


async def _grant(bench: ConsentBench, _: Any, _attempt: int) -> None:
    await bench.grant(devices=[device(1), device(2)], artifacts=[1, 2], request_id=REQUEST_ID)


async def _renew(bench: ConsentBench, name: str, _attempt: int) -> None:
    await bench.renew(name, request_id=REQUEST_ID)


async def _withdraw(bench: ConsentBench, name: str, _attempt: int) -> None:
    await bench.withdraw(name, reason="moved away", request_id=REQUEST_ID)


async def _acquire(bench: ConsentBench, name: str, _attempt: int) -> None:
    await bench.acquire(name, device(1), request_id=REQUEST_ID)


async def _acquire_first(bench: ConsentBench, name: str, _attempt: int) -> None:
    await bench.acquire(name, device(2), request_id=REQUEST_ID)


async def _renew_due(bench: ConsentBench, _: str, _attempt: int) -> None:
    await bench.renewer.renew_due(bench.service.clock.now())


async def _expire(bench: ConsentBench, _: str, _attempt: int) -> None:
    await bench.expiry.expire_due(bench.service.clock.now())


async def _revoke(bench: ConsentBench, name: str, _attempt: int) -> None:
    await bench.service.revoke(name, request_id=REQUEST_ID)


async def _ask_for_removals(bench: ConsentBench, _: str, _attempt: int) -> None:
    await bench.expiry.request_removals(bench.service.clock.now())


async def _end_of_a_device(bench: ConsentBench, _: str, _attempt: int) -> None:
    now = bench.service.clock.now()
    await bench.events.database.write(lambda tx: GivenLeases().end_in(tx, device(1), artifact(1), now))


async def _overdue_and_back(bench: ConsentBench, _: str, _attempt: int) -> None:
    now = bench.service.clock.now()

    def work(tx: Any) -> None:
        GivenLeases().suspend_in(tx, device(1))
        GivenLeases().resume_in(tx, device(1), now)

    await bench.events.database.write(work)


class _AnyDevice(RevocableDevices):
    """The row is about the leases: these devices were not enrolled."""

    def revoke_in(self, tx: Any, subject: Any, **_: Any) -> None:
        """Nothing of its own."""


async def _revoke_a_device(bench: ConsentBench, _: str, _attempt: int) -> None:
    now, holders = bench.service.clock.now(), RevocableHolders(_AnyDevice())
    reason = RevocationReason.DEVICE_LOST
    await bench.events.database.write(
        lambda tx: holders.revoke_in(tx, device(1), reason=reason, effective_time=now, now=now)
    )


async def _open_pseudonyms(bench: ConsentBench, _: None, _attempt: int) -> None:
    await open_pseudonyms(bench.events.database, bench.service.randomness)


def _of_consents(act: Any, prepare: Any) -> Row:
    async def run(bench: ConsentBench, state: Any, database: Any, attempt: int) -> None:
        bench.events.database = database
        await act(bench, state, attempt)

    return Row(world=consents_running, run=run, prepare=prepare, database=lambda bench: bench.service.database)


ROWS: Final[dict[str, Row]] = {
    "GrantConsent": _of_consents(_grant, _devices),
    "RenewConsent": _of_consents(_renew, _granted),
    "WithdrawConsent": _of_consents(_withdraw, _lasting),
    "WithdrawConsent again": _of_consents(_withdraw, _withdrawn),
    "AcquireLease": _of_consents(_acquire_first, _granted),
    "AcquireLease of one that is due": _of_consents(_acquire, _due),
    "leases that are due": _of_consents(_renew_due, _due),
    "a consent expires": _of_consents(_expire, _over),
    "Revoke of a consent": _of_consents(_revoke, _lasting),
    "removals of a revoked consent": _of_consents(_ask_for_removals, _revoked),
    "leases of a device end": _of_consents(_end_of_a_device, _lasting),
    "leases of a device that was overdue": _of_consents(_overdue_and_back, _lasting),
    "leases of a device that is revoked": _of_consents(_revoke_a_device, _lasting),
    "the key of pseudonyms": _of_consents(_open_pseudonyms, _without_key),
}
