"""The HSM goes away after any number of the signatures that a withdrawal needs: all of it is there, or nothing."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hallmark.v1 import consent_pb2
from hsm.errors import TokenUnavailable
from hsm.provider import SignRequest
from hsm.testing import FakeKeyProvider
from kms.core.errors import Reason, ServiceError
from kms.events.model import Status
from kms.status import lists
from support.database import fresh_database
from unit.kms.consent.bench import ConsentBench, consents_on, device
from unit.kms.revocation.bench import serving

REQUEST_ID = "6b1f6a0e-58cf-4d0a-9a8e-3f4f6f0c1d11"
DEVICES, ARTIFACTS = 2, 2
SIGNATURES = 1 + DEVICES * ARTIFACTS
"""The end of the consent, and a request to delete for each device and artifact."""
TABLES = "event", "feed_subject", "feed_event", "consent", "consent_change", "lease", "event_held"


class LeavingProvider(FakeKeyProvider):
    """Signs so many times, and then its token is away. None: it stays."""

    signatures_left: int | None = None

    def _sign_next(self, request: SignRequest) -> bytes:
        if self.signatures_left is not None:
            if self.signatures_left == 0:
                raise TokenUnavailable("the token was pulled out")
            self.signatures_left -= 1
        return super()._sign_next(request)


@contextlib.asynccontextmanager
async def _running(folder: Path) -> AsyncIterator[tuple[ConsentBench, LeavingProvider]]:
    provider = LeavingProvider()
    await provider.start()
    with fresh_database(folder) as database:
        async with serving(database, folder, provider=provider) as service:
            yield await consents_on(service), provider


@pytest.mark.parametrize("signed", range(SIGNATURES))
async def test_a_withdrawal_is_whole_or_not_there(tmp_path: Path, signed: int) -> None:
    async with _running(tmp_path) as (bench, provider):
        devices = [device(number + 1) for number in range(DEVICES)]
        bench.devices.enrol(*devices)
        name = (await bench.grant(devices=devices, artifacts=range(ARTIFACTS))).consent.name
        await bench.publish()
        before = {table: await bench.rows(table) for table in TABLES}
        provider.signatures_left = signed
        with pytest.raises(ServiceError) as refused:
            await bench.withdraw(name, request_id=REQUEST_ID)
        assert refused.value.reason is Reason.HSM_UNAVAILABLE
        assert provider.signatures_left == 0, "it was asked for so many"
        assert {table: await bench.rows(table) for table in TABLES} == before
        assert bench.removals.made == []
        assert await _values(bench, name) == {Status.VALID}
        provider.signatures_left = None
        done = await bench.withdraw(name, request_id=REQUEST_ID)
        assert (done.replayed, done.consent.state) == (False, consent_pb2.CONSENT_STATE_WITHDRAWN)
        assert len(bench.removals.made) == DEVICES * ARTIFACTS
        assert await _values(bench, name) == {Status.INVALID}
        for each in devices:
            uris = sorted(placed.event.uri.rpartition("/")[2] for placed in await bench.feed(each))
            assert uris.count("deletion-requested") == ARTIFACTS
        again = await bench.withdraw(name, request_id=REQUEST_ID)
        assert (again.replayed, again.deadline) == (True, done.deadline)


async def _values(bench: ConsentBench, name: str) -> set[Status | None]:
    """Of the consent and its leases in the public lists."""
    names = [name, *(lease.name for lease in await bench.leases(consent=name))]
    return await bench.service.database.read(lambda tx: {lists.value(tx, each) for each in names})
