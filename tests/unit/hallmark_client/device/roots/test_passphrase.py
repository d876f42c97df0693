"""The passphrase root: what it refuses, and that a crash or a full disk leaves one epoch or the other."""

import os
import resource
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hallmark_client.device.errors import RootLost, RootUnavailable
from hallmark_client.device.model import Enforcement
from hallmark_client.device.roots.passphrase import open_passphrase_root
from hallmark_client.device.roots.passphrase_file import Argon2Cost, PassphraseFile, parse_file
from hallmark_client.device.roots.port import RootOfTrust, RootPower

PASSPHRASE = b"correct horse battery staple"
GOOD = PassphraseFile(root="0" * 32, epoch=1, cost=Argon2Cost(), salt=bytes(16), keys=bytes(60)).to_bytes()


def opened(path: Path):
    return open_passphrase_root(path, lambda: bytearray(PASSPHRASE))


def test_what_it_says_of_itself(tmp_path: Path) -> None:
    facts = opened(tmp_path / "root").facts
    assert facts.assurance is Enforcement.ADVISORY
    assert RootPower.SHRED not in facts.powers
    assert "64 MiB" in facts.detail
    assert (tmp_path / "root").stat().st_mode & 0o777 == 0o600


def test_its_folder_is_made_for_this_user_alone(tmp_path: Path) -> None:
    opened(tmp_path / "device" / "vault" / "root").close()
    assert (tmp_path / "device" / "vault").stat().st_mode & 0o777 == 0o700
    (tmp_path / "file").touch()
    with pytest.raises(RootUnavailable, match="can not be made"):
        opened(tmp_path / "file" / "root")


def test_a_wrong_passphrase_opens_nothing_and_changes_nothing(tmp_path: Path) -> None:
    opened(tmp_path / "root").close()
    before = (tmp_path / "root").read_bytes()
    for wrong in (b"correct horse battery stapl", PASSPHRASE + b" ", b"x", b"", bytes(2000)):
        with pytest.raises(RootUnavailable) as caught:
            open_passphrase_root(tmp_path / "root", lambda wrong=wrong: bytearray(wrong))
        assert "horse" not in str(caught.value)
    assert (tmp_path / "root").read_bytes() == before


def test_a_short_passphrase_makes_no_root(tmp_path: Path) -> None:
    for short in (b"fourteen bytes", "vierzehn Grüße".encode()):  # the second has 16 bytes, and 14 characters
        with pytest.raises(RootUnavailable, match="at least 15"):
            open_passphrase_root(tmp_path / "root", lambda short=short: short)
    assert not (tmp_path / "root").exists()


def test_the_passphrase_is_wiped(tmp_path: Path) -> None:
    given_once = bytearray(PASSPHRASE)
    open_passphrase_root(tmp_path / "root", lambda: given_once).close()
    assert given_once == bytes(len(PASSPHRASE))


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    opened(tmp_path / "root").close()
    (tmp_path / "root").chmod(0o644)
    with pytest.raises(RootUnavailable, match="chmod 600"):
        opened(tmp_path / "root")


def test_the_epoch_can_not_be_edited_and_does_not_fall(tmp_path: Path) -> None:
    path = tmp_path / "root"
    root = opened(path)
    old = path.read_bytes()
    root.advance(2)
    new = path.read_bytes()
    path.write_bytes(new.replace(b'"epoch":2', b'"epoch":3'))
    with pytest.raises(RootUnavailable):
        root.epoch()
    path.write_bytes(old)
    with pytest.raises(RootLost):
        root.epoch()
    path.unlink()
    with pytest.raises(RootLost):
        root.epoch()
    path.write_bytes(new)
    path.chmod(0o600)
    assert root.epoch() == 2


def test_the_old_key_is_gone_from_the_file(tmp_path: Path) -> None:
    root = opened(tmp_path / "root")
    root.seal(b"x", epoch=2, label=b"l")
    assert len(parse_file((tmp_path / "root").read_bytes()).keys) == 12 + 64 + 16
    root.advance(2)
    assert len(parse_file((tmp_path / "root").read_bytes()).keys) == 12 + 32 + 16


@pytest.mark.parametrize("cost", [(2, 4, 65536), (3, 4, 65535), (65, 4, 65536), (3, 0, 65536), (3, 4, 4 * 1024 * 1024)])
def test_costs_outside_the_bounds_are_refused(cost: tuple[int, int, int]) -> None:
    iterations, lanes, memory = cost
    with pytest.raises(ValueError):
        Argon2Cost(iterations=iterations, lanes=lanes, memory_kib=memory)
    changed = GOOD.replace(
        b'"iterations":3,"lanes":4,"memory_kib":65536', b'"iterations":%d,"lanes":%d,"memory_kib":%d' % cost
    )
    with pytest.raises(RootLost):
        parse_file(changed)


@given(st.binary(max_size=300) | st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)).map(
    lambda change: GOOD[: change[0]] + bytes([change[1]]) + GOOD[change[0] + 1 :]))  # fmt: skip
def test_any_bytes_are_a_file_or_a_lost_root(data: bytes) -> None:
    with suppress(RootLost):
        assert parse_file(data).to_bytes() == data


def advanced_and_killed(root: RootOfTrust, to: int, writes: int) -> int:
    """In a process of its own that dies at its n-th call to the disk: how it ended."""
    child = os.fork()
    if child == 0:
        left = iter(range(writes, -1, -1))

        def counted(real):
            def call(*arguments, **named):
                if next(left) == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                return real(*arguments, **named)

            return call

        for name in ("open", "fsync", "rename"):
            setattr(os, name, counted(getattr(os, name)))
        try:
            root.advance(to)
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_kill_at_any_step_of_advance_leaves_one_epoch_or_the_other(tmp_path: Path) -> None:
    path = tmp_path / "root"
    root = opened(path)
    ends = []
    for writes in range(8):
        epoch = root.epoch()
        present, ahead = (root.seal(b"kek", epoch=number, label=b"l") for number in (epoch, epoch + 1))
        ends.append((advanced_and_killed(root, epoch + 1, writes), root.epoch() - epoch))
        if root.epoch() == epoch:
            assert root.open(present, epoch=epoch, label=b"l") == b"kek"
            root.advance(epoch + 1)
        assert root.open(ahead, epoch=epoch + 1, label=b"l") == b"kek"
        with pytest.raises(RootLost):
            root.open(present, epoch=epoch, label=b"l")
    assert ends[0] == (-signal.SIGKILL, 0)
    assert ends[-1] == (0, 1)
    assert (-signal.SIGKILL, 1) in ends
    assert root.epoch() == 9
    assert sorted(path.name for path in tmp_path.iterdir()) == ["root", "root.lock"]
    assert opened(path).epoch() == 9


def test_a_disk_that_takes_nothing_leaves_the_old_epoch(tmp_path: Path) -> None:
    root = opened(tmp_path / "root")
    blob = root.seal(b"kek", epoch=1, label=b"l")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16, hard))
    try:
        for act in (lambda: root.advance(2), lambda: root.seal(b"x", epoch=2, label=b"l")):
            with pytest.raises(RootUnavailable, match="space"):
                act()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert root.open(blob, epoch=1, label=b"l") == b"kek"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["root", "root.lock"]
    root.advance(2)
    assert root.epoch() == 2


def test_two_processes_that_make_the_same_root_make_one(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from hallmark_client.device.roots.passphrase import open_passphrase_root as o;"
        "r = o(Path(sys.argv[1]), lambda: b'correct horse battery staple'); r.advance(2); print(r.epoch())"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "root")]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate(timeout=60)[0] for process in both] == ["2\n", "2\n"]
    assert opened(tmp_path / "root").epoch() == 2
