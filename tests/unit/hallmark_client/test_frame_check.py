from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from hallmark_client import SignatureInvalid, VerificationFailed
from hallmark_client.frame_check import FrameCheck
from hallmark_client.testing import FakeService
from hallmark_client.wire.revocations import frame_of

NONCE = bytes(range(32))


class Server:
    """A fake whose clock a test moves, and the frames it would send."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
        self.fake = FakeService(now=lambda: self.now)

    def heartbeat(self, nonce: bytes = NONCE, change: Callable = lambda _: None):
        frame = self.fake._feed.heartbeat_frame(7, nonce, 30.0)
        change(frame.heartbeat)
        return frame_of(frame)

    def check(self, **other) -> FrameCheck:
        facts = {"parent": "tenants/default", "nonce": NONCE, "trusted_keys": self.fake.trusted_keys}
        return FrameCheck(**{**facts, **other})


@pytest.fixture
def server() -> Server:
    return Server()


def test_heartbeats_over_our_nonce_are_believed(server: Server) -> None:
    check = server.check()
    for _ in range(3):
        check.check(server.heartbeat())
        server.now += timedelta(seconds=30)


@pytest.mark.parametrize(
    "change",
    [
        lambda beat: beat.ClearField("signature"),
        lambda beat: setattr(beat.server_time, "seconds", beat.server_time.seconds + 1),
        lambda beat: setattr(beat, "payload", beat.payload + b" "),
        lambda beat: setattr(beat.signature, "context", "hallmark/revocation-event/v1"),
        lambda beat: setattr(beat.signature, "key_version", ""),
        lambda beat: setattr(beat.signature, "signature", b""),
    ],
    ids=["unsigned", "other time", "other payload", "other context", "no key", "no signature"],
)
def test_a_tampered_heartbeat_is_refused(server: Server, change: Callable) -> None:
    with pytest.raises((VerificationFailed, SignatureInvalid)):
        server.check().check(server.heartbeat(change=change))


def test_a_heartbeat_for_another_stream_is_a_replay(server: Server) -> None:
    with pytest.raises(VerificationFailed, match="replay"):
        server.check().check(server.heartbeat(nonce=bytes(32)))
    with pytest.raises(VerificationFailed, match="replay"):
        server.check(parent="tenants/other").check(server.heartbeat())


def test_an_older_heartbeat_of_the_same_stream_is_a_replay(server: Server) -> None:
    check = server.check()
    first = server.heartbeat()
    server.now += timedelta(seconds=30)
    check.check(server.heartbeat())
    with pytest.raises(VerificationFailed, match="older"):
        check.check(first)


def test_a_heartbeat_of_another_service_is_refused(server: Server) -> None:
    with pytest.raises(SignatureInvalid):
        server.check().check(Server().heartbeat())


def test_bookmarks_and_goodbyes_grant_nothing_and_need_no_signature(server: Server) -> None:
    feed = server.fake._feed
    server.check().check(frame_of(feed.bookmark_frame(7)))
    server.check().check(frame_of(feed.goodbye_frame(7, (1.0, 2.0))))
