"""What one entry of the audit chain says, and its one spelling.

An entry is one line of canonical JSON (hallmark_events.canonical), all members always there:

{"act":..,"artifact":..,"boot":..,"caller":..,"clause":..,"facts":{..},"name":..,"number":..,"outcome":..,
"previous":"<64 hex digits>","time":"<RFC 3339, UTC, microseconds>","v":1,"version":..}

Its hash is SHA-256("hallmark/device-audit-entry/v1" || 0x0a || line); `previous` is the hash of the entry before, and
32 zero bytes in entry 1. So the hash of the last entry, the head, stands for all of them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Final, Self

from hallmark_client.device.audit.errors import AuditBroken
from hallmark_client.model.result import Result
from hallmark_events.canonical import INTEGER_MAX, canonical_json, format_time, parse_canonical, parse_hex, parse_time

HASH_SIZE: Final = 32
ENTRY_DOMAIN: Final = b"hallmark/device-audit-entry/v1\n"
LINE_BYTES_MAX: Final = 32_768
TEXT_MAX: Final = 256
FACTS_MAX: Final = 16

_VERSION: Final = 1
_FACT_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,39}", re.ASCII)
_ARTIFACT_ID: Final = re.compile(r"(?:[0-9a-f]{32})?", re.ASCII)
_TEXTS: Final = ("artifact", "caller", "clause", "name")
_NUMBERS: Final = ("boot", "number", "version")
_MEMBERS: Final = {"act", "facts", "outcome", "previous", "time", "v", *_TEXTS, *_NUMBERS}
_NO_FACTS: Final[Mapping[str, str]] = MappingProxyType({})


class AuditAct(StrEnum):
    PUT = "put"
    GET = "get"
    LISTED = "listed"
    DENIED = "denied"
    DELETED = "deleted"
    SUSPENDED = "suspended"
    RESUMED = "resumed"
    ROTATED = "rotated"
    POLICY_CHANGED = "policy-changed"
    ROOT_CHANGED = "root-changed"
    KEY_RECEIVED = "key-received"
    LEASE = "lease"
    UPDATE_INSTALLED = "update-installed"
    ANCHORED = "anchored"
    PRUNED = "pruned"
    OPENED = "opened"
    CLOSED = "closed"


class AuditOutcome(StrEnum):
    DONE = "done"
    DENIED = "denied"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditHead(Result):
    """A chain up to some entry. size: entries since the first one, dropped ones too. head: 32 bytes, its hash."""

    size: int
    head: bytes

    def __post_init__(self) -> None:
        if not 0 <= self.size <= INTEGER_MAX or len(self.head) != HASH_SIZE:
            raise ValueError(f"a head is a size and {HASH_SIZE} bytes")


NO_ENTRIES: Final = AuditHead(size=0, head=bytes(HASH_SIZE))


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord(Result):
    """What is to be written down. Never a secret: names, numbers and digests only.

    time: aware; of the trusted floor (hallmark_events.trusted_time), not of a clock that anybody can set.
    boot_seconds: whole seconds since boot. artifact_id: 32 hex digits or "". name, caller: foreign text, cut to
    TEXT_MAX characters. clause: name of the policy clause that decided. facts: up to FACTS_MAX short texts.
    Raises ValueError.
    """

    time: datetime
    boot_seconds: int
    act: AuditAct
    outcome: AuditOutcome = AuditOutcome.DONE
    artifact_id: str = ""
    name: str = ""
    version: int = 0
    caller: str = ""
    clause: str = ""
    facts: Mapping[str, str] = field(default_factory=lambda: _NO_FACTS)

    def __post_init__(self) -> None:
        # A denial must be written down whatever the denied caller called the artifact or itself.
        for member in ("name", "caller"):
            object.__setattr__(self, member, _writable(getattr(self, member)))
        object.__setattr__(self, "facts", MappingProxyType(dict(sorted(self.facts.items()))))
        if (
            self.time.tzinfo is None
            # A bool has another spelling than a number: the entry could be written, and never read again.
            or not type(self.boot_seconds) is type(self.version) is int
            or not 0 <= self.boot_seconds <= INTEGER_MAX
            or not 0 <= self.version <= INTEGER_MAX
        ):
            raise ValueError("a record has an aware time, and numbers from 0 to 2^53")
        if not _ARTIFACT_ID.fullmatch(self.artifact_id) or len(self.clause) > TEXT_MAX:
            raise ValueError("artifact_id is 32 hexadecimal digits or empty, and the name of a clause is short")
        if len(self.facts) > FACTS_MAX or not all(map(_FACT_NAME.fullmatch, self.facts)):
            raise ValueError(f"at most {FACTS_MAX} facts, named in lower case")
        if any(len(value) > TEXT_MAX for value in self.facts.values()):
            raise ValueError(f"a fact is a text of at most {TEXT_MAX} characters")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry(Result):
    """A record in its place. number: from 1. previous: hash of the entry before, 32 bytes."""

    number: int
    previous: bytes
    record: AuditRecord

    def line(self) -> bytes:
        """Without a line end. Raises ValueError for text that is not Unicode."""
        record = self.record
        return canonical_json(
            {
                "act": record.act.value,
                "artifact": record.artifact_id,
                "boot": record.boot_seconds,
                "caller": record.caller,
                "clause": record.clause,
                "facts": dict(record.facts),
                "name": record.name,
                "number": self.number,
                "outcome": record.outcome.value,
                "previous": self.previous.hex(),
                "time": format_time(record.time),
                "v": _VERSION,
                "version": record.version,
            }
        )

    @classmethod
    def parse(cls, line: bytes, number: int) -> Self:
        """The entry that `line` spells, expected at `number`. Raises AuditBroken for any other bytes."""

        def refuse(why: str) -> AuditBroken:
            return AuditBroken(number, f"entry {number}: {why}")

        found = parse_canonical(line, what="the entry", max_bytes=LINE_BYTES_MAX, refuse=refuse)
        if found.keys() != _MEMBERS or found["v"] != _VERSION or found["number"] != number:
            raise refuse("another number, format or version of it")
        facts = found["facts"]
        if not isinstance(facts, dict) or not all(type(found[name]) is int for name in (*_NUMBERS, "v")):
            raise refuse("a member is of the wrong type")
        if not all(isinstance(text, str) for text in (*facts.values(), *(found[name] for name in _TEXTS))):
            raise refuse("a text is of the wrong type")
        time = parse_time(found["time"], what="its time", refuse=refuse)
        previous = parse_hex(found["previous"], HASH_SIZE, what="previous", refuse=refuse)
        try:
            entry = cls(number=number, previous=previous, record=_record(found, time))
        except (ValueError, TypeError) as error:
            raise refuse(str(error)) from error
        if (entry.record.name, entry.record.caller) != (found["name"], found["caller"]):
            raise refuse("a name is longer than is written here")
        return entry


def entry_hash(line: bytes) -> bytes:
    """32 bytes."""
    return sha256(ENTRY_DOMAIN + line).digest()


def _record(found: Mapping[str, Any], time: datetime) -> AuditRecord:
    return AuditRecord(
        time=time,
        boot_seconds=found["boot"],
        act=AuditAct(found["act"]),
        outcome=AuditOutcome(found["outcome"]),
        artifact_id=found["artifact"],
        name=found["name"],
        version=found["version"],
        caller=found["caller"],
        clause=found["clause"],
        facts=found["facts"],
    )


def _writable(text: str) -> str:
    return text[:TEXT_MAX].encode("utf-8", "replace").decode()
