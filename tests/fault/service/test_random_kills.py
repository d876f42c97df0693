"""Random SIGKILLs of the server and of its signer processes under load; then a checker goes through everything.

HALLMARK_FAULT_KILLS says how many (default 8; `make test-fault` takes 200), HALLMARK_FAULT_SEED which ones.
"""

import hashlib
import json
import os
import random
import signal
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from hallmark_tlog.audit import audit
from hallmark_tlog.checkpoint import Checkpoint
from hallmark_tlog.fetch import folder_fetcher
from hallmark_tlog.merkle import leaf_hash
from hallmark_tlog.reader import entries
from hallmark_tlog.verify import open_checkpoint
from hallmark_tlog.vkey import parse_vkey
from support.kill_load import Book, Caller, Load, answer
from support.secrets_on_disk import core_files, find_secrets, secrets_of
from support.service import RunningService, running_service

KILLS = int(os.environ.get("HALLMARK_FAULT_KILLS", "8"))
SEED = int(os.environ.get("HALLMARK_FAULT_SEED", "7"))
ASKED_AGAIN = 300


def test_random_kills_lose_nothing(tmp_path: Path, record_property) -> None:
    randomness = random.Random(SEED)
    killed: Counter[str] = Counter()
    seen: list[Checkpoint] = []
    with running_service(tmp_path / "home") as service:
        with Load(service, seed=SEED) as book:
            _wait_for_first_answers(book)
            for _ in range(KILLS):
                time.sleep(randomness.uniform(0.05, 0.8))
                killed[_kill_one(service, randomness, seen)] += 1
            _wait_for_more(book)
        assert book.findings == []
        service.stop()
        service.start()
        _check_answers(service, book)
        _check_keys(service, book)
        assert service.stop() == 0
        _check_log(service, book, seen)
        secrets = secrets_of(service.home)
        assert find_secrets(service.home, secrets) == []
        assert core_files(service.home) == []
    summary = (
        f"{sum(killed.values())} random kills (server {killed['server']}, signers {killed['signer']}), seed {SEED}: "
        f"{len(book.signed)} signatures, {len(book.versions)} keys, {book.rotations} rotations and "
        f"{len(book.leaves)} log entries acknowledged, none lost; {len(seen)} checkpoints consistent; "
        f"{len(secrets)} secrets in no file; {len(book.stumbles)} calls failed in a way that a retry cured"
    )
    record_property("fault summary", summary)


def _kill_one(service: RunningService, randomness: random.Random, seen: list[Checkpoint]) -> str:
    signers = _signer_pids(service)
    if seen and signers and randomness.random() < 0.5:
        pid = randomness.choice(signers)
        assert _core_limit(pid) in {"0", None}, "a signer process must leave no core file"
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        return "signer"
    service.kill()
    seen.append(_published(service))
    service.start()
    return "server"


def _signer_pids(service: RunningService) -> list[int]:
    assert service.process is not None
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError, IndexError, ValueError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                if parent == service.process.pid and b"hsm.pkcs11.worker" in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
    return sorted(found)


def _core_limit(pid: int) -> str | None:
    """None: it is gone, or has only just begun."""
    try:
        lines = (Path("/proc") / str(pid) / "limits").read_text().splitlines()
        ready = b"hsm.pkcs11.worker" in (Path("/proc") / str(pid) / "cmdline").read_bytes()
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - int(
            (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[19]
        ) / os.sysconf("SC_CLK_TCK")
    except OSError:
        return None
    if not ready or age < 2:
        return None
    return next(line for line in lines if line.startswith("Max core file size")).split()[4]


def _published(service: RunningService) -> Checkpoint:
    vkeys = _vkeys(service)
    note = (service.home / "public" / "checkpoint").read_bytes()
    return open_checkpoint(note, vkeys, origin=vkeys[0].name).checkpoint


def _vkeys(service: RunningService):
    return [parse_vkey(line) for line in (service.home / "public" / "verifier-keys").read_text().splitlines()]


def _wait_for_first_answers(book: Book) -> None:
    deadline = time.monotonic() + 60
    while len(book.signed) < 10:
        assert time.monotonic() < deadline, book.findings or "nothing was signed"
        time.sleep(0.05)


def _wait_for_more(book: Book) -> None:
    """The service works again after the last kill."""
    before, deadline = len(book.signed), time.monotonic() + 60
    while len(book.signed) < before + 10:
        assert time.monotonic() < deadline, book.findings or "nothing was signed after the last kill"
        time.sleep(0.05)


def _check_answers(service: RunningService, book: Book) -> None:
    """Never two answers to one request_id, also not now."""
    caller = Caller(service, "backend", book)
    again = random.Random(SEED).sample(sorted(book.signed), min(ASKED_AGAIN, len(book.signed)))
    for request_id in again:
        assert answer(book, caller, book.signed[request_id]), "what was acknowledged is not signed a second time"
    caller.close()
    assert [request_id for request_id, answers in book.answers.items() if len(answers) != 1] == []


def _check_keys(service: RunningService, book: Book) -> None:
    """Every acknowledged key is there with every acknowledged version, and signs."""
    with service.client() as client:
        for name, versions in book.versions.items():
            key = client.keys.get(name)
            assert versions <= {version.name for version in key.versions}
            assert key.primary_version == max(versions, key=_number) or len(key.versions) > len(versions)
            signature = client.signing.sign(name, b"afterwards")
            assert client.signing.verify(signature.key_version, signature.signature, b"afterwards")


def _number(version: str) -> int:
    return int(version.rpartition("/")[2])


def _check_log(service: RunningService, book: Book, seen: list[Checkpoint]) -> None:
    """It extends every checkpoint that was published before a kill, and holds each acknowledged entry once."""
    vkeys = _vkeys(service)
    fetch = folder_fetcher(service.home / "public")
    previous = [seen[0], seen[len(seen) // 2], seen[-1]] if seen else [None]
    for checkpoint in previous:
        report = audit(fetch, vkeys, origin=vkeys[0].name, previous=checkpoint)
    assert [checkpoint.size for checkpoint in seen] == sorted(checkpoint.size for checkpoint in seen)
    logged = list(entries(fetch, report.checkpoint.size))
    leaves = {leaf_hash(entry) for entry in logged}
    assert {what for leaf, what in book.leaves.items() if leaf not in leaves} == set()
    documents = [json.loads(entry) for entry in logged]
    signatures = [document for document in documents if document["type"] == "signature.created"]
    records = {(document["subject"], document["details"]["signature_sha256"]) for document in signatures}
    for answers in book.answers.values():
        ((version, signature, _),) = answers
        assert (version, hashlib.sha256(signature).hexdigest()) in records
    inputs = Counter(document["details"]["input_digest_sha256"] for document in signatures)
    once = hashlib.sha256(hashlib.sha512(b"afterwards").digest()).hexdigest()
    assert {digest: count for digest, count in inputs.items() if count > 1 and digest != once} == {}


@pytest.mark.parametrize("form", ["raw", "hex", "base64"])
def test_the_checker_sees_a_secret_that_is_there(form: str, tmp_path: Path) -> None:
    import base64

    secret = bytes(range(7, 39))
    shown = {"raw": secret, "hex": secret.hex().encode(), "base64": base64.b64encode(b"{..." + secret + b"}")}[form]
    (tmp_path / "server.log").write_bytes(b"before " + shown + b" after")
    (tmp_path / "core.123").write_bytes(b"")
    assert find_secrets(tmp_path, {"a seed": secret})[:1] == ["server.log shows a seed"]
    assert core_files(tmp_path) == ["core.123"]
    assert find_secrets(tmp_path, {"another": secret[::-1]}) == []
