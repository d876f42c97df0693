import pytest

from hallmark.v1 import events_pb2
from kms.core.errors import InvalidArgument, NotFound, PermissionDenied
from kms.core.identity import Role
from unit.kms.events.bench import Replica, caller_of, device_named, start

DEVICE = events_pb2.FEED_DEVICE


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"feeds": []}, "feeds"),
        ({"feeds": [start(), start()]}, "feeds"),
        ({"feeds": [start(0)]}, "feeds.feed"),
        ({"feeds": [start(99)]}, "feeds.feed"),
        ({"feeds": [start(digest=bytes(31))]}, "feeds.state_digest"),
        ({"nonce": bytes(15)}, "nonce"),
        ({"nonce": bytes(65)}, "nonce"),
        ({"heartbeat_interval": {"nanos": 999_999_999}}, "heartbeat_interval"),
        ({"heartbeat_interval": {"seconds": 301}}, "heartbeat_interval"),
        ({"heartbeat_interval": {"seconds": -1}}, "heartbeat_interval"),
        ({"heartbeat_interval": {"seconds": 2**60}}, "heartbeat_interval"),
        ({"parent": "tenants/"}, "parent"),
    ],
)
def test_what_is_wrong_with_a_stream_is_said_by_field(replica: Replica, fields: dict, field: str) -> None:
    request = events_pb2.WatchEventsRequest(**{"parent": "tenants/default", "feeds": [start()], **fields})
    with pytest.raises(InvalidArgument) as refused:
        replica.parts.servicer.WatchEvents(request, replica.call("WatchEvents", caller_of(None)))
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("fields", "field"),
    [({"max_events": -1}, "max_events"), ({"max_events": 1001}, "max_events"), ({"nonce": b"x"}, "nonce")],
)
async def test_what_is_wrong_with_a_poll_is_said_by_field(replica: Replica, fields: dict, field: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        await replica.poll(**fields)
    assert refused.value.field == field


@pytest.mark.parametrize("role", [Role.ADMIN, Role.BACKEND, Role.AUDITOR, Role.DEVICE])
def test_the_feed_of_a_device_is_for_a_device_with_its_own_certificate(replica: Replica, role: Role) -> None:
    """Operators' own certificates with the role device name no attested device."""
    request = events_pb2.WatchEventsRequest(parent="tenants/default", feeds=[start(DEVICE)])
    with pytest.raises(PermissionDenied) as refused:
        replica.parts.servicer.WatchEvents(request, replica.call("WatchEvents", caller_of(None, role=role)))
    assert str(device_named(1).id) not in refused.value.message


def test_another_tenant_is_not_there(replica: Replica) -> None:
    request = events_pb2.WatchEventsRequest(parent="tenants/other", feeds=[start(DEVICE)])
    with pytest.raises(NotFound):
        replica.parts.servicer.WatchEvents(request, replica.call("WatchEvents", caller_of(device_named(1))))
