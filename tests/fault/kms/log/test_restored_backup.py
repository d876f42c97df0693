"""A service whose data were set back to an old backup refuses to sign, and says who remembers what was published.

Each of the four memories alone is enough: public folder, guard file, token, a witness. With none of them nobody can
tell: the last test states that limit.
"""

import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from hallmark_tlog.audit import audit
from hallmark_tlog.checkpoint import parse_checkpoint
from hallmark_tlog.errors import ForkError
from hallmark_tlog.fetch import folder_fetcher
from hallmark_tlog.note import parse_note
from hallmark_tlog.vkey import parse_vkey
from support.fault_runs import long_only
from support.service import RunningService, running_service
from support.witnesses import LoopbackWitness, policy_text, running

DATABASE = "hallmark.db*"
TOKEN = "hsm"
PUBLIC = "public"
GUARD = "log-guard"
POLICY = "HALLMARK__LOG__WITNESS_POLICY"
REFUSAL = r"the transparency log refuses to sign: .*size (\d+).*the database holds only (\d+)"


@dataclass(frozen=True, slots=True)
class History:
    """A service that is stopped, its home as it was once, and as it became."""

    service: RunningService
    policy: Path
    old: Path
    new: Path
    guard: Path
    sizes: tuple[int, int]

    def set_back(self, *kept: str) -> None:
        """Everything is that of the backup, but for what is named; the guard file lies on a volume of its own."""
        home = self.service.home
        shutil.rmtree(home)
        shutil.copytree(self.old, home, symlinks=True)
        for pattern in kept:
            for path in [*home.glob(pattern)]:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            for path in self.new.glob(pattern):
                copy = shutil.copytree if path.is_dir() else shutil.copy
                copy(path, home / path.name)
        kept_guard = (self.new if GUARD in kept else self.old).with_name(
            f"{GUARD}-of-{'new' if GUARD in kept else 'old'}"
        )
        shutil.copy(kept_guard, self.guard)

    def refusal(self, remembered: int | None = None) -> str:
        """Why it does not start: somebody remembers so many entries. Nothing was signed or shown meanwhile."""
        shown = (self.service.home / PUBLIC / "checkpoint").read_bytes()
        with pytest.raises(RuntimeError, match=REFUSAL) as refused:
            self.service.start()
        assert (self.service.home / PUBLIC / "checkpoint").read_bytes() == shown
        text = str(refused.value)
        assert "Traceback" not in text
        assert f"size {self.sizes[1] if remembered is None else remembered}" in text
        assert f"holds only {self.sizes[0]}" in text
        assert "Restore a newer one" in text
        return text


@pytest.fixture(scope="module")
def witness() -> Iterator[LoopbackWitness]:
    witness = LoopbackWitness("remembers")
    with running(witness):
        yield witness


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory, witness: LoopbackWitness) -> Iterator[History]:
    folder = tmp_path_factory.mktemp("restored")
    guard, policy = folder / "another-volume" / GUARD, folder / "witnesses"
    policy.write_text(policy_text(witness, quorum=1))
    settings = f"[log]\nguard_file = {json.dumps(str(guard))}\nguard_token_interval_seconds = 1"
    copies = folder / "old", folder / "new"
    sizes = []
    with running_service(folder / "home", settings=settings) as service:
        for copy in copies:
            with service.client() as client:
                client.keys.create(f"key-{copy.name}", wait="published")
            _wait_for_witness(witness, service)
            service.stop()
            sizes.append(_shown(service.home).size)
            shutil.copytree(service.home, copy, symlinks=True)
            shutil.copy(guard, copy.with_name(f"{GUARD}-of-{copy.name}"))
            vkeys = (service.home / PUBLIC / "verifier-keys").read_text().splitlines()
            witness.trusts([parse_vkey(line) for line in vkeys])
            service.environment[POLICY] = str(policy)
            service.start()
        service.stop()
        del service.environment[POLICY]
        yield History(service, policy, *copies, guard, (sizes[0], sizes[1]))


def _shown(home: Path):
    return parse_checkpoint(parse_note((home / PUBLIC / "checkpoint").read_bytes()).text)


def _wait_for_witness(witness: LoopbackWitness, service: RunningService) -> None:
    """It has seen all that is published; not before it knows the log's keys."""
    deadline = time.monotonic() + 20
    while witness.trusted and witness.latest[_shown(service.home).origin].size < _shown(service.home).size:
        assert time.monotonic() < deadline, "the witness was not asked"
        time.sleep(0.05)


def test_each_memory_alone_is_enough(
    history: History, witness: LoopbackWitness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One test for all: the history takes longer than they do."""
    for kept, who in (
        (PUBLIC, "the public folder shows it"),
        (GUARD, "another-volume/log-guard shows it"),
        (TOKEN, "the token shows it"),
    ):
        history.set_back(kept)
        assert who in history.refusal()
    monkeypatch.setitem(history.service.environment, POLICY, str(history.policy))
    history.set_back()
    seen = witness.latest[_shown(history.service.home).origin].size
    assert seen > history.sizes[0], "it was asked after the backup, also in the life after the last copy"
    assert "witness remembers-0 has its signed checkpoint of size" in history.refusal(seen)


@long_only
def test_all_of_them_are_named(history: History) -> None:
    history.set_back(PUBLIC, GUARD, TOKEN)
    text = history.refusal()
    assert all(who in text for who in ("the public folder", "log-guard", "the token"))


@long_only
def test_the_newest_one_starts(history: History) -> None:
    history.set_back(DATABASE, PUBLIC, GUARD, TOKEN)
    history.service.start()
    assert history.service.stop() == 0


@long_only
def test_without_any_memory_only_an_auditor_can_tell(history: History) -> None:
    """The limit: everything was set back, the guard file and the token too, and no witness is asked. The log goes on,
    with other entries at the same places. Whoever kept a checkpoint of the lost part holds proof against it.
    """
    lost = parse_checkpoint(parse_note((history.new / PUBLIC / "checkpoint").read_bytes()).text)
    history.set_back()
    history.service.start()
    with history.service.client() as client:
        for number in range(lost.size - _shown(history.service.home).size + 1):
            client.keys.create(f"another-{number}", wait="published")
    assert history.service.stop() == 0
    public = history.service.home / PUBLIC
    vkeys = [parse_vkey(line) for line in (public / "verifier-keys").read_text().splitlines()]
    audit(folder_fetcher(public), vkeys, origin=lost.origin)
    with pytest.raises(ForkError):
        audit(folder_fetcher(public), vkeys, origin=lost.origin, previous=lost)
