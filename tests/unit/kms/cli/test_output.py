import os
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from kms.cli.failure import CommandError
from kms.cli.output import moment, print_facts, print_table, read_file, short, write_file


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("tenants/default/keys/manifest", "manifest"),
        ("tenants/default/keys/manifest/versions/2", "manifest/versions/2"),
        ("tenants/default/devices/d-1", "devices/d-1"),
        ("manifest", "manifest"),
        ("", ""),
    ],
)
def test_short_names_are_what_commands_take(name: str, expected: str) -> None:
    assert short(name) == expected


def test_moments_are_utc_to_the_second() -> None:
    given = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=timezone(timedelta(hours=1)))
    assert moment(given) == "2026-01-02 02:04:05Z"
    assert moment(None) == ""


def test_files_are_written_whole_and_replace_earlier_ones(tmp_path) -> None:
    path = tmp_path / "a"
    write_file(path, b"one")
    write_file(path, b"two")
    assert path.read_bytes() == b"two"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]


def test_nothing_is_left_when_a_file_can_not_be_written(tmp_path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_file(tmp_path / "a", b"x")
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]


def test_the_error_names_what_was_asked_for(tmp_path) -> None:
    with pytest.raises(FileNotFoundError) as raised:
        write_file(tmp_path / "none" / "a", b"x")
    assert raised.value.filename == str(tmp_path / "none" / "a")


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="this system has no /dev/full")
def test_a_full_disk_is_said_with_the_file() -> None:
    with pytest.raises(OSError, match="No space left") as raised:
        write_file(Path("/dev/full"), b"x")
    assert raised.value.filename == "/dev/full"
    assert Path("/dev/full").is_char_device()


def test_what_is_no_file_is_written_to_and_stays(tmp_path) -> None:
    """`--output /dev/null`, by root: the device is not replaced by a file."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_file(pipe, b"x")
    assert os.read(reader, 10) == b"x"
    os.close(reader)
    assert pipe.is_fifo()


def test_files_are_read_within_bounds(tmp_path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    assert read_file(tmp_path / "a", 5) == b"12345"
    with pytest.raises(CommandError, match="larger than"):
        read_file(tmp_path / "a", 4)


def test_facts_leave_out_what_is_empty(capsys) -> None:
    print_facts({"a": None, "longer": ["x", "y"], "b": True, "t": datetime(2026, 1, 1, tzinfo=UTC), "e": ""})
    assert capsys.readouterr().out.splitlines() == [
        "  longer  x, y",
        "  b       yes",
        "  t       2026-01-01 00:00:00Z",
    ]


def test_tables_line_up(capsys) -> None:
    print_table(("KEY", "N"), [("manifest", "1")])
    assert capsys.readouterr().out == "KEY       N\nmanifest  1\n"
