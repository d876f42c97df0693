"""When a model is looked at, and that what fails stops nothing else."""

import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from hallmark_client.device.agent.following import Follow, Following
from hallmark_client.device.updates import Progress, ReleaseRevoked, Stage
from hallmark_client.errors import ResourceExhausted
from hallmark_client.system import System
from hallmark_release.errors import MetadataExpired, SourceMissing
from hallmark_release.source import FolderSource

REVOKED = ReleaseRevoked("RELEASE_REVOKED", "it was taken back")
STEP = Progress(stage=Stage.FETCHING, done=1, total=2)
EVERY = 100.0


@dataclass
class Artifact:
    version: int = 1


@dataclass
class Installed:
    is_new: bool = True
    artifact: Artifact = field(default_factory=Artifact)


class Shop:
    """Gives what it is told to, by model; nothing told: nothing is new."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.asked: list[str] = []
        self.answers: dict[str, Iterator[Any]] = {}

    def update(self, model: str, source: Any, /, *, progress: Any) -> Any:
        assert isinstance(source.source, FolderSource)
        self.asked.append(model)
        answer = next(self.answers.get(model, iter(())), Installed(is_new=False))
        if isinstance(answer, Exception):
            raise answer
        return answer

    def following(self, *models: str, jitter: float = 0.5) -> Following:
        system = System(monotonic=lambda: self.seconds, jitter=lambda: jitter)
        follows = [Follow(model, f"repository-of-{model}") for model in models]
        return Following(self.update, follows, every=EVERY, system=system)


@pytest.fixture
def shop() -> Shop:
    return Shop()


def test_at_the_start_and_once_in_a_period(shop: Shop) -> None:
    following = shop.following("a", "b")
    assert following.look() == EVERY
    assert shop.asked == ["a", "b"]
    shop.seconds = EVERY - 1
    assert following.look() == 1
    assert shop.asked == ["a", "b"]
    shop.seconds = EVERY
    following.look()
    assert shop.asked == ["a", "b", "a", "b"]


@pytest.mark.parametrize(("jitter", "seconds"), [(0.0, 90.0), (1.0, 110.0)])
def test_a_fleet_does_not_come_at_once(shop: Shop, jitter: float, seconds: float) -> None:
    assert shop.following("a", jitter=jitter).look() == pytest.approx(seconds)


def test_what_fails_is_tried_again_later_and_later(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    shop.answers["a"] = iter([REVOKED, MetadataExpired("too old"), REVOKED, REVOKED, REVOKED, REVOKED, Installed()])
    following = shop.following("a", "b", jitter=1.0)
    pauses = []
    with caplog.at_level(logging.INFO):
        for _ in range(6):
            due = following._follows[0].due = shop.seconds
            following.look()
            pauses.append(following._follows[0].due - due)
        following._follows[0].due = shop.seconds
        following.look()
    assert pauses == [10, 20, 40, 80, EVERY, EVERY]
    assert shop.asked.count("b") == 1, "the other one waits for nobody"
    told = [record.getMessage() for record in caplog.records]
    assert told[0] == "a: not updated (RELEASE_REVOKED), again in 10 s: it was taken back"
    assert "(METADATA_EXPIRED)" in told[1]
    assert told[-1] == "a: epoch 1 was installed"
    assert following._follows[0].failures == 0


def test_a_server_that_says_when_is_listened_to(shop: Shop) -> None:
    shop.answers["a"] = iter([ResourceExhausted("RATE", "too often", retry_after_seconds=33.0)])
    assert shop.following("a", jitter=0.0).look() == 33


def test_never_at_once(shop: Shop) -> None:
    shop.answers["a"] = iter([REVOKED])
    assert shop.following("a", jitter=0.0).look() == 1


def test_a_fault_of_ours_ends_nothing(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    shop.answers["a"] = iter([RuntimeError("a fault")])
    following = shop.following("a", "b")
    following.look()
    assert shop.asked == ["a", "b"]
    assert "(FAULT)" in caplog.text
    assert "RuntimeError: a fault" in caplog.text


def test_an_address_that_is_none(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    following = Following(shop.update, [Follow("a", "ftp://models.example")], system=System(jitter=lambda: 1.0))
    following.look()
    assert shop.asked == []
    assert "(SOURCE_FAILED)" in caplog.text


def test_a_period_is_not_too_short(shop: Shop) -> None:
    with pytest.raises(ValueError, match="10 s"):
        Following(shop.update, [], every=9.9)


def checking(source: Any, progress: Any) -> None:
    while True:
        progress(STEP)


def fetching(source: Any, progress: Any) -> None:
    while True:
        assert b"".join(source.stream("file")) == b"content"


@pytest.mark.parametrize("work", [checking, fetching])
def test_an_update_under_way_ends_with_the_agent(work: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    begun, ended = threading.Event(), threading.Event()
    (tmp_path / "file").write_bytes(b"content")

    def update(model: str, source: Any, /, *, progress: Any) -> Any:
        begun.set()
        try:
            work(source, progress)
        except SourceMissing:  # not tried again, and not written down as a refusal
            ended.set()
            raise

    with Following(update, [Follow("a", str(tmp_path))]):
        assert begun.wait(10)
        assert not ended.is_set()
    assert ended.is_set()
    assert caplog.text == ""
