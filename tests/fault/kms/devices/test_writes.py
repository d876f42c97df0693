"""Every write of devices: failed, and failed but stored. A retry of the call always ends well, with one verdict."""

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from attestation.formats import apple_app_assertion
from fault.kms.revocation.flaky import ConnectionLost, Fault, FlakyDatabase
from hsm.errors import TokenUnavailable
from kms.core.database import metadata
from kms.core.errors import FailedPrecondition, Reason, ResourceExhausted, Unavailable
from kms.core.names import ChildName
from kms.log.model import LogEntry
from unit.kms.devices.bench import DeviceBench, devices_running
from unit.kms.devices.test_purposes import ASSERTION, asserted, attest_request, enrolled_app


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[DeviceBench]:
    async with devices_running(tmp_path) as bench:
        yield bench


def _flaky(bench: DeviceBench, *faults: Fault | None) -> None:
    bench.devices.database = database = FlakyDatabase(bench.service.database)
    database.plan(*faults)


async def _facts(bench: DeviceBench) -> tuple[int, int, int]:
    """Verdicts, devices, entries of attestations in the log's queue."""

    def count(tx: sa.Connection) -> tuple[int, int, int]:
        entries = tx.execute(sa.text("SELECT data FROM tlog_queue")).scalars()
        logged = sum(json.loads(entry)["type"].startswith("device.") for entry in entries)
        verdicts = tx.execute(sa.text("SELECT count(*) FROM attestation_verdict")).scalar_one()
        return verdicts, tx.execute(sa.text("SELECT count(*) FROM device")).scalar_one(), logged

    return await bench.service.database.read(count)


@pytest.mark.parametrize("fault", list(Fault))
async def test_asking_for_a_challenge(bench: DeviceBench, fault: Fault) -> None:
    _flaky(bench, fault)
    request_id = str(uuid.uuid4())
    with pytest.raises(ConnectionLost):
        await bench.challenge(request_id=request_id)
    challenge = await bench.challenge(request_id=request_id)
    assert await bench.challenge(request_id=request_id) == challenge
    assert (await bench.attest(bench.request(challenge, bench.phone.attest(challenge.challenge)))).verdict.appraised


@pytest.mark.parametrize(
    ("faults", "facts", "replayed"),
    [
        ((Fault.LOST_BEFORE,), (0, 0, 0), False),
        ((Fault.LOST_AFTER,), (0, 0, 0), False),
        ((None, Fault.LOST_BEFORE), (0, 0, 0), False),
        ((None, Fault.LOST_AFTER), (1, 1, 1), True),
    ],
    ids=["consume lost", "consumed, not told", "verdict lost", "verdict stored, not told"],
)
async def test_attesting(
    bench: DeviceBench, faults: tuple[Fault | None, ...], facts: tuple[int, int, int], replayed: bool
) -> None:
    challenge = await bench.challenge()
    request = bench.request(challenge, bench.phone.attest(challenge.challenge))
    _flaky(bench, *faults)
    with pytest.raises(ConnectionLost):
        await bench.attest(request)
    assert await _facts(bench) == facts
    response = await bench.attest(request)
    assert response.verdict.appraised
    assert response.replayed is replayed
    assert await _facts(bench) == (1, 1, 1)


async def test_what_a_lost_call_consumed_serves_its_own_retry_only(bench: DeviceBench) -> None:
    challenge = await bench.challenge()
    evidence = bench.phone.attest(challenge.challenge)
    lost = bench.request(challenge, evidence)
    _flaky(bench, None, Fault.LOST_BEFORE)
    with pytest.raises(ConnectionLost):
        await bench.attest(lost)
    with pytest.raises(FailedPrecondition) as refused:
        await bench.attest(bench.request(challenge, evidence))
    assert refused.value.reason is Reason.CHALLENGE_USED
    bench.service.clock.advance(301)
    with pytest.raises(FailedPrecondition) as refused:
        await bench.attest(lost)
    assert refused.value.reason is Reason.CHALLENGE_EXPIRED, "and only while the challenge lives"
    assert await _facts(bench) == (0, 0, 0)


async def test_without_room_in_the_log_nothing_is_stored(bench: DeviceBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log's part of the transaction fails last, after verdict and device were written."""

    def refuse(tx: sa.Connection, entry: LogEntry) -> None:
        raise ResourceExhausted(Reason.QUEUE_FULL, "the transparency log is behind; retry", retry_after_seconds=1)

    challenge = await bench.challenge()
    request = bench.request(challenge, bench.phone.attest(challenge.challenge))
    with monkeypatch.context() as patch:
        patch.setattr(bench.service.log, "record", refuse)
        with pytest.raises(ResourceExhausted):
            await bench.attest(request)
    assert await _facts(bench) == (0, 0, 0)
    assert (await bench.attest(request)).verdict.appraised
    assert await _facts(bench) == (1, 1, 1)


async def test_a_verifier_that_breaks_stores_nothing(bench: DeviceBench, monkeypatch: pytest.MonkeyPatch) -> None:
    challenge = await bench.challenge()
    request = bench.request(challenge, bench.phone.attest(challenge.challenge))
    with monkeypatch.context() as patch:
        patch.setattr("kms.devices.verification.verify_case", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            await bench.attest(request)
    assert await _facts(bench) == (0, 0, 0)
    assert (await bench.attest(request)).verdict.appraised


async def test_a_caller_who_leaves_during_the_judgement(bench: DeviceBench) -> None:
    """The challenge is consumed; the retry of the same call still gets its verdict."""
    challenge = await bench.challenge()
    request = bench.request(challenge, bench.phone.attest(challenge.challenge))
    leaving = asyncio.create_task(bench.attest(request))
    await asyncio.sleep(0.005)
    leaving.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await leaving
    assert (await bench.attest(request)).verdict.appraised
    assert await _facts(bench) == (1, 1, 1)


@pytest.mark.parametrize(
    ("faults", "accepted_before"),
    [((None, Fault.LOST_BEFORE), 0), ((None, Fault.LOST_AFTER), 5)],
    ids=["assertion lost", "assertion stored, not told"],
)
async def test_asserting(bench: DeviceBench, faults: tuple[Fault | None, ...], accepted_before: int) -> None:
    """The counter moves with the verdict or not at all; a retry is no second use of the counter."""
    app, device = await enrolled_app(bench)
    challenge = await bench.challenge(purpose=ASSERTION)
    assertion = apple_app_assertion.evidence(app.app.sign(challenge.challenge, counter=5))
    request = attest_request(challenge, assertion, purpose=ASSERTION, key_spki=app.app.spki)
    _flaky(bench, *faults)
    with pytest.raises(ConnectionLost):
        await bench.attest(request)
    assert (await bench.get(device.name)).counter == accepted_before
    response = await bench.attest(request)
    assert response.verdict.appraised
    assert (await bench.get(device.name)).counter == 5
    assert response.replayed is bool(accepted_before)


async def test_two_replicas_accept_one_counter_once(bench: DeviceBench) -> None:
    """Another replica moves the counter between the judgement and the commit: the judgement is made anew."""
    app, device = await enrolled_app(bench)
    sign, results = bench.devices.results.sign, bench.devices.results
    table = metadata.tables["device"]

    class OtherReplica:
        async def sign(self, *arguments, **named):
            bench.devices.results = results
            await bench.service.database.write(lambda tx: tx.execute(table.update().values(counter=5)))
            return await sign(*arguments, **named)

    bench.devices.results = OtherReplica()
    response = await asserted(bench, app, 5)
    assert list(response.verdict.reasons) == ["COUNTER_NOT_GREATER"]
    assert (await bench.get(device.name)).counter == 5


async def test_a_device_revoked_between_judgement_and_commit_gets_nothing(bench: DeviceBench) -> None:
    challenge = await bench.challenge()
    key = bench.phone.generate_key(challenge.challenge)
    await bench.attest(bench.request(challenge, key.evidence))
    sign, results = bench.devices.results.sign, bench.devices.results
    table = metadata.tables["device"]

    class OtherReplica:
        async def sign(self, *arguments, **named):
            bench.devices.results = results
            await bench.service.database.write(lambda tx: tx.execute(table.update().values(state="revoked")))
            return await sign(*arguments, **named)

    bench.devices.results = OtherReplica()
    again = await bench.same_challenge(challenge.challenge)
    response = await bench.attest(bench.request(again, key.evidence))
    assert list(response.verdict.reasons) == ["DEVICE_REVOKED"]
    assert b'"contraindicated"' in response.result.payload


@pytest.mark.parametrize("fault", list(Fault))
async def test_reappraising(bench: DeviceBench, fault: Fault) -> None:
    """Verdict, device and log entry move together; the next round finds nothing left to say, or says it."""
    _, device = await bench.enrol()
    strict = replace(bench.policies.policy.android, min_os_patch_level=209912)
    bench.policies.policy = replace(bench.policies.policy, android=strict)
    name, now = ChildName.parse(device.name, "devices"), bench.service.clock.now()
    bench.reappraisal.database = database = FlakyDatabase(bench.service.database)
    database.plan(fault)
    with pytest.raises(ConnectionLost):
        await bench.reappraisal.reappraise(name, now=now)
    stored = fault is Fault.LOST_AFTER
    assert await _facts(bench) == ((2, 1, 2) if stored else (1, 1, 1))
    assert (await bench.reappraisal.reappraise(name, now=now) is None) is stored
    assert await _facts(bench) == (2, 1, 2)
    assert not (await bench.get(device.name)).latest_verdict.appraised


async def test_a_reappraisal_that_comes_too_late_leaves_no_verdict(bench: DeviceBench) -> None:
    """Every verdict that is stored stands in the log: one that nobody is told of is not stored either."""
    challenge = await bench.challenge()
    key = bench.phone.generate_key(challenge.challenge)
    device = (await bench.attest(bench.request(challenge, key.evidence))).device
    mild = bench.policies.policy
    bench.policies.policy = replace(mild, android=replace(mild.android, min_os_patch_level=209912))
    results = bench.reappraisal.results

    class Meanwhile:
        async def sign(self, *arguments, **named):
            bench.policies.policy = mild
            again = await bench.same_challenge(challenge.challenge)
            await bench.attest(bench.request(again, key.evidence))
            return await results.sign(*arguments, **named)

    bench.reappraisal.results = Meanwhile()
    name = ChildName.parse(device.name, "devices")
    assert await bench.reappraisal.reappraise(name, now=bench.service.clock.now()) is None
    assert await _facts(bench) == (2, 1, 2), "the two attestations"


async def test_without_the_hsm_nothing_is_stored_and_the_retry_succeeds(
    bench: DeviceBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    challenge = await bench.challenge()
    request = bench.request(challenge, bench.phone.attest(challenge.challenge))

    async def away(requests: object) -> None:
        raise TokenUnavailable("the token is away")

    with monkeypatch.context() as patch:
        patch.setattr(bench.service.provider, "sign_many", away)
        with pytest.raises(Unavailable):
            await bench.attest(request)
    assert await _facts(bench) == (0, 0, 0)
    assert (await bench.attest(request)).verdict.appraised
