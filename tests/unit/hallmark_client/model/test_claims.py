import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hallmark_client import VerificationFailed
from hallmark_client.model.claims import read_event, read_heartbeat

EVENT = {
    "jti": "1",
    "sub_id": {"format": "opaque", "id": "tenants/t/keys/k"},
    "events": {
        "uri": {
            "initiating_entity": "admin",
            "hallmark.v1": {
                "reason": "SUPERSEDED",
                "effective_time": "2026-11-21T12:00:00.000000Z",
                "event_time": "2026-11-21T12:00:00.000001Z",
            },
        }
    },
}
HEARTBEAT = {"parent": "tenants/t", "server_time": "2026-11-21T12:00:00.000000Z", "nonce": "AAA=", "sequence": 7}


def test_what_the_service_writes_is_read() -> None:
    event = read_event(json.dumps(EVENT).encode())
    assert (event.id, event.subject, event.reason) == ("1", "tenants/t/keys/k", "SUPERSEDED")
    assert (event.event_time - event.effective_time).microseconds == 1
    beat = read_heartbeat(json.dumps(HEARTBEAT).encode())
    assert (beat.parent, beat.nonce, beat.sequence) == ("tenants/t", bytes(2), 7)


@pytest.mark.parametrize("key", HEARTBEAT)
@pytest.mark.parametrize("value", [None, 1.5, [], {}, True])
def test_a_heartbeat_with_something_else_in_it_is_refused(key: str, value: object) -> None:
    with pytest.raises(VerificationFailed) as refused:
        read_heartbeat(json.dumps({**HEARTBEAT, key: value}).encode())
    assert refused.value.reason == "HEARTBEAT_INVALID"


@pytest.mark.parametrize("key", ["server_time", "nonce", "sequence"])
@pytest.mark.parametrize("value", ["2026-11-21T12:00:00", "!"])
def test_a_heartbeat_whose_text_means_nothing_is_refused(key: str, value: str) -> None:
    with pytest.raises(VerificationFailed):
        read_heartbeat(json.dumps({**HEARTBEAT, key: value}).encode())


@pytest.mark.parametrize(
    "events", [{}, None, [], {"a": 1}, {"a": EVENT["events"]["uri"], "b": EVENT["events"]["uri"]}, {"a": {}}]
)
def test_an_event_that_is_not_one_event_is_refused(events: object) -> None:
    with pytest.raises(VerificationFailed) as refused:
        read_event(json.dumps({**EVENT, "events": events}).encode())
    assert refused.value.reason == "EVENT_INVALID"


def test_size_and_depth_are_bounded() -> None:
    for payload in (json.dumps({**EVENT, "pad": "x" * 70_000}).encode(), b"[" * 60_000, b'{"a":' * 12_000):
        with pytest.raises(VerificationFailed):
            read_event(payload)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["jti", "sub_id", "id", "events", "nonce"]), inner),
    max_leaves=10,
)


@given(st.binary() | _JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_raise_the_packages_own_error_only(payload: bytes) -> None:
    for read in (read_event, read_heartbeat):
        with contextlib.suppress(VerificationFailed):
            read(payload)


def test_the_subject_of_a_consent_stands_in_our_own_member() -> None:
    """Its sub_id names device, tenant and user, and no resource (SSF 1.0, complex subjects)."""
    claims = json.loads(json.dumps(EVENT))
    claims["sub_id"] = {"format": "complex", "tenant": {"format": "opaque", "id": "tenants/default"}}
    (event,) = claims["events"].values()
    event["hallmark.v1"]["subject"] = "tenants/default/consents/0190c2a4-0000-7000-8000-000000000001"
    assert read_event(json.dumps(claims).encode()).subject == event["hallmark.v1"]["subject"]
    claims["sub_id"] = {"format": "opaque", "id": "tenants/default/keys/another"}
    with pytest.raises(VerificationFailed):
        read_event(json.dumps(claims).encode())
