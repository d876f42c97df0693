import json
import uuid
from datetime import timedelta

import pytest

from hallmark.v1 import removal_pb2
from hallmark_composite import verify
from hallmark_events.event_set import EventSet
from hallmark_events.types import DELETION_REQUESTED, StatusValue
from kms.core.errors import AlreadyExists, InvalidArgument, NotFound
from kms.events.model import Priority, Status
from kms.removal.model import RemovalState
from unit.kms.removal.bench import ARTIFACT, CONSENT, PROMISE, RemovalBench


async def request(bench: RemovalBench, device: str, *, request_id: str = "", **fields) -> removal_pb2.Removal:
    message = removal_pb2.RequestDeletionRequest(
        device=device, artifact=str(ARTIFACT), request_id=request_id or str(uuid.uuid4())
    )
    for name, value in fields.items():
        if name == "deadline":
            message.deadline.FromDatetime(value)
        else:
            setattr(message, name, value)
    return await bench.parts.servicer.RequestDeletion(message, bench.call("RequestDeletion"))


async def test_a_withdrawal_puts_a_signed_command_into_the_feed_of_the_device(bench: RemovalBench) -> None:
    holder = await bench.enrol()
    bench.leases.end = bench.now + timedelta(hours=3)
    made = await bench.withdraw(holder.name)
    assert (made.state, made.consent, made.artifact) == (RemovalState.ISSUED, CONSENT, ARTIFACT)
    assert made.lease_end_time == bench.leases.end
    (event,) = await bench.feed(holder.name)
    assert (event.id, event.subject, event.priority) == (made.name.id, str(made.name), Priority.URGENT)
    assert event.status is Status.VALID
    found = EventSet.parse(event.payload)
    assert (found.uri, found.status) == (DELETION_REQUESTED, StatusValue.VALID)
    assert found.own["artifact"] == str(ARTIFACT)
    assert found.own["deadline"] == (bench.now + PROMISE).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert found.sub_id.part("user")["id"] == "pairwise-pseudonym-of-somebody"
    assert event.signature is not None
    verify(
        bench.base.service.public_key,
        event.signature.signature,
        message=event.payload,
        context=b"hallmark/revocation-event/v1",
    )
    (entry,) = await bench.logged("removal.requested")
    assert (entry["id"], entry["subject"]) == (made.name.id, str(made.name))
    assert "pairwise" not in json.dumps(entry)


async def test_each_command_has_its_own_nonce(bench: RemovalBench) -> None:
    holder = await bench.enrol()
    first, second = await bench.withdraw(holder.name), await bench.withdraw(holder.name)
    assert len(first.nonce) == 32
    assert first.nonce != second.nonce


async def test_what_was_prepared_and_thrown_away_leaves_nothing(bench: RemovalBench) -> None:
    holder = await bench.enrol()
    await bench.orders.prepare(bench.order(holder.name), bench.now)
    assert await bench.feed(holder.name) == []
    assert await bench.logged("removal.requested") == []


async def test_an_operator_may_ask_without_a_consent(bench: RemovalBench) -> None:
    holder = await bench.enrol()
    made = await request(bench, str(holder.name), reason="the model is faulty")
    assert made.state == removal_pb2.REMOVAL_STATE_ISSUED
    assert (made.consent, made.reason) == ("", "the model is faulty")
    assert made.deadline.seconds - made.issue_time.seconds == 24 * 3600
    assert bench.leases.ended == 1
    (event,) = await bench.feed(holder.name)
    assert EventSet.parse(event.payload).own["consent"] == ""


async def test_asking_again_is_answered_with_the_first_removal(bench: RemovalBench) -> None:
    holder, request_id = await bench.enrol(), str(uuid.uuid4())
    first = await request(bench, str(holder.name), request_id=request_id)
    bench.advance(timedelta(minutes=2))
    assert (await request(bench, str(holder.name), request_id=request_id)).name == first.name
    assert len(await bench.feed(holder.name)) == 1
    with pytest.raises(AlreadyExists):
        await request(bench, str(holder.name), request_id=request_id, reason="another")


@pytest.mark.parametrize("away", [timedelta(seconds=59), timedelta(days=31), -timedelta(days=1)])
async def test_deadlines_have_bounds(bench: RemovalBench, away: timedelta) -> None:
    holder = await bench.enrol()
    with pytest.raises(InvalidArgument, match="deadline"):
        await request(bench, str(holder.name), deadline=bench.now + away)


async def test_a_reason_is_printable_and_short(bench: RemovalBench) -> None:
    holder = await bench.enrol()
    for reason in ("x" * 513, "\x1b[31m"):
        with pytest.raises(InvalidArgument, match="reason"):
            await request(bench, str(holder.name), reason=reason)


async def test_what_is_not_there_is_not_found(bench: RemovalBench) -> None:
    with pytest.raises(NotFound):
        await request(bench, f"tenants/default/devices/{uuid.uuid4()}")
    with pytest.raises(NotFound):
        await request(bench, f"tenants/other/devices/{uuid.uuid4()}")
