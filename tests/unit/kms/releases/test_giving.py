"""RequestArtifactKey: who gets the key, what it is bound to, what closes it, what a retry gets."""

import asyncio
import base64
import hashlib
import json
import uuid
from datetime import timedelta
from typing import Any

import pytest

from hallmark.v1 import artifacts_pb2, consent_pb2
from hallmark_envelope import EnvelopeInvalid
from kms.core.errors import FailedPrecondition, InvalidArgument, NotFound, PermissionDenied, Reason, Unavailable
from kms.core.identity import Role
from kms.keys.attestation_gate import AttestationGate, DeviceClass
from support.gate_world import Meanwhile
from unit.kms.releases.bench import CONTENT_KEY, NONCE, PARENT, ReleaseBench, artifact

REQUEST_ID = "6b1f6a0e-58cf-4d0a-9a8e-3f4f6f0c1d11"


async def reason_of(what: Any, kind: Any = FailedPrecondition) -> Reason:
    with pytest.raises(kind) as refused:
        await what
    found: Reason = refused.value.reason
    return found


async def set_status(bench: ReleaseBench, state: artifacts_pb2.ArtifactState, number: int = 1) -> None:
    request = artifacts_pb2.SetArtifactStatusRequest(name=artifact(number), state=state, request_id=str(uuid.uuid4()))
    await bench.artifacts.SetArtifactStatus(request, bench.call("SetArtifactStatus"))


async def test_the_device_opens_it_and_nobody_else(bench: ReleaseBench) -> None:
    made = await bench.create()
    phone, other = await bench.enrol(), await bench.enrol()
    given = await bench.request_key(phone)
    assert phone.open(given) == CONTENT_KEY
    assert given.release == made.release.name
    assert not given.HasField("lease")
    with pytest.raises(EnvelopeInvalid):
        other.open(given)


async def test_it_is_bound_to_device_key_artifact_epoch_and_question(bench: ReleaseBench) -> None:
    await bench.create(4)
    phone = await bench.enrol()
    given = await bench.request_key(phone, 4)
    assert given.kem_id == 0x647A
    assert json.loads(given.info) == {
        "artifact": artifact(4),
        "device": str(phone.name),
        "epoch": 4,
        "key_sha256": hashlib.sha256(phone.hpke.public_key).hexdigest(),
        "nonce": base64.b64encode(NONCE).decode(),
        "purpose": "hallmark/artifact-key/v1",
    }
    with pytest.raises(EnvelopeInvalid):
        phone.hpke.open(given.envelope, info=given.info.replace(b'"epoch":4', b'"epoch":5'))


async def test_the_log_knows_what_was_released_and_hides_to_whom(bench: ReleaseBench) -> None:
    await bench.create()
    phone = await bench.enrol()
    given = await bench.request_key(phone)
    (entry,) = await bench.logged("artifact-key.released")
    assert entry["subject"] == artifact()
    assert entry["details"]["envelope_sha256"] == hashlib.sha256(given.envelope).hexdigest()
    assert entry["details"]["info_sha256"] == hashlib.sha256(given.info).hexdigest()
    assert entry["details"]["verdict"] == await bench.gates.verdict_of(phone.name)
    assert list(entry["commitments"]) == ["device"]
    assert phone.name.id not in str(entry)
    assert json.loads(given.log.entry) == entry


async def test_a_retry_gets_the_same_envelope(bench: ReleaseBench) -> None:
    await bench.create()
    phone = await bench.enrol()
    given, again = [await bench.request_key(phone, request_id=REQUEST_ID) for _ in range(2)]
    assert given == again
    assert len(await bench.logged("artifact-key.released")) == 1
    fresh = await bench.request_key(phone)
    assert fresh.envelope != given.envelope


async def test_twins_get_one_envelope(bench: ReleaseBench) -> None:
    await bench.create()
    phone = await bench.enrol()
    given = await asyncio.gather(*(bench.request_key(phone, request_id=REQUEST_ID) for _ in range(4)))
    assert len({each.envelope for each in given}) == 1
    assert len(await bench.logged("artifact-key.released")) == 1


async def test_a_retry_is_refused_once_it_would_be_wrong(bench: ReleaseBench) -> None:
    await bench.create()
    phone = await bench.enrol()
    await bench.request_key(phone, request_id=REQUEST_ID)
    await set_status(bench, artifacts_pb2.ARTIFACT_STATE_SUSPENDED)
    assert await reason_of(bench.request_key(phone, request_id=REQUEST_ID)) is Reason.ARTIFACT_SUSPENDED
    await set_status(bench, artifacts_pb2.ARTIFACT_STATE_VALID)
    await bench.request_key(phone, request_id=REQUEST_ID)
    await bench.revoke()
    assert await reason_of(bench.request_key(phone, request_id=REQUEST_ID)) is Reason.ARTIFACT_REVOKED


async def test_what_closes_a_release(bench: ReleaseBench) -> None:
    for number in (1, 2, 3):
        await bench.create(number)
    phone = await bench.enrol()
    await bench.create(4, minimum_epoch=2)
    assert await reason_of(bench.request_key(phone, 1)) is Reason.ARTIFACT_SUPERSEDED
    await set_status(bench, artifacts_pb2.ARTIFACT_STATE_SUSPENDED, 2)
    assert await reason_of(bench.request_key(phone, 2)) is Reason.ARTIFACT_SUSPENDED
    await bench.revoke(3)
    assert await reason_of(bench.request_key(phone, 3)) is Reason.ARTIFACT_REVOKED
    assert phone.open(await bench.request_key(phone, 4)) == CONTENT_KEY


async def test_the_device_must_be_believed(bench: ReleaseBench) -> None:
    await bench.create()
    refused, revoked, old = await bench.enrol(), await bench.enrol(), await bench.enrol()
    await bench.gates.revoke(revoked.name)
    assert await reason_of(bench.request_key(revoked)) is Reason.DEVICE_REVOKED
    await bench.gates.refuse(refused.name)
    assert await reason_of(bench.request_key(refused)) is Reason.VERDICT_REFUSED
    bench.advance(timedelta(days=1, seconds=1))
    assert await reason_of(bench.request_key(old)) is Reason.VERDICT_TOO_OLD


async def test_a_gate_of_the_key_decides_instead(bench: ReleaseBench) -> None:
    strict = await bench.gates.create_envelope_key(
        "strict", AttestationGate(device_classes=frozenset({DeviceClass.FACTORY}))
    )
    brief = await bench.gates.create_envelope_key("brief", AttestationGate(max_verdict_age=timedelta(minutes=1)))
    await bench.create(1, key=strict)
    await bench.create(2, key=brief)
    phone = await bench.enrol()
    assert await reason_of(bench.request_key(phone, 1)) is Reason.VERDICT_INSUFFICIENT
    assert phone.open(await bench.request_key(phone, 2)) == CONTENT_KEY
    bench.advance(timedelta(minutes=2))
    assert await reason_of(bench.request_key(phone, 2)) is Reason.VERDICT_TOO_OLD


async def test_a_device_without_a_key_to_seal_to_is_told_so(bench: ReleaseBench) -> None:
    await bench.create()
    phone = await bench.enrol(hpke=False)
    assert await reason_of(bench.request_key(phone)) is Reason.DEVICE_KEY_MISSING


async def test_what_changes_while_the_hsm_works_counts(bench: ReleaseBench) -> None:
    """Between the check and the commit: nothing is released, nothing is logged."""
    gated = await bench.gates.create_envelope_key("gated", AttestationGate())
    for number in (1, 2, 3, 4):
        await bench.create(number, key=gated)
    phone, keys = await bench.enrol(), bench.base.service.keys
    token = keys.provider

    async def refused(number: int, act: Any, kind: Any = FailedPrecondition) -> Reason:
        keys.provider = Meanwhile(token, act)
        found = await reason_of(bench.request_key(phone, number), kind)
        keys.provider = token
        return found

    assert await refused(1, lambda: bench.revoke(1)) is Reason.ARTIFACT_REVOKED
    suspended = artifacts_pb2.ARTIFACT_STATE_SUSPENDED
    assert await refused(2, lambda: set_status(bench, suspended, 2)) is Reason.ARTIFACT_SUSPENDED
    brief = AttestationGate(max_verdict_age=timedelta(minutes=1))
    assert await refused(3, lambda: bench.gates.change_gate(gated, brief), Unavailable) is Reason.VERDICT_CHANGED
    assert await refused(4, lambda: bench.gates.revoke(phone.name), Unavailable) is Reason.VERDICT_CHANGED
    assert await bench.logged("artifact-key.released") == []


async def test_consent_is_asked_for_where_the_release_says_so(bench: ReleaseBench) -> None:
    await bench.create(requires_consent=True)
    phone = await bench.enrol()
    assert await reason_of(bench.request_key(phone)) is Reason.LEASE_REQUIRED
    await bench.grant(phone)
    given = await bench.request_key(phone)
    assert phone.open(given) == CONTENT_KEY
    assert (given.lease.device, given.lease.artifact, given.lease.live) == (str(phone.name), artifact(), True)
    (entry,) = await bench.logged("artifact-key.released")
    assert sorted(entry["commitments"]) == ["device", "lease"]


async def test_a_lease_is_acquired_on_the_way(bench: ReleaseBench) -> None:
    await bench.create(requires_consent=True)
    phone, other = await bench.enrol(), await bench.enrol()
    consent = await bench.grant()
    given = await bench.request_key(phone, consent=consent, request_id=REQUEST_ID)
    assert given.lease.consent == consent
    again = await bench.request_key(phone, consent=consent, request_id=REQUEST_ID)
    assert (again.envelope, again.lease.name) == (given.envelope, given.lease.name)
    named = await bench.grant(phone)
    with pytest.raises(NotFound):
        await bench.request_key(other, consent=named)
    elsewhere = await bench.grant(other, number=2)
    assert await reason_of(bench.request_key(other, consent=elsewhere), InvalidArgument) is Reason.FIELD_INVALID


async def test_a_consent_withdrawn_closes_it_at_once_also_for_a_retry(bench: ReleaseBench) -> None:
    await bench.create(requires_consent=True)
    phone = await bench.enrol()
    consent = await bench.grant(phone)
    await bench.request_key(phone, request_id=REQUEST_ID)
    await bench.withdraw(consent)
    for changes in ({}, {"request_id": REQUEST_ID}):
        assert await reason_of(bench.request_key(phone, **changes)) is Reason.LEASE_REQUIRED
    assert await reason_of(bench.request_key(phone, consent=consent)) is Reason.STATE_TRANSITION_INVALID


async def test_a_withdrawal_while_the_hsm_works_counts(bench: ReleaseBench) -> None:
    await bench.create(requires_consent=True)
    phone, keys = await bench.enrol(), bench.base.service.keys
    consent = await bench.grant(phone)
    keys.provider = Meanwhile(keys.provider, lambda: bench.withdraw(consent))
    assert await reason_of(bench.request_key(phone)) is Reason.LEASE_REQUIRED
    assert await bench.logged("artifact-key.released") == []


async def test_a_lease_that_is_over_is_none(bench: ReleaseBench) -> None:
    await bench.create(requires_consent=True)
    phone = await bench.enrol()
    terms = consent_pb2.LeaseTerms()
    terms.duration.FromTimedelta(timedelta(minutes=1))
    await bench.grant(phone, lease_terms=terms)
    await bench.request_key(phone, request_id=REQUEST_ID)
    bench.advance(timedelta(minutes=2))
    for changes in ({}, {"request_id": REQUEST_ID}):
        assert await reason_of(bench.request_key(phone, **changes)) is Reason.LEASE_REQUIRED


async def test_each_release_of_a_key_is_a_use_of_the_envelope_key(bench: ReleaseBench) -> None:
    key = await bench.limited_key(2)
    await bench.create(key=key)
    phone = await bench.enrol()
    await bench.request_key(phone, request_id=REQUEST_ID)
    assert await reason_of(bench.request_key(phone)) is Reason.USAGE_LIMIT_REACHED
    await bench.request_key(phone, request_id=REQUEST_ID)


async def test_devices_only_and_each_for_itself(bench: ReleaseBench) -> None:
    await bench.create()
    phone = await bench.enrol()
    unnamed = {"role": Role.DEVICE, "name": "phone-7"}
    assert await reason_of(bench.request_key(phone, who=unnamed), PermissionDenied) is Reason.ROLE_NOT_ALLOWED
    for who in ({"role": Role.ADMIN}, {"role": Role.BACKEND}):
        assert await reason_of(bench.request_key(phone, who=who), PermissionDenied) is Reason.ROLE_NOT_ALLOWED


async def test_what_is_not_there_and_what_is_anothers_are_the_same(bench: ReleaseBench) -> None:
    await bench.create()
    phone = await bench.enrol()
    said = []
    for name in (artifact(9), artifact().replace("default", "other")):
        with pytest.raises(NotFound) as refused:
            await bench.request_key(phone, artifact=name)
        said.append((refused.value.reason, refused.value.message.replace(name, "")))
    assert said[0] == said[1]
    with pytest.raises(NotFound):
        await bench.request_key(phone, consent=f"tenants/other/consents/{uuid.uuid4()}")


async def test_what_can_not_be_right_is_refused(bench: ReleaseBench) -> None:
    phone = await bench.enrol()
    wrong: list[dict[str, Any]] = [
        {"nonce": bytes(15)},
        {"nonce": bytes(65)},
        {"artifact": "abc"},
        {"artifact": f"{PARENT}/releases/{'ab' * 32}"},
        {"consent": "mine"},
        {"request_id": ""},
    ]
    for changes in wrong:
        with pytest.raises(InvalidArgument):
            await bench.request_key(phone, **changes)
