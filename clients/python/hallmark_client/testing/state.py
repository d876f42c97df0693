"""What the parts of the fake share: its clock, its randomness, its log, and how a caller's names are read."""

import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from hallmark.v1 import common_pb2
from hallmark_client.testing.log import FakeLog
from hallmark_client.testing.refusals import invalid, not_found
from hallmark_tlog.entry import SALT_BYTES, commitment_to

_ID: Final = "[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?"
_KEY: Final = re.compile(f"tenants/({_ID})/keys/({_ID})(?:/versions/([1-9][0-9]{{0,8}}))?")
_ALIAS: Final = re.compile(f"tenants/({_ID})/aliases/({_ID})")
_CHILD: Final = re.compile(f"tenants/({_ID})/([a-z]+)/([0-9a-f-]{{36}})")


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """One fake's shared state."""

    tenant: str
    now: Callable[[], datetime]
    random_bytes: Callable[[int], bytes]
    log: FakeLog

    @property
    def parent(self) -> str:
        return f"tenants/{self.tenant}"

    def new_id(self) -> str:
        """A UUIDv7 (RFC 9562, section 5.7), like the service's: the time, then randomness."""
        value = int(self.now().timestamp() * 1000) << 80 | int.from_bytes(self.random_bytes(10), "big")
        value = value & ~(0xF << 76) | 7 << 76
        value = value & ~(0x3 << 62) | 2 << 62
        return str(uuid.UUID(int=value))

    def record(
        self,
        kind: str,
        subject: str,
        details: Mapping[str, Any],
        *,
        wait: int,
        event_key: str | None = None,
        committed: Mapping[str, str] | None = None,
    ) -> common_pb2.LogPromise:
        """Log one act and promise it, with the proof when the caller waits for LOG_WAIT_PUBLISHED.

        committed: facts that stand in the log as salted commitments.
        """
        key = event_key or self.new_id()
        salts = {name: self.random_bytes(SALT_BYTES) for name in committed or {}}
        commitments = {name: commitment_to(name, value, salts[name]) for name, value in (committed or {}).items()}
        self.log.record(key, kind, subject, self.now(), details, commitments)
        if salts:
            self.log.salts[key] = salts
        return self.log.promise(key, self.now(), published=wait == common_pb2.LOG_WAIT_PUBLISHED)

    def check_parent(self, parent: str) -> None:
        if not re.fullmatch(f"tenants/{_ID}", parent):
            raise invalid("parent", "must look like tenants/{tenant}", "NAME_INVALID")
        if parent != self.parent:
            raise not_found(parent)

    def read_key_name(self, name: str) -> tuple[str, int | None]:
        """(name of the key, number of the version or None)."""
        found = _KEY.fullmatch(name)
        if found is None:
            raise invalid("name", "must look like tenants/{tenant}/keys/{key}[/versions/{number}]", "NAME_INVALID")
        return f"tenants/{found[1]}/keys/{found[2]}", int(found[3]) if found[3] else None

    def read_alias_name(self, name: str) -> str:
        """The tenant."""
        found = _ALIAS.fullmatch(name)
        if found is None:
            raise invalid("name", "must look like tenants/{tenant}/aliases/{alias}", "NAME_INVALID")
        return found[1]

    def check_child_name(self, name: str, collection: str) -> None:
        found = _CHILD.fullmatch(name)
        if found is None or found[2] != collection:
            raise invalid("name", f"must look like tenants/{{tenant}}/{collection}/{{uuid}}", "NAME_INVALID")


def check_id(value: str, field: str) -> None:
    if not re.fullmatch(_ID, value):
        raise invalid(field, "must be 1 to 63 lower-case letters, digits or hyphens and begin with a letter")
