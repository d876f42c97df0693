"""What is answered for a path, and what is kept in memory of it."""

import gzip
from pathlib import Path

import pytest

from kms.public.answers import KEPT_SECONDS, Answers

TILE = "tile/0/{:03d}"


def publish(folder: Path, path: str, content: bytes) -> None:
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_bytes(content)


def ask(answers: Answers, path: str, *, takes_gzip: bool = False) -> bytes | None:
    """As the server does."""
    answer = answers.kept(path, takes_gzip=takes_gzip)
    if answer is None and (answer := answers.read(path, takes_gzip=takes_gzip)) is not None:
        answers.keep(path, answer, takes_gzip=takes_gzip)
    return None if answer is None else answer.body


def make_answers(folder: Path, *, kept_bytes_max: int = 10_000) -> Answers:
    return Answers(folder, kept_bytes_max=kept_bytes_max, monotonic=lambda: 0.0)


def test_what_never_changes_is_read_once_and_later_again(tmp_path: Path) -> None:
    now = 0.0
    answers = Answers(tmp_path, kept_bytes_max=10_000, monotonic=lambda: now)
    publish(tmp_path, "tile/0/000.p/7", b"damaged")
    assert ask(answers, "tile/0/000.p/7") == b"damaged"
    publish(tmp_path, "tile/0/000.p/7", b"put right")
    assert ask(answers, "tile/0/000.p/7") == b"damaged"
    now = KEPT_SECONDS + 1
    for _ in range(2):
        assert ask(answers, "tile/0/000.p/7") == b"put right"


@pytest.mark.parametrize("path", ["checkpoint", "log/checkpoint", "history.json", "policy", "verifier-keys"])
def test_what_changes_is_read_each_time(tmp_path: Path, path: str) -> None:
    answers = make_answers(tmp_path)
    for content in (b"old", b"new"):
        publish(tmp_path, path, content)
        assert ask(answers, path) == content


def test_a_tile_that_comes_later_is_seen(tmp_path: Path) -> None:
    answers = make_answers(tmp_path)
    assert ask(answers, "tile/0/000") is None
    publish(tmp_path, "tile/0/000", b"hashes")
    assert ask(answers, "tile/0/000") == b"hashes"


def test_memory_is_bounded_and_the_least_asked_for_go_first(tmp_path: Path) -> None:
    answers = make_answers(tmp_path, kept_bytes_max=300)
    for index in range(4):
        publish(tmp_path, TILE.format(index), bytes([index]) * 100)
    for index in (0, 1, 2, 0, 3):
        ask(answers, TILE.format(index))
    kept = [index for index in range(4) if answers.kept(TILE.format(index), takes_gzip=False) is not None]
    assert kept == [0, 2, 3]
    publish(tmp_path, "tile/entries/000", b"x" * 1000)
    assert ask(answers, "tile/entries/000") == b"x" * 1000, "larger than all that may be kept"
    assert all(answers.kept(TILE.format(index), takes_gzip=False) is None for index in range(4))
    assert ask(answers, TILE.format(3)) == bytes([3]) * 100


def test_both_forms_of_a_bundle_are_kept(tmp_path: Path) -> None:
    answers = make_answers(tmp_path)
    publish(tmp_path, "tile/entries/000", b"entry" * 100)
    for _ in range(2):
        small, plain = ask(answers, "tile/entries/000", takes_gzip=True), ask(answers, "tile/entries/000")
        assert small is not None
        assert (gzip.decompress(small), plain) == (b"entry" * 100, b"entry" * 100)


def test_the_page_is_also_where_a_log_is_that_follows_another(tmp_path: Path) -> None:
    answers = make_answers(tmp_path)
    assert ask(answers, "logs/2/") is None, "there is no such log"
    publish(tmp_path, "logs/2/checkpoint", b"note")
    assert ask(answers, "logs/2/") == ask(answers, "")
    assert ask(answers, "logs/2/page/main.js") == ask(answers, "page/main.js")
    for path in ("logs/2/page/nothing.js", "logs/2/page/../checkpoint", "logs/02/", "logs/2", "logs/", "logs/../"):
        assert ask(answers, path) is None
