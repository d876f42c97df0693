"""How entries are shown: a line each, or JSON with what they say."""

from typing import TYPE_CHECKING, Any

import click

from kms.cli.output import moment

if TYPE_CHECKING:
    from hallmark_client.model.log_entries import LogRecord


def document_of(record: "LogRecord") -> dict[str, Any]:
    """The entry's own members, and its place. Raises VerificationFailed for bytes that are not what they claim."""
    entry = record.parsed()
    return {
        "leaf_index": record.leaf_index,
        "leaf_hash": record.leaf_hash.hex(),
        "event_key": entry.event_key,
        "type": entry.event_type,
        "tenant": entry.tenant,
        "subject": entry.subject,
        "time": entry.time.isoformat().replace("+00:00", "Z"),
        "details": dict(entry.details),
        "commitments": {name: value.hex() for name, value in entry.commitments.items()},
    }


def tell(record: "LogRecord") -> None:
    entry = record.parsed()
    click.echo(f"{record.leaf_index:>9}  {moment(entry.time)}  {entry.event_type}  {entry.subject}")
