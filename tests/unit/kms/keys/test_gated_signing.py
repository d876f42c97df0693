"""Signatures with keys that demand a live verdict: who gets one, what the log says, what happens meanwhile."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from attestation.claims import SecurityLevel
from attestation.model import Format
from kms.core.errors import (
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    Reason,
    ServiceError,
    Unavailable,
)
from kms.core.identity import Caller, Role
from kms.core.names import ChildName
from kms.keys.attestation_gate import AttestationGate, DeviceClass
from kms.keys.gates import GatedAct
from kms.keys.model import SYSTEM_TENANT, KeyName
from kms.keys.policies import KeySettings
from kms.keys.service import gated_update
from kms.keys.signing import SigningService
from kms.keys.usage import UseRates
from kms.keys.verdict_gate import NOBODY, Claimant, NoDevices, claimant
from support.gate_world import ADMIN, GateWorld, Meanwhile, device_caller, gate_world

GATE = AttestationGate()
OPEN = AttestationGate(device_callers=True)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[GateWorld]:
    async with gate_world(tmp_path) as world:
        yield world


async def refusal(act, kind: type[ServiceError] = FailedPrecondition) -> Reason:
    with pytest.raises(kind) as refused:
        await act
    return refused.value.reason


async def test_the_verdict_stands_in_the_log_entry(world: GateWorld) -> None:
    key, device = await world.create("fleet", GATE), await world.enrol()
    await world.sign(key, Claimant(device))
    (details,) = await world.logged("signature.created")
    assert details["verdict"] == await world.verdict_of(device)


async def test_without_a_gate_nothing_is_said_and_no_device_may_be_named(world: GateWorld) -> None:
    key, device = await world.create("plain", None), await world.enrol()
    await world.sign(key)
    (details,) = await world.logged("signature.created")
    assert "verdict" not in details
    assert await refusal(world.sign(key, Claimant(device)), InvalidArgument) is Reason.FIELD_INVALID


async def test_a_gated_key_needs_a_device(world: GateWorld) -> None:
    key = await world.create("fleet", GATE)
    assert await refusal(world.sign(key)) is Reason.ATTESTATION_REQUIRED
    unknown = ChildName("default", "devices", "0190c2a4-0000-7000-8000-000000000002")
    assert await refusal(world.sign(key, Claimant(unknown)), NotFound) is Reason.RESOURCE_NOT_FOUND
    assert await world.logged("signature.created") == []


@pytest.mark.parametrize(
    "gate",
    [
        AttestationGate(formats=frozenset({Format.TPM})),
        AttestationGate(minimum_level=SecurityLevel.TPM),
        AttestationGate(device_classes=frozenset({DeviceClass.FACTORY})),
    ],
)
async def test_the_device_must_fit(world: GateWorld, gate: AttestationGate) -> None:
    key, device = await world.create("fleet", gate), await world.enrol()
    assert await refusal(world.sign(key, Claimant(device))) is Reason.VERDICT_INSUFFICIENT


async def test_an_old_verdict_does_until_the_device_attests_again(world: GateWorld) -> None:
    key = await world.create("fleet", AttestationGate(max_verdict_age=timedelta(minutes=10)))
    device = await world.enrol()
    world.advance(timedelta(minutes=10))
    await world.sign(key, Claimant(device))
    world.advance(timedelta(seconds=1))
    assert await refusal(world.sign(key, Claimant(device))) is Reason.VERDICT_TOO_OLD
    await world.attest_again(device)
    await world.sign(key, Claimant(device))


async def test_a_revoked_device_is_refused_at_once(world: GateWorld) -> None:
    key, device = await world.create("fleet", GATE), await world.enrol()
    await world.sign(key, Claimant(device))
    await world.revoke(device)
    assert await refusal(world.sign(key, Claimant(device))) is Reason.DEVICE_REVOKED


async def test_a_device_that_lost_its_appraisal_is_refused_with_the_reasons(world: GateWorld) -> None:
    key, device = await world.create("fleet", GATE), await world.enrol()
    await world.refuse(device)
    with pytest.raises(FailedPrecondition) as refused:
        await world.sign(key, Claimant(device))
    assert refused.value.reason is Reason.VERDICT_REFUSED
    assert refused.value.metadata["reasons"]
    assert await world.logged("signature.created") == []


async def test_a_batch_is_judged_item_by_item(world: GateWorld) -> None:
    gated, plain = await world.create("fleet", GATE), await world.create("plain", None)
    good, gone = await world.enrol(), await world.enrol()
    await world.revoke(gone)
    items = [
        world.item(gated, Claimant(good)),
        world.item(gated, Claimant(gone)),
        world.item(gated),
        world.item(plain),
        world.item(plain, Claimant(good)),
        world.item(gated, Claimant(good)),
    ]
    outcomes = await world.signing.sign_many(items, now=world.now, published=False)
    reasons = [each.reason if isinstance(each, ServiceError) else None for each in outcomes]
    assert reasons == [
        None,
        Reason.DEVICE_REVOKED,
        Reason.ATTESTATION_REQUIRED,
        None,
        Reason.FIELD_INVALID,
        None,
    ]
    logged = [each.get("verdict") for each in await world.logged("signature.created")]
    assert sorted(logged, key=str) == sorted([await world.verdict_of(good)] * 2 + [None], key=str)


async def test_keys_without_a_gate_pay_nothing(world: GateWorld) -> None:
    """No read, and nobody asks for verdicts: the hot path of signatures is what it was."""
    base, key = world.bench.service, await world.create("plain", None)
    reads = []

    class Counting:
        def __getattr__(self, name: str) -> Any:
            if name == "read":
                reads.append(name)
            return getattr(base.database, name)

    class Unasked:
        def __getattr__(self, name: str) -> Any:
            raise AssertionError(f"{name} was asked")

    signing = SigningService(
        Counting(), base.provider, base.log, base.randomness, UseRates(base.clock), verdicts=Unasked()
    )
    await signing.sign_item(world.item(key), now=world.now, published=False)
    assert len(reads) == 1, "the key itself, once"
    await signing.sign_item(world.item(key), now=world.now, published=False)
    assert len(reads) == 1


# While the HSM signs


async def test_revoked_while_the_hsm_signs(world: GateWorld) -> None:
    key, device = await world.create("fleet", GATE), await world.enrol()
    world.signing.provider = token = Meanwhile(world.signing.provider, lambda: world.revoke(device))
    assert await refusal(world.sign(key, Claimant(device))) is Reason.DEVICE_REVOKED
    assert token.asked >= 1, "the device was good when the HSM was asked"
    assert await world.logged("signature.created") == []


async def test_a_newer_verdict_while_the_hsm_signs_is_the_one_that_is_logged(world: GateWorld) -> None:
    key, device = await world.create("fleet", GATE), await world.enrol()
    first = await world.verdict_of(device)
    world.signing.provider = token = Meanwhile(world.signing.provider, lambda: world.attest_again(device))
    await world.sign(key, Claimant(device))
    assert token.asked > 1, "the first signature was thrown away"
    (details,) = await world.logged("signature.created")
    assert details["verdict"] == await world.verdict_of(device) != first


async def test_refused_while_the_hsm_signs(world: GateWorld) -> None:
    key, device = await world.create("fleet", GATE), await world.enrol()
    world.signing.provider = Meanwhile(world.signing.provider, lambda: world.refuse(device))
    assert await refusal(world.sign(key, Claimant(device))) is Reason.VERDICT_REFUSED
    assert await world.logged("signature.created") == []


async def test_a_gate_that_is_set_while_the_hsm_signs_counts(world: GateWorld) -> None:
    key = await world.create("plain", None)
    await world.sign(key)
    world.signing.provider = Meanwhile(world.signing.provider, lambda: world.change_gate(key, GATE))
    assert await refusal(world.sign(key)) is Reason.ATTESTATION_REQUIRED
    assert len(await world.logged("signature.created")) == 1


async def test_what_the_signer_remembers_of_a_gate_is_never_used_against_what_holds(world: GateWorld) -> None:
    key, device = await world.create("fleet", None), await world.enrol()
    await world.sign(key)
    await world.change_gate(key, GATE)
    assert await refusal(world.sign(key)) is Reason.ATTESTATION_REQUIRED
    await world.sign(key, Claimant(device))
    await world.change_gate(key, AttestationGate(formats=frozenset({Format.TPM})))
    assert await refusal(world.sign(key, Claimant(device))) is Reason.VERDICT_INSUFFICIENT
    await world.change_gate(key, None)
    await world.sign(key)
    assert await refusal(world.sign(key, Claimant(device)), InvalidArgument) is Reason.FIELD_INVALID


async def test_who_meets_a_newer_verdict_every_time_is_told_to_come_back(world: GateWorld) -> None:
    key, device = await world.create("fleet", GATE), await world.enrol()

    class Restless(Meanwhile):
        async def _once(self) -> None:
            self.asked += 1
            await self._act()

    provider = world.signing.provider
    world.signing.provider = Restless(provider, lambda: world.attest_again(device))
    with pytest.raises(Unavailable) as refused:
        await world.sign(key, Claimant(device))
    assert refused.value.reason is Reason.VERDICT_CHANGED
    assert refused.value.retry_after_seconds
    world.signing.provider = provider
    await world.sign(key, Claimant(device))


# Retries


async def test_a_retry_gets_its_signature_though_the_device_is_revoked_now(world: GateWorld) -> None:
    """It was given out before; another body under the request_id, which the device is part of, is refused."""
    key, device = await world.create("fleet", GATE), await world.enrol()
    request = world.request(b"with the device")
    first = await world.sign(key, Claimant(device), request=request)
    await world.revoke(device)
    assert await world.sign(key, Claimant(device), request=request) == first
    other = world.request(b"with another", request.request_id)
    assert await refusal(world.sign(key, Claimant(device), request=other), AlreadyExists) is Reason.REQUEST_ID_REUSED
    assert len(await world.logged("signature.created")) == 1


# Devices as callers


async def test_a_device_signs_for_itself_with_keys_that_are_open_to_devices(world: GateWorld) -> None:
    device = await world.enrol()
    who = claimant(world.signing.verdicts, "", device_caller(device))
    assert who == Claimant(device, is_caller=True)
    assert who == claimant(world.signing.verdicts, str(device), device_caller(device))
    await world.sign(await world.create("open", OPEN), who)
    for key_id, gate in (("closed", GATE), ("plain", None)):
        key = await world.create(key_id, gate)
        assert await refusal(world.sign(key, who), PermissionDenied) is Reason.ROLE_NOT_ALLOWED
    assert len(await world.logged("signature.created")) == 1


async def test_a_device_names_nobody_else(world: GateWorld) -> None:
    one, other = await world.enrol(), await world.enrol()
    with pytest.raises(PermissionDenied):
        claimant(world.signing.verdicts, str(other), device_caller(one))


@pytest.mark.parametrize("name", ["device", "d-", "d-phone", "dd-0190c2a4-0000-7000-8000-000000000002"])
async def test_another_certificate_with_role_device_uses_nothing(world: GateWorld, name: str) -> None:
    caller = Caller(f"spiffe://hallmark.test/tenants/default/device/{name}", "default", Role.DEVICE, name)
    with pytest.raises(PermissionDenied) as refused:
        claimant(world.signing.verdicts, "", caller)
    assert refused.value.reason is Reason.ROLE_NOT_ALLOWED


async def test_a_name_like_a_devices_in_another_role_is_no_device(world: GateWorld) -> None:
    device = await world.enrol()
    name = device_caller(device).name
    backend = Caller(f"spiffe://hallmark.test/tenants/default/backend/{name}", "default", Role.BACKEND, name)
    assert claimant(world.signing.verdicts, "", backend) is NOBODY


async def test_others_name_devices_of_their_own_tenant(world: GateWorld) -> None:
    device = await world.enrol()
    assert claimant(world.signing.verdicts, str(device), ADMIN) == Claimant(device)
    with pytest.raises(NotFound):
        claimant(world.signing.verdicts, str(device).replace("default", "other"), ADMIN)
    with pytest.raises(InvalidArgument) as refused:
        claimant(world.signing.verdicts, "phone", ADMIN)
    assert refused.value.field == "device"


async def test_without_devices_gated_keys_are_closed(world: GateWorld) -> None:
    device = await world.enrol()
    nothing = NoDevices()
    assert nothing.own_device(device_caller(device)) is None
    with pytest.raises(NotFound):
        await world.bench.service.database.read(lambda tx: nothing.find(tx, device))
    assert await world.bench.service.database.read(lambda tx: nothing.still_standing(tx, ())) == frozenset()


# The setting


async def test_the_gate_is_kept_and_logged(world: GateWorld) -> None:
    key = await world.create("fleet", OPEN)
    assert (await world.keys.get(key.name)).settings.attestation_gate == OPEN
    assert (await world.logged("key.created"))[-1]["attestation_gate"] == OPEN.to_dict()
    await world.change_gate(key, None)
    assert (await world.keys.get(key.name)).settings.attestation_gate is None
    assert "attestation_gate" not in (await world.logged("key.updated"))[-1]


async def test_a_looser_gate_asks_for_approvals_and_a_stricter_one_does_not(world: GateWorld) -> None:
    key = await world.create("fleet", GATE)
    for gate in (None, OPEN):
        change = gated_update(key, replace(key, settings=KeySettings(attestation_gate=gate)))
        assert change is not None
        assert (change.act, len(change.parameters_sha256)) == (GatedAct.POLICY_CHANGE, 32)
    stricter = AttestationGate(formats=frozenset({Format.TPM}))
    assert gated_update(key, replace(key, settings=KeySettings(attestation_gate=stricter))) is None


async def test_the_services_own_keys_take_none(world: GateWorld) -> None:
    key = await world.keys.get(KeyName(SYSTEM_TENANT, "attestation-results"))
    assert await refusal(world.change_gate(key, GATE)) is Reason.PURPOSE_MISMATCH
