"""After the kills: is everything there that was acknowledged, once, and is nothing there that may not be?

Each check raises AssertionError with what is wrong, and gives what it looked at where the summary tells it.
"""

import hashlib
import json
import random
from collections import Counter
from typing import Any

import pytest

from hallmark_client import Client, FailedPrecondition
from hallmark_tlog.audit import audit
from hallmark_tlog.checkpoint import Checkpoint
from hallmark_tlog.fetch import folder_fetcher
from hallmark_tlog.merkle import leaf_hash
from hallmark_tlog.reader import entries
from hallmark_tlog.verify import open_checkpoint
from hallmark_tlog.vkey import VerifierKey, parse_vkey
from support.kill_book import Answered, Ask, Book, Caller
from support.service import RunningService

_OF_A_KIND = 40
_AFTERWARDS = b"afterwards"
SIGNATURES = ("signature", "streamed signature")


def check_answers(service: RunningService, book: Book, *, seed: int) -> int:
    """Never two answers to one request_id, also not now; the dead epochs' openings apart. Gives how many were asked."""
    by_kind: dict[str, list[Ask]] = {}
    for ask in book.asks.values():
        if not _is_gone(ask, book):
            by_kind.setdefault(ask.kind, []).append(ask)
    callers = {role: Caller(service, role, book) for role in ("admin", "backend")}
    asked = 0
    for asks in by_kind.values():
        for ask in random.Random(seed).sample(asks, min(_OF_A_KIND, len(asks))):
            callers[ask.role].answer(ask)
            asked += 1
    for caller in callers.values():
        caller.close()
    assert book.findings == []
    assert book.contradictions() == []
    return asked


def _is_gone(ask: Ask, book: Book) -> bool:
    """What was opened cannot be opened again when its epoch was shredded; a deleted alias cannot be shown."""
    if ask.kind == "alias":
        return book.aliases.get(ask.about) is None
    sealed = next((each for each in book.sealed if each.opening is ask), None)
    return sealed is not None and sealed.version in book.shredded


def check_keys(client: Client, book: Book) -> None:
    """Every acknowledged version is there; keys that were left alone sign with the last one; the last names hold."""
    for name, versions in book.versions.items():
        key = client.keys.get(name)
        there = {version.name for version in key.versions}
        assert versions <= there, f"versions lost: {versions - there}"
        assert len(there) == len(versions), f"versions nobody asked for: {there - versions}"
        if name in book.labels:
            assert dict(key.labels) == dict(book.labels[name])
        if name in book.signing:
            assert key.primary_version == max(versions, key=_number)
            signature = client.signing.sign(name, _AFTERWARDS)
            assert signature.key_version == key.primary_version
            assert client.signing.verify(signature.key_version, signature.signature, _AFTERWARDS)
    targets = {alias.name.rpartition("/")[2]: alias.key.rpartition("/")[2] for alias in client.aliases.list()}
    assert targets == {name: target for name, target in book.aliases.items() if target is not None}


def check_revocations(client: Client, book: Book) -> None:
    """Each acknowledged one is in the feed, once, and what was revoked signs no more."""
    events = {event.subject: event.name for event in client.revocations.list()}
    assert len(list(client.revocations.list())) == len(events)
    assert events == book.revoked
    for subject in book.revoked:
        assert _is_refused(client, subject), f"{subject} signs although it is revoked"


def _is_refused(client: Client, name: str) -> bool:
    try:
        client.signing.sign(name, b"too late")
    except FailedPrecondition:
        return True
    return False


def check_envelopes(client: Client, book: Book) -> tuple[int, int]:
    """What was sealed opens, unless its epoch was shredded. How many do, and how many are gone."""
    sample = random.Random(1).sample(book.sealed, min(150, len(book.sealed)))
    gone = [sealed for sealed in sample if sealed.version in book.shredded]
    for sealed in sample:
        if sealed in gone:
            with pytest.raises(FailedPrecondition):
                sealed.opening.make(client)
        else:
            assert sealed.plaintext in sealed.opening.make(client).facts
    return len(sample) - len(gone), len(gone)


def check_log(service: RunningService, book: Book, seen: list[Checkpoint]) -> int:
    """It extends every checkpoint published before a kill and holds each acknowledged act once. Gives its size."""
    fetch, vkeys = folder_fetcher(service.home / "public"), _vkeys(service)
    for checkpoint in [seen[0], seen[len(seen) // 2], seen[-1]] if seen else [None]:
        report = audit(fetch, vkeys, origin=vkeys[0].name, previous=checkpoint)
    assert [checkpoint.size for checkpoint in seen] == sorted(checkpoint.size for checkpoint in seen)
    logged = list(entries(fetch, report.checkpoint.size))
    leaves = {leaf_hash(entry) for entry in logged}
    lost = [book.asks[key].kind for key, given in book.answers.items() if next(iter(given)).leaf not in leaves]
    assert lost == [], "acknowledged, and not in the log"
    documents = [json.loads(entry) for entry in logged]
    _check_signature_records(documents, book.answers_of(*SIGNATURES))
    _check_nothing_twice(documents, book)
    return len(logged)


def _check_signature_records(documents: list[dict[str, Any]], answers: list[tuple[Ask, Answered]]) -> None:
    signatures = [document for document in documents if document["type"] == "signature.created"]
    records = {(document["subject"], document["details"]["signature_sha256"]) for document in signatures}
    for _, answered in answers:
        version, signature = answered.facts
        assert isinstance(signature, bytes)
        assert (version, hashlib.sha256(signature).hexdigest()) in records
    inputs = Counter(document["details"]["input_digest_sha256"] for document in signatures)
    once = hashlib.sha256(hashlib.sha512(_AFTERWARDS).digest()).hexdigest()
    assert {digest: count for digest, count in inputs.items() if count > 1 and digest != once} == {}


def _check_nothing_twice(documents: list[dict[str, Any]], book: Book) -> None:
    """One entry for each act: all that callers were answered, and nothing they did not ask for."""
    types = Counter(document["type"] for document in documents if document["subject"].startswith("tenants/default/"))
    counts = book.counts()
    for kind, event_type in {
        "key": "key.created",
        "revocation": "revocation.created",
        "label": "key.updated",
        "alias": "alias.set",
        "deleted alias": "alias.deleted",
        "shredding": "epoch.shredded",
        "data key": "data-key.generated",
        "opening": "envelope.opened",
        "compromise": "key.compromise-reported",
    }.items():
        expected = counts[kind] + (counts["compromise"] if kind == "revocation" else 0)
        assert types[event_type] == expected, f"{types[event_type]} times {event_type}, {expected} acknowledged"
    # A compromise rotates by itself.
    assert types["key.rotated"] == counts["rotation"] + counts["compromise"]


def published(service: RunningService) -> Checkpoint:
    """What the world sees now."""
    vkeys = _vkeys(service)
    note = (service.home / "public" / "checkpoint").read_bytes()
    return open_checkpoint(note, vkeys, origin=vkeys[0].name).checkpoint


def _vkeys(service: RunningService) -> list[VerifierKey]:
    return [parse_vkey(line) for line in (service.home / "public" / "verifier-keys").read_text().splitlines()]


def _number(version: str) -> int:
    return int(version.rpartition("/")[2])
