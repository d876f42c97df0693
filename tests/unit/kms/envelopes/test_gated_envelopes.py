"""Envelopes and data keys of keys that demand a live verdict."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from kms.core.errors import FailedPrecondition, InvalidArgument, PermissionDenied, Reason, ServiceError, Unavailable
from kms.keys.attestation_gate import AttestationGate
from kms.keys.verdict_gate import Claimant
from support.gate_world import GateWorld, Meanwhile, gate_world

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


async def test_an_opening_names_the_verdict(world: GateWorld) -> None:
    key, device = await world.create_envelope_key("sealed", GATE), await world.enrol()
    opened = await world.open(world.opening(key, Claimant(device)))
    assert opened.plaintext.reveal() == b"secret"
    (details,) = await world.logged("envelope.opened")
    assert details["verdict"] == await world.verdict_of(device)
    assert await refusal(world.open(world.opening(key))) is Reason.ATTESTATION_REQUIRED


async def test_a_data_key_names_the_verdict(world: GateWorld) -> None:
    key, device = await world.create_envelope_key("sealed", GATE), await world.enrol()
    await world.data_key(key, Claimant(device))
    (details,) = await world.logged("data-key.generated")
    assert details["verdict"] == await world.verdict_of(device)
    assert await refusal(world.data_key(key)) is Reason.ATTESTATION_REQUIRED


async def test_without_a_gate_no_device_is_named(world: GateWorld) -> None:
    key, device = await world.create_envelope_key("plain", None), await world.enrol()
    assert await refusal(world.open(world.opening(key, Claimant(device))), InvalidArgument) is Reason.FIELD_INVALID
    assert await refusal(world.data_key(key, Claimant(device)), InvalidArgument) is Reason.FIELD_INVALID
    await world.open(world.opening(key))
    assert "verdict" not in (await world.logged("envelope.opened"))[0]


async def test_devices_open_what_is_open_to_them(world: GateWorld) -> None:
    device = await world.enrol()
    who = Claimant(device, is_caller=True)
    key = await world.create_envelope_key("open", OPEN)
    await world.open(world.opening(key, who))
    await world.data_key(key, who)
    for key_id, gate in (("closed", GATE), ("plain", None)):
        other = await world.create_envelope_key(key_id, gate)
        assert await refusal(world.open(world.opening(other, who)), PermissionDenied) is Reason.ROLE_NOT_ALLOWED
        assert await refusal(world.data_key(other, who), PermissionDenied) is Reason.ROLE_NOT_ALLOWED


async def test_a_batch_is_judged_item_by_item(world: GateWorld) -> None:
    key, good, gone = await world.create_envelope_key("sealed", GATE), await world.enrol(), await world.enrol()
    await world.revoke(gone)
    openings = [world.opening(key, Claimant(good)), world.opening(key, Claimant(gone)), world.opening(key)]
    outcomes = await world.opener.open_many(openings, world.now)
    reasons = [each.reason if isinstance(each, ServiceError) else None for each in outcomes]
    assert reasons == [None, Reason.DEVICE_REVOKED, Reason.ATTESTATION_REQUIRED]


async def test_a_retry_for_a_revoked_device_gets_nothing(world: GateWorld) -> None:
    """Unlike a signature, which was given out, plaintext and data key are made again for a retry."""
    key, device = await world.create_envelope_key("sealed", GATE), await world.enrol()
    opening = world.opening(key, Claimant(device))
    request = world.request()
    await world.open(opening)
    made = await world.data_key(key, Claimant(device), request=request)
    assert (await world.open(opening)).plaintext.reveal() == b"secret"
    assert (await world.data_key(key, Claimant(device), request=request)).plaintext.reveal() == made.plaintext.reveal()
    await world.revoke(device)
    assert await refusal(world.open(opening)) is Reason.DEVICE_REVOKED
    assert await refusal(world.data_key(key, Claimant(device), request=request)) is Reason.DEVICE_REVOKED
    assert len(await world.logged("envelope.opened")) == len(await world.logged("data-key.generated")) == 1


@pytest.mark.parametrize("again", [False, True], ids=["first", "retry"])
async def test_revoked_while_the_hsm_opens(world: GateWorld, again: bool) -> None:
    key, device = await world.create_envelope_key("sealed", GATE), await world.enrol()
    opening = world.opening(key, Claimant(device))
    if again:
        await world.open(opening)
    world.keys.provider = token = Meanwhile(world.keys.provider, lambda: world.revoke(device))
    assert await refusal(world.open(opening), Unavailable) is Reason.VERDICT_CHANGED
    assert token.asked == 1
    assert await refusal(world.open(opening)) is Reason.DEVICE_REVOKED
    assert len(await world.logged("envelope.opened")) == int(again)


async def test_a_newer_verdict_while_the_hsm_opens_takes_a_retry(world: GateWorld) -> None:
    key, device = await world.create_envelope_key("sealed", GATE), await world.enrol()
    opening = world.opening(key, Claimant(device))
    world.keys.provider = Meanwhile(world.keys.provider, lambda: world.attest_again(device))
    assert await refusal(world.open(opening), Unavailable) is Reason.VERDICT_CHANGED
    await world.open(opening)
    (details,) = await world.logged("envelope.opened")
    assert details["verdict"] == await world.verdict_of(device)


async def test_a_gate_that_is_set_while_the_hsm_opens_counts(world: GateWorld) -> None:
    key = await world.create_envelope_key("plain", None)
    opening = world.opening(key)
    world.keys.provider = Meanwhile(world.keys.provider, lambda: world.change_gate(key, GATE))
    assert await refusal(world.open(opening), Unavailable) is Reason.VERDICT_CHANGED
    assert await refusal(world.open(opening)) is Reason.ATTESTATION_REQUIRED
    assert await world.logged("envelope.opened") == []


@pytest.mark.parametrize("what", ["revoked", "gate", "attested"])
async def test_what_changes_before_the_commit_of_a_data_key_counts(world: GateWorld, what: str) -> None:
    key, device = await world.create_envelope_key("sealed", GATE), await world.enrol()
    database = world.keys.database

    class Overtaken:
        def __getattr__(self, name: str) -> Any:
            return getattr(database, name)

        async def write(self, work: Any) -> Any:
            world.keys.database = database
            match what:
                case "revoked":
                    await world.revoke(device)
                case "gate":
                    await world.change_gate(key, OPEN)
                case _:
                    await world.attest_again(device)
            return await database.write(work)

    world.keys.database = Overtaken()
    assert await refusal(world.data_key(key, Claimant(device)), Unavailable) is Reason.VERDICT_CHANGED
    assert await world.logged("data-key.generated") == []


async def test_a_data_key_is_not_given_to_who_is_revoked_while_it_is_opened_again(world: GateWorld) -> None:
    key, device = await world.create_envelope_key("sealed", GATE), await world.enrol()
    request = world.request()
    await world.data_key(key, Claimant(device), request=request)
    world.keys.provider = Meanwhile(world.keys.provider, lambda: world.revoke(device))
    assert await refusal(world.data_key(key, Claimant(device), request=request), Unavailable) is Reason.VERDICT_CHANGED
