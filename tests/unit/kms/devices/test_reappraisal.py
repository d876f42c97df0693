"""Stored evidence judged again: what changes, what does not, and what is written."""

import json
from dataclasses import replace
from datetime import timedelta

import sqlalchemy as sa

from attestation.status import parse_status_list
from attestation.testing import status_list
from attestation.x509 import parse_certificate
from kms.core.names import ChildName
from kms.devices import reappraisal, store
from kms.devices.reappraisal import Reappraised
from support.clock import START
from unit.kms.devices.bench import EMPTY_LIST, DeviceBench


def _fresh_list(bench: DeviceBench, entries: dict[str, str] | None = None) -> None:
    now = bench.service.clock.now()
    if entries is None:
        bench.status.put(parse_status_list(EMPTY_LIST, fetched_at=now), EMPTY_LIST)
    else:
        bench.status.put(status_list(entries, fetched_at=now))


async def _again(bench: DeviceBench, name: str) -> Reappraised | None:
    return await bench.reappraisal.reappraise(ChildName.parse(name, "devices"), now=bench.service.clock.now())


async def test_what_is_still_so_changes_nothing(bench: DeviceBench) -> None:
    _, device = await bench.enrol()
    bench.service.clock.advance(3600)
    _fresh_list(bench)
    assert await _again(bench, device.name) is None
    assert await bench.get(device.name) == device


async def test_a_revoked_key_of_the_maker_costs_the_appraisal_at_once(bench: DeviceBench) -> None:
    _, device = await bench.enrol()
    told: list[Reappraised] = []
    bench.reappraisal.in_transaction = lambda _, change: told.append(change)
    bench.service.clock.advance(3600)
    serial = parse_certificate(bench.phone.attester.chain[0]).serial
    _fresh_list(bench, {serial: "REVOKED"})
    change = await _again(bench, device.name)
    assert change is not None
    assert change.lost
    assert told == [change]
    assert change.after.reasons == ("REVOKED",)
    entry = json.loads(change.promise.entry)
    assert entry["type"] == "device.reappraised"
    assert entry["details"]["before"] == device.latest_verdict.name
    after = await bench.get(device.name)
    assert not after.latest_verdict.appraised
    assert after.latest_verdict.name == str(change.after.name)
    assert after.attest_time == device.attest_time, "nobody heard from the device"
    assert await _again(bench, device.name) is None, "said once"
    stored = await bench.reader.get_verdict(change.after.name)
    assert stored.result is not None
    assert b'"contraindicated"' in stored.result.payload


async def test_what_was_lost_can_come_back(bench: DeviceBench) -> None:
    _, device = await bench.enrol()
    strict = replace(bench.policies.policy.android, min_os_patch_level=209912)
    mild, bench.policies.policy = bench.policies.policy, replace(bench.policies.policy, android=strict)
    lost = await _again(bench, device.name)
    assert lost is not None
    assert lost.lost
    bench.policies.policy = mild
    back = await _again(bench, device.name)
    assert back is not None
    assert back.after.appraised
    assert not back.lost


async def test_evidence_that_has_only_grown_old_loses_nothing_but_hears_a_new_policy(bench: DeviceBench) -> None:
    """Step 2: the chain has expired by now; the status list is fresh."""
    _, device = await bench.enrol()
    bench.service.clock.advance(timedelta(days=365 * 40).total_seconds())
    _fresh_list(bench)
    judged = await bench.reappraisal.judge(
        (await bench.reappraisal.devices("default"))[0], now=bench.service.clock.now()
    )
    assert judged.case.at == START
    assert await _again(bench, device.name) is None
    strict = replace(bench.policies.policy.android, min_os_patch_level=209912)
    bench.policies.policy = replace(bench.policies.policy, android=strict)
    change = await _again(bench, device.name)
    assert change is not None
    assert change.after.reasons == ("OS_PATCH_TOO_OLD",)


async def test_a_dry_run_stores_nothing(bench: DeviceBench) -> None:
    _, enrolled = await bench.enrol()
    (device,) = await bench.reappraisal.devices("default")
    strict = replace(bench.policies.policy.android, min_os_patch_level=209912)
    policy = replace(bench.policies.policy, android=strict)
    judged = await bench.reappraisal.judge(device, now=bench.service.clock.now(), policy=policy)
    assert not judged.verdict.appraised
    assert await bench.get(enrolled.name) == enrolled
    count = sa.text("SELECT count(*) FROM attestation_verdict")
    assert await bench.service.database.read(lambda tx: tx.execute(count).scalar_one()) == 1


async def test_a_device_that_attests_meanwhile_keeps_its_fresh_verdict(bench: DeviceBench) -> None:
    challenge = await bench.challenge()
    key = bench.phone.generate_key(challenge.challenge)
    device = (await bench.attest(bench.request(challenge, key.evidence))).device
    strict = replace(bench.policies.policy.android, min_os_patch_level=209912)
    mild, bench.policies.policy = bench.policies.policy, replace(bench.policies.policy, android=strict)
    sign = bench.reappraisal.results.sign

    class Meanwhile:
        async def sign(self, *arguments, **named):
            bench.policies.policy = mild
            bench.reappraisal.results = original
            again = await bench.same_challenge(challenge.challenge)
            await bench.attest(bench.request(again, key.evidence))
            return await sign(*arguments, **named)

    original, bench.reappraisal.results = bench.reappraisal.results, Meanwhile()
    assert await _again(bench, device.name) is None
    assert (await bench.get(device.name)).latest_verdict.appraised


async def test_a_device_that_is_revoked_meanwhile_is_left_as_it_was(bench: DeviceBench) -> None:
    _, device = await bench.enrol()
    bench.policies.policy = replace(
        bench.policies.policy, android=replace(bench.policies.policy.android, min_os_patch_level=209912)
    )
    name, original = ChildName.parse(device.name, "devices"), bench.reappraisal.results

    class Meanwhile:
        async def sign(self, *arguments, **named):
            await bench.service.database.write(lambda tx: store.set_revoked(tx, name, effective_time=START, now=START))
            return await original.sign(*arguments, **named)

    bench.reappraisal.results = Meanwhile()
    assert await _again(bench, device.name) is None
    assert (await bench.get(device.name)).latest_verdict == device.latest_verdict
    count = sa.text("SELECT count(*) FROM attestation_verdict")
    assert await bench.service.database.read(lambda tx: tx.execute(count).scalar_one()) == 1


async def test_an_unknown_device_is_nothing_to_judge(bench: DeviceBench) -> None:
    assert await _again(bench, "tenants/default/devices/0190c2a4-0000-7000-8000-000000000001") is None
    assert reappraisal.Reappraised.__doc__
