"""What the database role of an edge may do, and nothing else. docs/operations.md shows the statements; a test runs an
edge with a role that has exactly these.

Sealed private halves are out of its sight: where it looks for key_version it finds a view without them.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from kms.keys.tables import version_table

_READ: Final = ("SELECT",)
TABLES: Final[Mapping[str, Sequence[str]]] = {
    "alembic_version": _READ,
    # feeds and events
    "event": _READ,
    "event_batch": _READ,
    "feed": _READ,
    "feed_event": _READ,
    "feed_subject": _READ,
    "event_cursor_key": _READ,
    # what devices say of events: also stands in removals
    "event_acknowledgement": ("SELECT", "INSERT", "UPDATE"),
    "removal": _READ,
    # who calls, and what is read
    "device": _READ,
    "attestation_verdict": _READ,
    "key": _READ,
    "key_alias": _READ,
    "trust_bundle": _READ,
    # whom to let in, and what each may
    "tenant": _READ,
    "access_policy": _READ,
    "access_policy_in_force": _READ,
    "access_edition": _READ,
    "access_grant": _READ,
    "classical_use": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    # who came, and how often
    "session": ("SELECT", "INSERT", "UPDATE"),
    "call_seen": ("SELECT", "INSERT", "UPDATE"),
    # the log
    "tlog_state": _READ,
    "tlog_entry": _READ,
    "tlog_tile": _READ,
    "tlog_search": _READ,
    "tlog_closed": _READ,
    "tlog_closed_entry": _READ,
    "tlog_closed_tile": _READ,
    "tlog_closed_checkpoint": _READ,
}
COLUMNS: Final[Mapping[str, Mapping[str, Sequence[str]]]] = {
    # that a deletion command was delivered and acknowledged; nothing about what was deleted
    "removal": {"UPDATE": ["state", "deliver_time", "acknowledge_time", "check_time"]},
}


SCHEMA: Final = "hallmark_edge"
_HIDDEN: Final = ("material",)


def statements(role: str) -> Iterator[str]:
    """For a role that may connect already. To be run by the owner of the tables, and again after an upgrade."""
    yield from _view(role)
    yield f"GRANT USAGE ON SCHEMA public TO {role};"
    for table, rights in TABLES.items():
        yield f'GRANT {", ".join(rights)} ON "{table}" TO {role};'
    for table, by_right in COLUMNS.items():
        for right, columns in by_right.items():
            yield f'GRANT {right} ({", ".join(columns)}) ON "{table}" TO {role};'


def _view(role: str) -> Iterator[str]:
    """New columns come last: then the view can be replaced while edges use it."""
    hidden = [f"NULL::bytea AS {name}" for name in _HIDDEN]
    shown = [column.name for column in version_table.c if column.name not in _HIDDEN]
    yield f"CREATE SCHEMA IF NOT EXISTS {SCHEMA};"
    columns = ", ".join((*hidden, *shown))
    yield f"CREATE OR REPLACE VIEW {SCHEMA}.key_version AS SELECT {columns} FROM public.key_version;"  # noqa: S608
    yield f"GRANT USAGE ON SCHEMA {SCHEMA} TO {role};"
    yield f"GRANT SELECT ON {SCHEMA}.key_version TO {role};"
    yield f"ALTER ROLE {role} SET search_path = {SCHEMA}, public;"
