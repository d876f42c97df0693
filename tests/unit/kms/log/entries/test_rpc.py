import uuid
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from hallmark.v1 import log_pb2
from kms.core.errors import InvalidArgument, NotFound
from kms.core.identity import Role
from kms.log.entries.rpc import EntriesRpc
from support.log_entries import EVENT, EntriesWorld, call
from support.log_world import ORIGIN, LogWorld

PARENT = "tenants/default"


@pytest.fixture
def entries(world: LogWorld) -> EntriesWorld:
    return EntriesWorld(world)


@pytest.fixture
async def rpc(entries: EntriesWorld) -> EntriesRpc:
    for number in range(3):
        await entries.append(f"models/{number}", personal={"name": "Ada"}, person="ada")
    await entries.indexer().catch_up()
    return entries.rpc()


def listing(**members: Any) -> log_pb2.ListEntriesRequest:
    return log_pb2.ListEntriesRequest(parent=PARENT, **members)


async def test_get_entry(rpc: EntriesRpc, world: LogWorld) -> None:
    stored = await world.stored()
    answer = await rpc.GetEntry(log_pb2.GetEntryRequest(leaf_index=1), call())
    assert (answer.leaf_index, answer.leaf_hash, answer.entry) == (1, stored[1].leaf_hash, stored[1].data)
    for wrong in (log_pb2.GetEntryRequest(), log_pb2.GetEntryRequest(event_key="k" * 65)):
        with pytest.raises(InvalidArgument):
            await rpc.GetEntry(wrong, call())


async def test_stream_entries(rpc: EntriesRpc, world: LogWorld) -> None:
    (message,) = [each async for each in rpc.StreamEntries(log_pb2.StreamEntriesRequest(start_index=1), call())]
    assert [record.leaf_index for record in message.entries] == [1, 2]
    assert (message.checkpoint.origin, message.checkpoint.size) == (ORIGIN, 3)
    with pytest.raises(InvalidArgument):
        await anext(rpc.StreamEntries(log_pb2.StreamEntriesRequest(start_index=-1), call()))


async def test_list_entries_in_pages(rpc: EntriesRpc) -> None:
    request = listing(subject="models/*", event_type=EVENT, page_size=2)
    first = await rpc.ListEntries(request, call())
    assert [record.leaf_index for record in first.entries] == [2, 1]
    assert first.indexed_size == 3
    request.page_token = first.next_page_token
    second = await rpc.ListEntries(request, call())
    assert ([record.leaf_index for record in second.entries], second.next_page_token) == ([0], "")
    exact = await rpc.ListEntries(listing(subject="models/1", oldest_first=True), call())
    assert [record.leaf_index for record in exact.entries] == [1]
    late = await rpc.ListEntries(listing(start_time=Timestamp(seconds=4_000_000_000)), call())
    assert not late.entries


@pytest.mark.parametrize(
    "wrong",
    [
        {"subject": "models*"},
        {"subject": "a*b/*"},
        {"subject": "/*"},
        {"subject": "a\n"},
        {"subject": "a" * 513},
        {"event_type": "a" * 129},
        {"page_size": 257},
        {"page_size": -1},
        {"page_token": "x"},
        {"start_time": Timestamp(seconds=2**40)},
        {"end_time": Timestamp(nanos=-1)},
    ],
    ids=str,
)
async def test_filters_that_can_not_be_right(rpc: EntriesRpc, wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument):
        await rpc.ListEntries(listing(**wrong), call())


async def test_another_tenant_hears_of_nothing(rpc: EntriesRpc, world: LogWorld) -> None:
    key = world_key(await world.stored())
    with pytest.raises(NotFound):
        await rpc.ListEntries(listing(), call("other"))
    theirs = await rpc.ListEntries(log_pb2.ListEntriesRequest(parent="tenants/other"), call("other"))
    assert not theirs.entries
    with pytest.raises(NotFound):
        await rpc.OpenCommitments(log_pb2.OpenCommitmentsRequest(event_key=key), call("other"))
    for parent in (PARENT, "tenants/other"):
        request = log_pb2.EraseCommitmentsRequest(parent=parent, request_id=str(uuid.uuid4()), event_key=key)
        with pytest.raises(NotFound):
            await rpc.EraseCommitments(request, call("other"))
    assert (await rpc.GetEntry(log_pb2.GetEntryRequest(leaf_index=0), call("other"))).entry, "it is public"


async def test_open_and_erase(rpc: EntriesRpc, world: LogWorld) -> None:
    key = world_key(await world.stored())
    opened = await rpc.OpenCommitments(log_pb2.OpenCommitmentsRequest(event_key=key), call(role=Role.AUDITOR))
    assert [(one.name, len(one.salt), len(one.commitment)) for one in opened.openings] == [("name", 32, 32)]
    request = log_pb2.EraseCommitmentsRequest(parent=PARENT, request_id=str(uuid.uuid4()), person="ada", reason="why")
    first = await rpc.EraseCommitments(request, call())
    assert (first.erased_entries, first.erase_time.ToSeconds() > 0) == (3, True)
    assert await rpc.EraseCommitments(request, call()) == first


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"person": ""},
        {"person": "x" * 257},
        {"event_key": ""},
        {"person": "a", "reason": "x" * 257},
        {"person": "\0"},
    ],
    ids=str,
)
async def test_erasures_that_can_not_be_right(rpc: EntriesRpc, wrong: dict[str, str]) -> None:
    request = log_pb2.EraseCommitmentsRequest(parent=PARENT, request_id=str(uuid.uuid4()), **wrong)
    with pytest.raises(InvalidArgument):
        await rpc.EraseCommitments(request, call())


async def test_receipts(rpc: EntriesRpc) -> None:
    answer = await rpc.GetCoseReceipt(log_pb2.GetCoseReceiptRequest(leaf_index=2), call())
    assert (answer.leaf_index, answer.tree_size) == (2, 3)
    assert answer.receipt.startswith(b"\xd2\x84")
    with pytest.raises(InvalidArgument):
        await rpc.GetCoseReceipt(log_pb2.GetCoseReceiptRequest(leaf_index=2, algorithm=-7), call())


def world_key(stored: list[Any]) -> str:
    """The event key of the first entry."""
    import json

    return str(json.loads(stored[0].data)["id"])
