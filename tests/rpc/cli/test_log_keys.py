"""Keys of the log that follow one another, logs that do, and homes that were set back: on the real service."""

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hallmark_client import FailedPrecondition
from hallmark_tlog.fetch import folder_fetcher
from hallmark_tlog.note import parse_note
from hallmark_tlog.proof import verify_proof
from hallmark_tlog.succession import Statement, verify_succession
from hallmark_tlog.verify import Require, open_checkpoint
from hallmark_tlog.vkey import VerifierKey, parse_vkey
from rpc.cli.conftest import warm_program as program
from rpc.wire import fresh_name
from support.service import RunningService, running_service

NEXT = "log.example/next"


@pytest.fixture
def own_service(tmp_path: Path) -> Iterator[RunningService]:
    """Of this test alone, with its guard file beside the home."""
    settings = f'[log]\nguard_file = "{tmp_path / "elsewhere" / "log-guard"}"\n'
    with running_service(tmp_path / "home", settings=settings) as running:
        yield running


def vkeys_of(service: RunningService) -> list[VerifierKey]:
    with service.client("auditor") as client:
        return [parse_vkey(line) for line in client.capabilities().log.verifier_keys]


def act(service: RunningService):
    """One act, published. Its promise."""
    with service.client() as client:
        return client.keys.create(fresh_name(), wait="published").log


def signed_by(service: RunningService, count: int) -> bytes:
    """The checkpoint, once it has so many lines."""
    deadline = time.monotonic() + 20
    while True:
        note = (service.home / "public" / "checkpoint").read_bytes()
        if len(parse_note(note).signatures) == count:
            return note
        assert time.monotonic() < deadline, note
        time.sleep(0.05)


def verified(folder: Path, public: Path, vkeys: list[VerifierKey]) -> dict:
    (folder / "log.vkey").write_text("".join(f"{key}\n" for key in vkeys))
    outcome = program("log", "verify", "--public", str(public), "--vkey", "log.vkey", "--json", folder=folder)
    assert outcome.code == 0, outcome.out
    return outcome.document


def test_a_new_ml_dsa_key_signs_beside_the_old_one(own_service: RunningService, tmp_path: Path) -> None:
    public = own_service.home / "public"
    old = vkeys_of(own_service)
    rotated = program("log", "rotate-key", "--overlap", "12h", "--json", home=own_service.home, folder=tmp_path)
    assert rotated.code == 0, rotated.out
    note = signed_by(own_service, 3)
    new = vkeys_of(own_service)
    assert [str(key) for key in new] == [*map(str, old), rotated.document["key"]["vkey"]]
    for trusted in (old, new, new[-1:], old[-1:]):
        open_checkpoint(note, trusted, require=Require.ALL)
        verified(tmp_path, public, trusted)
    assert (public / "verifier-keys").read_text().splitlines() == [str(key) for key in new]
    with own_service.client() as client:
        listed = client.log.keys.list()
        assert [(key.number, key.retire_time is None) for key in listed] == [(1, True), (1, False), (2, True)]
        with pytest.raises(FailedPrecondition, match="has not retired yet"):
            client.log.keys.rotate()
    promise = act(own_service)
    for trusted in (old, new):
        verify_proof(promise.tlog_proof, promise.entry, trusted, require=Require.ALL)


def test_a_home_that_was_set_back_as_a_whole_is_refused(own_service: RunningService, tmp_path: Path) -> None:
    act(own_service)
    own_service.stop()
    shutil.copytree(own_service.home, tmp_path / "backup")
    own_service.start()
    act(own_service)
    own_service.stop()
    shutil.rmtree(own_service.home)
    (tmp_path / "backup").rename(own_service.home)
    with pytest.raises(RuntimeError, match="refuses to sign") as caught:
        own_service.start()
    assert f"the guard file {tmp_path}/elsewhere/log-guard" in str(caught.value)
    assert "hallmark log succeed --after-rollback" in str(caught.value)
    shown = (own_service.home / "public" / "checkpoint").read_bytes()
    home = ("--home", str(own_service.home), "--config", str(own_service.home / "settings.toml"))
    done = program("log", "succeed", "--after-rollback", "--new-origin", NEXT, *home, "--json", folder=tmp_path)
    assert done.code == 0, done.out
    assert done.document["origin"] == NEXT
    assert (own_service.home / "public" / "checkpoint").read_bytes() == shown


def test_one_log_follows_another(own_service: RunningService, tmp_path: Path) -> None:
    public, old = own_service.home / "public", vkeys_of(own_service)
    first = act(own_service)
    home = ("--home", str(own_service.home), "--config", str(own_service.home / "settings.toml"))
    succeed = ("log", "succeed", "--new-origin", NEXT, *home, "--json")
    running = program(*succeed, folder=tmp_path)
    assert running.code != 0, "its server runs"
    own_service.stop()
    done = program(*succeed, folder=tmp_path)
    assert done.code == 0, done.out
    assert program(*succeed, folder=tmp_path).document == done.document, "done is done"
    own_service.start()
    second, new = act(own_service), vkeys_of(own_service)
    assert {key.name for key in new} == {NEXT}
    verify_proof(second.tlog_proof, second.entry, new, origin=NEXT, require=Require.ALL)
    assert verified(tmp_path, public, old)["size"] == done.document["final_size"]
    assert verified(tmp_path, public / "logs" / "2", new)["size"] > 1
    chain = json.loads((public / "logs.json").read_text())["logs"]
    assert [(log["origin"], log["closed"]) for log in chain] == [(old[0].name, True), (NEXT, False)]
    with own_service.client("auditor") as client:
        proof = client.log.inclusion_proof(event_key=first.event_key)
        verify_proof(proof.tlog_proof, first.entry, old, origin=old[0].name)
        opening = client.log.inclusion_proof(leaf_index=0)
        key = json.loads(_last_entry(public))["id"]
        closing = client.log.inclusion_proof(event_key=key)
    fact = verify_succession(
        Statement(closing.entry, closing.tlog_proof), Statement(opening.entry, opening.tlog_proof), old
    )
    assert (fact.origin, list(fact.vkeys)) == (NEXT, new)


def _last_entry(public: Path) -> bytes:
    from hallmark_tlog.reader import read_bundle

    fetch = folder_fetcher(str(public))
    size = int(fetch("checkpoint").split(b"\n")[1])
    return read_bundle(fetch, (size - 1) // 256, size)[-1]
