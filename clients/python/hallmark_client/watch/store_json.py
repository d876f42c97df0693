"""What a watcher keeps, as canonical JSON in its file and back."""

from typing import Any

from hallmark_client.watch.changes import Change, change_of, end_of
from hallmark_client.watch.frames import Feed
from hallmark_client.watch.held import Clock, Lists
from hallmark_events.canonical import canonical_json, format_time, parse_time
from hallmark_events.errors import StateInvalid
from hallmark_events.manifest import SeenManifest
from hallmark_events.state_entry import Entry
from hallmark_events.trusted_time import TrustedTime
from hallmark_events.types import StatusValue


def text(value: Any) -> str:
    return canonical_json(value).decode()


def change_to(change: Change) -> dict[str, Any]:
    entry = None
    if change.after is not None:
        entry = {"jti": change.jti, "uri": change.uri, "status": change.after.name, "own": dict(change.own)}
    before = None if change.before is None else change.before.name
    return {"feed": change.feed.value, "subject": change.subject, "before": before, "jti": change.jti,
            "uri": change.uri, "entry": entry}  # fmt: skip


def change_from(value: dict[str, Any]) -> Change:
    feed, subject = Feed(value["feed"]), str(value["subject"])
    before = None
    if value["before"] is not None:
        before = _entry(value["jti"], value["uri"], value["before"], {})
    if value["entry"] is None:
        if before is None:
            raise StateInvalid("a stored change is damaged")
        return end_of(feed, subject, before)
    found = value["entry"]
    return change_of(feed, subject, before, _entry(found["jti"], found["uri"], found["status"], found["own"]))


def _entry(jti: str, uri: str, status: str, own: dict[str, Any]) -> Entry:
    return Entry(jti=jti, uri=uri, revision=1, status=StatusValue[status], own=own)


def clock_to(clock: Clock) -> dict[str, Any]:
    heard_at = None if clock.heard_at is None else format_time(clock.heard_at)
    signed = {feed.value: [epoch.hex(), sequence] for feed, (epoch, sequence) in clock.signed.items()}
    return {"trusted": clock.trusted.to_json().decode(), "heard_at": heard_at, "signed": signed}


def clock_from(value: dict[str, Any]) -> Clock:
    return Clock(
        trusted=TrustedTime.from_json(value["trusted"].encode()),
        heard_at=None if value["heard_at"] is None else _time(value["heard_at"]),
        signed={Feed(feed): (bytes.fromhex(epoch), int(end)) for feed, (epoch, end) in value["signed"].items()},
    )


def lists_to(lists: Lists) -> dict[str, Any]:
    seen = lists.seen
    return {
        "seen": None if seen is None else [seen.epoch.hex(), seen.number, seen.sha256],
        "issued_at": None if lists.issued_at is None else format_time(lists.issued_at),
        "listed": {subject: status.name for subject, status in lists.listed.items()},
        "extended": {subject: format_time(until) for subject, until in lists.extended.items()},
    }


def lists_from(value: dict[str, Any]) -> Lists:
    seen = value["seen"]
    return Lists(
        seen=None if seen is None else SeenManifest(bytes.fromhex(seen[0]), seen[1], seen[2]),
        issued_at=None if value["issued_at"] is None else _time(value["issued_at"]),
        listed={subject: StatusValue[name] for subject, name in value["listed"].items()},
        extended={subject: _time(until) for subject, until in value["extended"].items()},
    )


def _time(value: str) -> Any:
    return parse_time(value, what="a stored time", refuse=StateInvalid)
