import threading
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from hallmark_client import (
    Bookmark,
    Client,
    CursorInvalid,
    Event,
    Frame,
    Heartbeat,
    InitiatingEntity,
    InvalidArgument,
    KeyVersionState,
    NotFound,
    PermissionDenied,
    RevocationReason,
    SignatureInvalid,
    VerificationFailed,
)

NONCE = bytes(range(32))


def new_key(admin: Client) -> str:
    return admin.keys.create(f"key-{uuid.uuid4().hex[:12]}").name


def trusted(client: Client, key_version: str) -> dict:
    return {key_version: client.keys.public_key(key_version).composite()}


def until(frames: Iterator[Frame], kind: type, *, limit: int = 1000) -> list[Frame]:
    """Frames up to and with the first of a kind."""
    seen: list[Frame] = []
    for frame in frames:
        seen.append(frame)
        if isinstance(frame, kind):
            return seen
        assert len(seen) < limit
    raise AssertionError("the watch ended")


def test_a_revocation_is_signed_and_says_what_was_asked(admin: Client) -> None:
    key = new_key(admin)
    since = datetime.now(UTC) - timedelta(days=2)
    event = admin.revocations.revoke(key, RevocationReason.KEY_COMPROMISE, effective_time=since)
    assert (event.subject, event.reason) == (key, RevocationReason.KEY_COMPROMISE)
    assert event.effective_time == since
    assert event.initiating_entity is InitiatingEntity.ADMIN
    assert not event.replayed
    fact = event.verify(trusted(admin, event.signature.key_version))
    assert (fact.subject, fact.reason, fact.effective_time) == (key, RevocationReason.KEY_COMPROMISE, since)
    found = admin.keys.get(key)
    assert found.revoke_time == since
    assert found.versions[0].state is KeyVersionState.COMPROMISED
    assert found.versions[0].revoke_time == since


def test_an_event_of_another_signer_is_refused(admin: Client) -> None:
    event = admin.revocations.revoke(new_key(admin), "SUPERSEDED")
    with pytest.raises(VerificationFailed) as refused:
        event.verify({})
    assert refused.value.reason == "KEY_NOT_TRUSTED"
    other = admin.keys.public_key(new_key(admin)).composite()
    with pytest.raises(SignatureInvalid):
        event.verify({event.signature.key_version: other})


def test_one_version_can_be_revoked_alone(admin: Client) -> None:
    key = new_key(admin)
    admin.keys.rotate(key)
    admin.revocations.revoke(f"{key}/versions/1", "KEY_COMPROMISE")
    newest, oldest = admin.keys.get(key).versions
    assert (newest.state, oldest.state) == (KeyVersionState.ACTIVE, KeyVersionState.COMPROMISED)
    admin.signing.sign(key, b"weights")


def test_revoking_twice_is_answered_with_the_first_event(admin: Client) -> None:
    key = new_key(admin)
    first = admin.revocations.revoke(key, "SUPERSEDED")
    again = admin.revocations.revoke(key, "CESSATION_OF_OPERATION")
    assert again.replayed
    assert (again.name, again.reason, again.payload) == (first.name, first.reason, first.payload)


def test_that_the_secret_may_be_known_is_an_event_of_its_own(admin: Client) -> None:
    key = new_key(admin)
    first = admin.revocations.revoke(key, "SUPERSEDED")
    grave = admin.revocations.revoke(key, "KEY_COMPROMISE")
    assert (grave.replayed, grave.name != first.name) == (False, True)
    assert admin.keys.get(key).versions[0].state == "COMPROMISED"
    assert admin.revocations.revoke(key, "SUPERSEDED").name == grave.name
    assert [event.name for event in admin.revocations.list(key)] == [first.name, grave.name]


def test_what_can_not_be_revoked_is_refused(admin: Client) -> None:
    with pytest.raises(NotFound):
        admin.revocations.revoke("no-such-key", "SUPERSEDED")
    with pytest.raises(NotFound):
        admin.revocations.revoke(f"devices/{uuid.uuid4()}", "DEVICE_LOST")
    with pytest.raises(InvalidArgument):
        admin.revocations.revoke("tenants/default/verdicts/1", "SUPERSEDED")
    with pytest.raises(InvalidArgument):
        admin.revocations.revoke(new_key(admin), "SUPERSEDED", effective_time=datetime.now(UTC) + timedelta(days=1))


@pytest.mark.parametrize("role", ["backend", "auditor", "device"])
def test_only_an_admin_revokes(client_under_test, admin: Client, role) -> None:
    key = new_key(admin)
    with pytest.raises(PermissionDenied):
        client_under_test(role).revocations.revoke(key, "SUPERSEDED")


def test_lists_are_in_order_and_complete(admin: Client) -> None:
    keys = [new_key(admin) for _ in range(3)]
    for key in keys:
        admin.revocations.revoke(key, "SUPERSEDED")
    listed = [event.subject for event in admin.revocations.list(page_size=2)]
    assert [subject for subject in listed if subject in keys] == keys
    names = [event.name for event in admin.revocations.list(page_size=2)]
    assert len(set(names)) == len(names)
    (only,) = admin.revocations.list(keys[1])
    assert only.subject == keys[1]


def test_a_watch_goes_on_after_a_snapshot_without_a_gap(client_under_test, admin: Client) -> None:
    admin.revocations.revoke(new_key(admin), "SUPERSEDED")
    auditor = client_under_test("auditor")
    snapshot = auditor.revocations.snapshot()
    key = new_key(admin)
    admin.revocations.revoke(key, "SUPERSEDED")
    frames = until(auditor.revocations.watch(cursor=snapshot.cursor), Bookmark)
    events = [frame.event.subject for frame in frames if isinstance(frame, Event)]
    assert key in events
    assert not set(events) & {event.subject for event in snapshot.events}


def test_a_watch_from_the_beginning_has_everything(admin: Client) -> None:
    admin.revocations.revoke(new_key(admin), "SUPERSEDED")
    listed = [event.name for event in admin.revocations.list()]
    frames = until(admin.revocations.watch(), Bookmark)
    watched = [frame.event.name for frame in frames if isinstance(frame, Event)]
    assert watched[: len(listed)] == listed
    assert all(frame.cursor for frame in frames)


def test_a_watch_resumes_from_any_cursor(admin: Client) -> None:
    start = admin.revocations.snapshot().cursor
    keys = [new_key(admin) for _ in range(3)]
    for key in keys:
        admin.revocations.revoke(key, "SUPERSEDED")
    frames = until(admin.revocations.watch(cursor=start), Bookmark)
    events = [frame for frame in frames if isinstance(frame, Event) and frame.event.subject in keys]
    assert [frame.event.subject for frame in events] == keys
    rest = until(admin.revocations.watch(cursor=events[0].cursor), Bookmark)
    resumed = [frame.event.subject for frame in rest if isinstance(frame, Event) and frame.event.subject in keys]
    assert resumed == keys[1:]


def test_a_live_event_arrives(client_under_test, admin: Client) -> None:
    key = new_key(admin)
    auditor = client_under_test("auditor")
    watch = auditor.revocations.watch(cursor=auditor.revocations.snapshot().cursor)
    until(watch, Bookmark)
    timer = threading.Timer(0.1, lambda: admin.revocations.revoke(key, "KEY_COMPROMISE"))
    timer.start()
    arrived = until(watch, Event)[-1]
    timer.join()
    assert isinstance(arrived, Event)
    assert arrived.event.subject == key


def test_heartbeats_are_signed_over_the_nonce(admin: Client) -> None:
    event = admin.revocations.revoke(new_key(admin), "SUPERSEDED")
    keys = trusted(admin, event.signature.key_version)
    watch = admin.revocations.watch(nonce=NONCE, heartbeat_seconds=1, trusted_keys=keys)
    beat = until(watch, Heartbeat)[-1]
    assert isinstance(beat, Heartbeat)
    assert beat.signature is not None
    assert abs(beat.server_time - datetime.now(UTC)) < timedelta(minutes=1)


def test_heartbeats_without_a_nonce_are_not_signed(admin: Client) -> None:
    beat = until(admin.revocations.watch(heartbeat_seconds=1), Heartbeat)[-1]
    assert isinstance(beat, Heartbeat)
    assert (beat.signature, beat.payload) == (None, b"")


@pytest.mark.parametrize("cursor", ["x", "A" * 76, "!" * 76, "é"])
def test_a_cursor_of_nobody_is_refused(admin: Client, cursor: str) -> None:
    with pytest.raises(CursorInvalid) as refused:
        next(admin.revocations.watch(cursor=cursor))
    assert refused.value.reason == "CURSOR_INVALID"


def test_a_nonce_has_16_to_64_bytes(admin: Client) -> None:
    with pytest.raises(InvalidArgument):
        next(admin.revocations.watch(nonce=b"short"))


def test_a_watch_ends_when_it_is_told_to(admin: Client) -> None:
    stop = threading.Event()
    watch = admin.revocations.watch(stop=stop)
    until(watch, Bookmark)
    threading.Timer(0.1, stop.set).start()
    assert not [frame for frame in watch if isinstance(frame, Event)]


def test_a_watch_ends_with_its_client(client_under_test) -> None:
    client = client_under_test("auditor")
    watch = client.revocations.watch()
    until(watch, Bookmark)
    threading.Timer(0.1, client.close).start()
    assert not [frame for frame in watch if isinstance(frame, Event)]
