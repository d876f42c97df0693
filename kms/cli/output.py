"""How results are printed and written: JSON documents, aligned rows, times, files that are whole or not there."""

import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from kms.cli.failure import not_usable


def print_json(document: Mapping[str, Any] | Sequence[Any]) -> None:
    """One document, indented."""
    click.echo(json.dumps(document, indent=2))


def print_json_line(document: Mapping[str, Any]) -> None:
    """One document in one line, there at once also in a pipe."""
    click.echo(json.dumps(document, separators=(",", ":")))
    sys.stdout.flush()


def print_facts(facts: Mapping[str, object], *, err: bool = False) -> None:
    """Names and values in two columns; what is empty is left out. err: on standard error."""
    shown = {name: text for name, value in facts.items() if (text := _text(value))}
    width = max(map(len, shown), default=0)
    for name, text in shown.items():
        click.echo(f"  {name:<{width}}  {text}", err=err)


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns as wide as their widest cell."""
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    for row in (header, *rows):
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def moment(value: datetime | None) -> str:
    """UTC, to the second."""
    return "" if value is None else value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def short(name: str) -> str:
    """A resource name without its tenant and collection, as commands take it: manifest/versions/2.

    The service's own keep theirs: commands take short names for those of the tenant.
    """
    parts = name.split("/")
    if len(parts) < 4 or parts[0] != "tenants" or parts[1] == "system":
        return name
    return "/".join(parts[3:] if parts[2] == "keys" else parts[2:])


def read_file(path: Path, limit: int) -> bytes:
    """A whole file of at most `limit` bytes. Raises OSError, CommandError."""
    with path.open("rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise not_usable("FILE_TOO_LARGE", f"{path} is larger than the {limit} bytes it can have")
    return data


def write_file(path: Path, content: bytes) -> None:
    """Whole or not at all: a reader never meets half a file. What is no file, such as a pipe or /dev/null, is written
    to and stays what it is. Raises OSError.
    """
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            path.write_bytes(content)
        else:
            _replace(path, content)
    except OSError as error:  # names no file, or one that nobody gave
        raise OSError(error.errno, error.strerror, str(path)) from error


def _replace(path: Path, content: bytes) -> None:
    descriptor, fresh = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(fresh).chmod(0o644)
        Path(fresh).replace(path)
    except BaseException:
        Path(fresh).unlink(missing_ok=True)
        raise


def _text(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case datetime():
            return moment(value)
        case list() | tuple():
            return ", ".join(map(str, value))
        case _:
            return str(value)
