"""Every file the service writes x every step of writing that fails: whoever reads sees the old one or the new, whole.

What writes is found in the source (support.file_writers): a new function without a row fails the first test.
"""

import asyncio
import contextlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from hallmark_tlog.note import Note, SignatureLine
from kms.log.memory.guard_file import GuardFile
from kms.log.memory.remembered import checkpoint_text
from kms.log.model import PublishedCheckpoint, TreeHead
from kms.public.files import FolderPublicFiles, PublicFile
from kms.server.home import Home
from kms.server.local_ca import LocalAuthority
from support.clock import START
from support.file_writers import file_writers

STEPS = (
    (os, "fsync"),
    (Path, "replace"),
    (Path, "rename"),
    (Path, "hardlink_to"),
    (Path, "write_text"),
    (os, "pwrite"),
)
"""What may fail; not each is a step of each."""


@dataclass(frozen=True)
class Row:
    """`write` the n-th content; `read` tells which one is there, and fails when it is not whole."""

    write: Callable[[Path, int], object]
    read: Callable[[Path], int]


def _publish(folder: Path, number: int) -> None:
    files = FolderPublicFiles(folder / "public")
    content = f"{number}\n".encode() * 5_000
    tiles = [PublicFile(f"tile/{level}/000.p/{number}", content) for level in (0, 1)]
    asyncio.run(files.publish(tiles, PublicFile("checkpoint", content)))


def _published(folder: Path) -> int:
    (line,) = set((folder / "public" / "checkpoint").read_text().split())
    for level in (0, 1):
        assert set((folder / "public" / "tile" / str(level) / "000.p" / line).read_text().split()) == {line}
    return int(line)


def _checkpoint(number: int) -> PublishedCheckpoint:
    head = TreeHead(number, bytes(32))
    line = SignatureLine("log.example", b"1234", bytes([number]) * 6_000)
    return PublishedCheckpoint(head, bytes(Note(checkpoint_text("log.example", head), (line,))))


def _remember(folder: Path, number: int) -> None:
    asyncio.run(GuardFile(folder / "log-guard").remember("log.example", _checkpoint(number)))


def _remembered(folder: Path) -> int:
    seen = asyncio.run(GuardFile(folder / "log-guard").recall("log.example"))
    assert seen is not None
    return seen.head.size


def _remember_first(folder: Path, number: int) -> None:
    """The first content is that there is no file."""
    if number > 1:
        _remember(folder, number)


def _remembered_first(folder: Path) -> int:
    return _remembered(folder) if (folder / "log-guard").exists() else 1


def _announce(folder: Path, number: int) -> None:
    client = folder / "clients" / "admin"
    client.mkdir(parents=True, exist_ok=True)
    Home(folder).announce(f"localhost:{number}", "http://localhost", [client], START)


def _announced(folder: Path) -> int:
    json.loads((folder / "clients" / "admin" / "profile.json").read_bytes())
    facts = json.loads((folder / "server.json").read_bytes())
    return int(facts["address"].rpartition(":")[2])


def _certify(folder: Path, number: int) -> None:
    """For another host: key and certificate are made again, both or, after a fault, at the next start."""
    LocalAuthority(folder, trust_domain="hallmark.test", now=START).server_credentials((f"host-{number}",))


def _certified(folder: Path) -> int:
    certificate = x509.load_pem_x509_certificate((folder / "tls" / "server.pem").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return next(int(name.removeprefix("host-")) for name in names.get_values_for_type(x509.DNSName))


ROWS = {
    "kms.public.files._write_together": Row(_publish, _published),
    "kms.log.memory.guard_file.GuardFile._write": Row(_remember, _remembered),
    "kms.log.memory.guard_file.GuardFile._begin": Row(_remember_first, _remembered_first),
    "kms.server.home._write": Row(_announce, _announced),
    "kms.server.local_ca.write_pem": Row(_certify, _certified),
}
EMPTY = {
    "kms.core.database._make_private",  # an empty file with the right mode; SQLite writes it
    "kms.public.files.FolderPublicFiles._alone",  # a lock
    "kms.server.home.Home.open",  # a lock
}


OF_A_BACKUP = {
    # Into a folder that was empty, and is a backup only when the manifest is there, which is written last; or, when it is
    # restored, out of one into scratch files. tests/rpc/cli/test_backup.py, tests/unit/kms/app/test_backup_sealing.py
    "kms.app.backup._pack",
    "kms.app.backup._write",
    "kms.app.backup_database.copy_database",
    "kms.app.backup_sealing.open_file",
    "kms.app.backup_sealing.seal_file",
}


def test_every_function_that_writes_files_has_a_row() -> None:
    assert file_writers() == set(ROWS) | EMPTY | OF_A_BACKUP


class _Breaking:
    """Replaces a function: the n-th call (from 0) raises, before or after it did its work."""

    def __init__(self, function: Callable[..., Any], at: int, *, done: bool) -> None:
        self.calls = 0
        self._function, self._at, self._done = function, at, done

    def __get__(self, instance: object, _owner: type) -> Callable[..., Any]:
        return lambda *given, **named: self(instance, *given, **named)

    def __call__(self, *given: Any, **named: Any) -> Any:
        number, self.calls = self.calls, self.calls + 1
        if number != self._at:
            return self._function(*given, **named)
        if self._done:
            self._function(*given, **named)
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("done", [False, True], ids=["failed", "failed-but-done"])
@pytest.mark.parametrize("name", ROWS)
def test_every_step_of(name: str, done: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row, broken = ROWS[name], 0
    for owner, attribute in STEPS:
        at = 0
        while True:
            folder = tmp_path / f"{attribute}-{at}"
            folder.mkdir()
            row.write(folder, 1)
            with monkeypatch.context() as patch:
                breaking = _Breaking(getattr(owner, attribute), at, done=done)
                patch.setattr(owner, attribute, breaking)
                with contextlib.suppress(Exception):
                    row.write(folder, 2)
            if breaking.calls <= at:
                break
            broken += 1
            assert row.read(folder) in {1, 2}, f"{attribute} {at}: neither the old one nor the new"
            row.write(folder, 2)
            assert row.read(folder) == 2, f"{attribute} {at}: it does not heal"
            at += 1
    assert broken >= 1, "nothing failed"
