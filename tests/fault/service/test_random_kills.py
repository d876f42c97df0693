"""Random SIGKILLs of the server and of its signer processes under load; then a checker goes through everything.

HALLMARK_FAULT_KILLS says how many (default 4; `make test-fault` takes 200), HALLMARK_FAULT_SEED which ones.
"""

import base64
import os
import random
import signal
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from hallmark_tlog.checkpoint import Checkpoint
from support.fault_runs import KILLS, SEED
from support.kill_book import Book
from support.kill_checks import (
    SIGNATURES,
    check_answers,
    check_envelopes,
    check_keys,
    check_log,
    check_revocations,
    published,
)
from support.kill_load import Load
from support.secrets_on_disk import core_files, find_secrets, secrets_of
from support.service import RunningService, running_service
from support.signer_processes import signer_pids

EVERY_KIND = {"key", "rotation", "label", "alias", "revocation", "opening", "data key", *SIGNATURES}


# CPython's ssl leaves a socket to the collector when its peer is killed between connecting and wrapping (seen once).
@pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")
def test_random_kills_lose_nothing(tmp_path: Path, record_property) -> None:
    randomness = random.Random(SEED)
    killed: Counter[str] = Counter()
    seen: list[Checkpoint] = []
    with running_service(tmp_path / "home", environment={"HALLMARK__HSM__SIGNERS": "2"}) as service:
        with Load(service, seed=SEED) as book:
            _wait_for(book, lambda: len(book.answers) >= 10)
            for _ in range(KILLS):
                time.sleep(randomness.uniform(0.05, 0.8))
                killed[_kill_one(service, randomness, seen)] += 1
            after = len(book.answers) + 10
            _wait_for(book, lambda: len(book.answers) >= after and set(book.counts()) >= EVERY_KIND)
        assert book.findings == []
        service.stop()
        service.start()
        check_answers(service, book, seed=SEED)
        with service.client() as client:
            check_keys(client, book)
            check_revocations(client, book)
            opened, gone = check_envelopes(client, book)
        assert service.stop() == 0
        size = check_log(service, book, seen)
        secrets = secrets_of(service.home)
        assert find_secrets(service.home, secrets) == []
        assert core_files(service.home) == []
    record_property("fault totals", _summary(killed, book, len(secrets)))
    record_property(
        "fault facts",
        f"{size} entries in the log, {len(seen)} checkpoints consistent, {opened} envelopes open, {gone} are shredded; "
        f"{len(book.stumbles)} calls failed in a way that a retry cured",
    )
    for stumble in book.stumbles[:3]:
        record_property("fault facts", stumble)


def _summary(killed: Counter[str], book: Book, secrets: int) -> str:
    """Read by people and by the last line of the run: what was acknowledged, all of which was found again."""
    counts = book.counts()
    return (
        f"{sum(killed.values())} random kills (server {killed['server']}, signers {killed['signer']}), seed {SEED}: "
        f"{sum(counts[kind] for kind in SIGNATURES)} signatures, {counts['key']} keys, {counts['rotation']} rotations, "
        f"{counts['revocation'] + counts['compromise']} revocations, {counts['label'] + counts['alias']} renamings, "
        f"{counts['opening'] + counts['data key']} envelopes and data keys, {counts['shredding']} shreddings, "
        f"{len(book.answers)} log entries acknowledged, lost = 0; {secrets} secrets in no file"
    )


def _kill_one(service: RunningService, randomness: random.Random, seen: list[Checkpoint]) -> str:
    signers = signer_pids(service)
    if seen and signers and randomness.random() < 0.5:
        with suppress(ProcessLookupError):
            os.kill(randomness.choice(signers), signal.SIGKILL)
        return "signer"
    service.kill()
    seen.append(published(service))
    service.start()
    return "server"


def _wait_for(book: Book, condition) -> None:
    deadline = time.monotonic() + 90
    while not condition():
        assert not book.findings, book.findings
        assert time.monotonic() < deadline, f"not in time: {book.counts()}"
        time.sleep(0.05)


@pytest.mark.parametrize("form", ["raw", "hex", "base64"])
def test_the_checker_sees_a_secret_that_is_there(form: str, tmp_path: Path) -> None:
    secret = bytes(range(7, 39))
    shown = {"raw": secret, "hex": secret.hex().encode(), "base64": base64.b64encode(b"{..." + secret + b"}")}[form]
    (tmp_path / "server.log").write_bytes(b"before " + shown + b" after")
    (tmp_path / "core.123").write_bytes(b"")
    assert find_secrets(tmp_path, {"a seed": secret})[:1] == ["server.log shows a seed"]
    assert core_files(tmp_path) == ["core.123"]
    assert find_secrets(tmp_path, {"another": secret[::-1]}) == []
