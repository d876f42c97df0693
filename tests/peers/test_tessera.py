"""Tessera's own tools read our log: fsck makes every tile and the root again, the hammer reads like many clients.

fsck 1.0.4 ends with status 0 whatever it finds, and hangs on a mismatch with one worker: hence four workers, a time
limit, and the sentence that only success prints.
"""

import re
import shutil
from pathlib import Path

import pytest

from hallmark_tlog.vkey import VerifierKey
from peers.grown_log import SIZES, GrownLog
from peers.serving import served, served_plainly
from peers.tools import Outcome, Peers, run

_SUCCESS = "Successfully fsck'd"


@pytest.fixture
def fsck(peers: Peers) -> Path:
    return peers.program("tessera-fsck")


@pytest.fixture
def fsck_ml_dsa(peers: Peers) -> Path:
    return peers.program("tessera-fsck-ml-dsa")


@pytest.fixture
def hammer(peers: Peers) -> Path:
    return peers.program("tessera-hammer")


def check(program: Path, url: str, key: VerifierKey, folder: Path) -> Outcome:
    key_file = folder / "log.vkey"
    key_file.write_text(str(key))
    return run(program, f"--storage_url={url}", f"--public_key={key_file}", "-N", "4", "--ui=false")


def must_be_sound(outcome: Outcome) -> None:
    if _SUCCESS not in outcome.must_succeed():
        outcome.fail("fsck did not find the log sound")


@pytest.mark.parametrize("size", SIZES)
def test_fsck_makes_every_tile_again(fsck: Path, grown_log: GrownLog, size: int, tmp_path: Path) -> None:
    with served(grown_log.folders[size]) as url:
        must_be_sound(check(fsck, url, grown_log.ed25519, tmp_path))


def test_fsck_reads_the_plain_folder(fsck: Path, grown_log: GrownLog, tmp_path: Path) -> None:
    with served_plainly(grown_log.whole) as url:
        must_be_sound(check(fsck, url, grown_log.ed25519, tmp_path))


def test_fsck_trusts_the_ml_dsa_44_line_alone(fsck_ml_dsa: Path, grown_log: GrownLog, tmp_path: Path) -> None:
    with served(grown_log.folders[257]) as url:
        must_be_sound(check(fsck_ml_dsa, url, grown_log.ml_dsa, tmp_path))


@pytest.mark.parametrize(
    ("path", "blamed"),
    [
        ("tile/0/000", "tile/0/000"),
        ("tile/0/001.p/1", "tile/0/001"),
        ("tile/1/000.p/1", "tile/1/000"),
        ("tile/entries/000", "tile/[01]/000"),
        ("tile/entries/001.p/1", "tile/0/001"),
    ],
)
def test_fsck_finds_one_changed_bit(fsck: Path, grown_log: GrownLog, path: str, blamed: str, tmp_path: Path) -> None:
    """Changed entries are found by the tiles over them, whichever is compared first."""
    folder = shutil.copytree(grown_log.folders[257], tmp_path / "public")
    content = bytearray((folder / path).read_bytes())
    content[-1] ^= 1
    (folder / path).write_bytes(content)
    with served(folder) as url:
        outcome = check(fsck, url, grown_log.ed25519, tmp_path)
    if _SUCCESS in outcome.output or not re.search(f"fsck failed: failed: {blamed}", outcome.output):
        outcome.fail(f"fsck did not blame {blamed}")


def test_fsck_refuses_another_key(fsck: Path, grown_log: GrownLog, tmp_path: Path) -> None:
    stranger = VerifierKey(grown_log.origin, grown_log.ed25519.type, bytes(32))
    with served(grown_log.folders[1]) as url:
        outcome = check(fsck, url, stranger, tmp_path)
    if _SUCCESS in outcome.output or "fsck failed" not in outcome.output:
        outcome.fail("fsck took a checkpoint that the given key did not sign")


def hit(program: Path, url: str, key: VerifierKey, *, seconds: int) -> Outcome:
    return run(
        program,
        f"--log_public_key={key}",
        f"--log_url={url}",
        "--num_readers_random=4",
        "--num_readers_full=1",
        "--num_writers=0",
        "--max_write_ops=0",
        "--max_read_ops=200",
        f"--max_runtime={seconds}s",
        "--show_ui=false",
    )


def complaints(outcome: Outcome) -> list[str]:
    """Its log begins warnings, errors and fatal errors with W, E and F. At its end it cancels what is under way."""
    lines = re.findall(r"^[WEF]\d{4} .*", outcome.output, re.MULTILINE)
    return [line for line in lines if not line.endswith("context canceled")]


def test_hammer_reads_without_a_warning(hammer: Path, grown_log: GrownLog) -> None:
    """Its status says nothing: it is 1 whenever the time is over."""
    with served(grown_log.whole) as url:
        outcome = hit(hammer, url, grown_log.ed25519, seconds=5)
    if outcome.status is None or complaints(outcome):
        outcome.fail("the hammer complained")


def test_hammer_complains_of_another_key(hammer: Path, grown_log: GrownLog) -> None:
    stranger = VerifierKey(grown_log.origin, grown_log.ed25519.type, bytes(32))
    with served(grown_log.whole) as url:
        assert complaints(hit(hammer, url, stranger, seconds=2))
