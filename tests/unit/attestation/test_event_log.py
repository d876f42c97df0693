"""Boot event logs: both formats, padding, replay, and the bounds."""

from dataclasses import replace
from hashlib import sha1, sha256, sha384

import pytest

from attestation import EvidenceError, Reason
from attestation.event_log import EV_NO_ACTION, MAX_EVENTS, MAX_LOG_BYTES, Event, HashId, parse_event_log
from attestation.testing.event_log import write_event, write_event_log

BOTH = (HashId.SHA256, HashId.SHA384)


def event(index: int, data: bytes, *, event_type: int = 0xD) -> Event:
    return Event(
        index, event_type, ((HashId.SHA256, sha256(data).digest()), (HashId.SHA384, sha384(data).digest())), data
    )


EVENTS = (event(0, b"firmware"), event(7, b"variable"), event(0, b"more firmware"))
LOG = write_event_log(EVENTS, algorithms=BOTH)
DECLARATION = LOG[: len(LOG) - sum(len(write_event(item)) for item in EVENTS)]


def sha1_event(index: int, event_type: int, data: bytes) -> bytes:
    head = index.to_bytes(4, "little") + event_type.to_bytes(4, "little")
    return head + sha1(data, usedforsecurity=False).digest() + len(data).to_bytes(4, "little") + data


def test_events_are_read():
    log = parse_event_log(LOG)
    assert log.events == EVENTS
    assert dict(log.algorithms) == {HashId.SHA256: 32, HashId.SHA384: 48}
    assert log.events[0].digest(HashId.SHA1) is None


@pytest.mark.parametrize("event_type", [4, 0x80000001])
def test_separators_and_variables_tell_what_was_measured(event_type):
    told = event(7, b"variable", event_type=event_type)
    parse_event_log(write_event_log((told,), algorithms=BOTH)).check_data(HashId.SHA256)
    edited = parse_event_log(write_event_log((replace(told, data=b"edited"),), algorithms=BOTH))
    with pytest.raises(EvidenceError) as caught:
        edited.check_data(HashId.SHA256)
    assert caught.value.reason is Reason.EVENT_LOG_MISMATCH


def test_other_events_may_measure_what_is_not_in_their_data():
    other = replace(event(4, b"image"), data=b"path of the image")
    parse_event_log(write_event_log((other,), algorithms=BOTH)).check_data(HashId.SHA256)


def test_replay_extends_register_by_register():
    registers = parse_event_log(LOG).replay(HashId.SHA256)
    first = sha256(bytes(32) + sha256(b"firmware").digest()).digest()
    assert registers == {
        0: sha256(first + sha256(b"more firmware").digest()).digest(),
        7: sha256(bytes(32) + sha256(b"variable").digest()).digest(),
    }
    assert len(parse_event_log(LOG).replay(HashId.SHA384)[7]) == 48


def test_what_only_tells_extends_nothing():
    told = event(7, b"tells", event_type=EV_NO_ACTION)
    assert parse_event_log(write_event_log((told, *EVENTS), algorithms=BOTH)).replay(HashId.SHA256) == parse_event_log(
        LOG
    ).replay(HashId.SHA256)


def test_startup_locality_is_the_first_value_of_pcr_0():
    told = event(0, b"StartupLocality\0\x03", event_type=EV_NO_ACTION)
    registers = parse_event_log(write_event_log((told, EVENTS[0]), algorithms=BOTH)).replay(HashId.SHA256)
    assert registers[0] == sha256(bytes(31) + b"\3" + sha256(b"firmware").digest()).digest()


def test_the_old_format():
    log = parse_event_log(sha1_event(4, 0xD, b"loader") + sha1_event(4, 0xD, b"kernel"))
    first = sha1(bytes(20) + sha1(b"loader", usedforsecurity=False).digest(), usedforsecurity=False).digest()
    second = sha1(first + sha1(b"kernel", usedforsecurity=False).digest(), usedforsecurity=False).digest()
    assert log.replay(HashId.SHA1) == {4: second}


@pytest.mark.parametrize("padding", [b"", b"\xff" * 4, b"\xff" * 1000, bytes(12), bytes(1000)])
def test_padding(padding: bytes):
    assert parse_event_log(LOG + padding).events == EVENTS


@pytest.mark.parametrize("rest", [b"\xff" * 8 + b"\0", bytes(40) + b"\1", b"\xff\xff\xff\xff" + write_event(EVENTS[0])])
def test_nothing_may_follow_the_end(rest: bytes):
    with pytest.raises(EvidenceError, match="behind its end"):
        parse_event_log(LOG + rest)


def test_replay_needs_the_algorithm():
    with pytest.raises(EvidenceError, match="no SHA1"):
        parse_event_log(LOG).replay(HashId.SHA1)
    short = replace(EVENTS[0], digests=EVENTS[0].digests[:1])
    with pytest.raises(EvidenceError, match="no SHA384 digest"):
        parse_event_log(write_event_log((short,), algorithms=BOTH)).replay(HashId.SHA384)


BAD = {
    "empty": b"",
    "cut": LOG[:-1],
    "declaration cut": DECLARATION[:-4],
    "oversize": LOG + bytes(MAX_LOG_BYTES),
    "no algorithms": write_event_log((), algorithms=()),
    "too many algorithms": write_event_log((), algorithms=BOTH * 5),
    "algorithm twice": write_event_log((), algorithms=(HashId.SHA256, HashId.SHA256)),
    "wrong size": DECLARATION.replace(b"\x0b\0\x20\0", b"\x0b\0\x14\0"),
    "digest not declared": write_event_log((EVENTS[0],), algorithms=(HashId.SHA384, HashId.SHA1)),
    "digest twice": DECLARATION + write_event(replace(EVENTS[0], digests=EVENTS[0].digests[:1] * 2)),
    "too many digests": DECLARATION + write_event(replace(EVENTS[0], digests=EVENTS[0].digests * 2)),
    "too many events": DECLARATION + write_event(replace(EVENTS[0], digests=(), data=b"")) * (MAX_EVENTS + 1),
}


@pytest.mark.parametrize("name", BAD)
def test_anything_else_is_refused(name: str):
    with pytest.raises(EvidenceError):
        parse_event_log(BAD[name])
