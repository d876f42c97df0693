"""After the kills: is all that was acknowledged of permission there, once, proved, and is nothing permitted again?"""

import base64
import json
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hallmark_client import Client
from hallmark_events.types import StatusValue
from hallmark_tlog.audit import audit
from hallmark_tlog.checkpoint import Checkpoint
from hallmark_tlog.fetch import folder_fetcher
from hallmark_tlog.merkle import leaf_hash, verify_inclusion
from hallmark_tlog.prove import inclusion_proofs
from hallmark_tlog.reader import TileReader, entries
from support.kill_book import Ask, Caller
from support.permission_acts import REMOVAL_TIME
from support.permission_book import GivenConsent, PermissionBook
from support.permission_phones import LivePhone, Phones, Trust
from support.service import RunningService

_OF_A_KIND = 30


@dataclass(frozen=True, slots=True)
class PhoneTotals:
    """Of all phones."""

    events: int
    repeated: int
    receipts: int
    allowed: int
    re_permitted: int


def check_consents(client: Client, consents: list[GivenConsent]) -> None:
    """Each in its acknowledged state, or in one that a caller asked for since; withdrawn ones with their removals."""
    for given in consents:
        ending, state, revision = given.is_ending, given.state, given.revision
        found = client.consents.get(given.name)
        assert found.revision >= revision, f"{given.name} went back to revision {found.revision}, {revision} was told"
        if state == "WITHDRAWN":
            assert found.state == state, f"{given.name} was withdrawn and is {found.state}"
            assert not any(lease.live for lease in client.consents.leases(consent=given.name))
            removals = {each.name for each in client.removals.list(consent=given.name)}
            assert removals == set(given.removals)
        elif not ending and not given.is_ending:
            assert found.state in {"GIVEN", "RENEWED"}, f"{given.name} is {found.state}, and nobody withdrew it"


def check_leases(client: Client, book: PermissionBook) -> int:
    """Each acknowledged one is there, one for consent, device and artifact; none lives longer than was promised."""
    found: Counter[tuple[str, str, str]] = Counter()
    names, withdrawn = set(), {each.name for each in book.withdrawn()}
    for lease in client.consents.leases(page_size=1000):
        found[lease.consent, lease.device, lease.artifact] += 1
        names.add(lease.name)
        assert not (lease.live and lease.consent in withdrawn), f"{lease.name} lives, and its consent was withdrawn"
        assert lease.expire_time + lease.offline_grace <= lease.not_before + REMOVAL_TIME
    assert set(found.values()) <= {1}
    assert set(book.leases.values()) <= names, "leases lost"
    for consent in book.withdrawn():
        asked = Counter((each.device, each.artifact) for each in client.removals.list(consent=consent.name))
        assert asked == Counter({key[1:]: 1 for key in found if key[0] == consent.name}), "one for each that was held"
    return len(names)


def check_artifacts(client: Client, book: PermissionBook) -> None:
    there = {each.name: (str(each.state), each.revision) for each in client.artifacts.list()}
    for name, (state, revision) in book.artifacts.items():
        assert there.get(name) == (state, revision), f"{name}: {there.get(name)}, told was {state} {revision}"


def check_removals(client: Client, phones: Phones, trust: Trust) -> int:
    """Every receipt that a phone was answered is kept as it gave it, countersigned. How many."""
    count = 0
    for phone in phones.all:
        memory = phone.memory
        for name, answer in memory.answers.items():
            if not answer["grade"]:
                continue
            found = client.removals.get(name)
            assert (found.state, found.grade) == ("DELETED", "A1"), f"{name}: {found.state}"
            assert found.receipt is not None
            assert found.receipt.set == base64.b64decode(memory.receipts[name]["set"])
            assert found.receipt.countersigned == base64.b64decode(answer["countersigned"])
            found.receipt.verify(trust.keys, name)
            count += 1
    return count


def check_answers(service: RunningService, book: PermissionBook, phones: Phones, *, seed: int) -> int:
    """Never two answers to one request_id, also not now. How many were asked again."""
    by_kind: dict[str, list[Ask]] = {}
    for ask in book.asks.values():
        by_kind.setdefault(ask.kind, []).append(ask)
    homes = {phone.name: phone for phone in phones.all}
    asked = 0
    for asks in by_kind.values():
        for ask in random.Random(seed).sample(asks, min(_OF_A_KIND, len(asks))):
            home = service if ask.role != "device" else homes[str(next(iter(book.answers[ask.request_id])).facts[2])]
            caller = Caller(home, ask.role, book)  # type: ignore[arg-type]
            caller.answer(ask)
            caller.close()
            asked += 1
    assert book.findings == []
    assert book.contradictions() == []
    return asked


def check_promises(public: Path, trust: Trust, book: PermissionBook, phones: Phones, seen: Sequence[Checkpoint]) -> int:
    """Each promise is proved from the public files alone, under a log that extends every earlier one. How many."""
    fetch, vkeys = folder_fetcher(public), trust.log
    for checkpoint in [seen[0], seen[len(seen) // 2], seen[-1]]:
        report = audit(fetch, vkeys, origin=vkeys[0].name, previous=checkpoint)
    size, root = report.checkpoint.size, report.checkpoint.root
    logged = list(entries(fetch, size))
    paths = list(inclusion_proofs(0, size, size, TileReader(fetch, size).read_hash))
    index = {leaf_hash(entry): number for number, entry in enumerate(logged)}
    promised = {next(iter(given)).leaf for given in book.answers.values()} - {b""}
    promised |= {bytes.fromhex(answer["leaf"]) for phone in phones.all for answer in phone.memory.answers.values()}
    promised -= {b""}
    lost = [leaf.hex() for leaf in promised if leaf not in index]
    assert lost == [], "acknowledged, and not in the log"
    for leaf in promised:
        verify_inclusion(index[leaf], size, leaf, paths[index[leaf]], root)
    _check_nothing_twice([json.loads(entry) for entry in logged], book)
    return len(promised)


def _check_nothing_twice(documents: list[dict[str, Any]], book: PermissionBook) -> None:
    """One entry for each act: all that callers were answered, and nothing they did not ask for."""
    types = Counter(document["type"] for document in documents if document["subject"].startswith("tenants/default/"))
    counts = book.counts()
    assert types["consent.granted"] == counts["consent"]
    assert types["consent.renewed"] == counts["renewal"]
    assert types["consent.ended"] == counts["withdrawal"]
    assert types["artifact.status-set"] == counts["artifact suspended"] + counts["artifact valid"]
    assert types["revocation.created"] == counts["revocation"]
    assert types["removal.requested"] == sum(len(consent.removals) for consent in book.withdrawn())
    completed = Counter(document["subject"] for document in documents if document["type"] == "removal.completed")
    assert set(completed.values()) <= {1}


def check_phones(phones: Phones) -> PhoneTotals:
    """No phone was ever allowed what it had heard to be over, no event came back after a newer one, no kill forgot."""
    events = repeated = receipts = allowed = 0
    for phone in phones.all:
        memory = phone.memory
        assert memory.wrong == []
        assert phone.found == []
        for run in memory.runs:
            twice = [each for each, count in Counter(run).items() if count > 1]
            assert twice == [], f"{phone.name} was told twice without a kill between"
        for (feed, subject), told in memory.history.items():
            assert len(told) == len(set(told)), f"{subject} in {feed}: an earlier event was applied again: {told}"
        events += sum(map(len, memory.runs)) - memory.repeated
        repeated += memory.repeated
        receipts += sum(1 for answer in memory.answers.values() if answer["grade"])
        allowed += len(memory.allowed)
    re_permitted = sum(len(phone.re_permitted()) for phone in phones.all)
    return PhoneTotals(events, repeated, receipts, allowed, re_permitted)


def check_withdrawn_everywhere(book: PermissionBook, phones: list[LivePhone]) -> int:
    """Nothing of a withdrawn consent is usable on any phone; what was given and not taken back is on those it names."""
    usable = 0
    for phone in phones:
        over = [each for consent in book.withdrawn() for each in (consent.name, *consent.artifacts)]
        assert [use for use in phone.uses(over) if use.is_allowed] == []
        revoked = [name for name, (state, _) in book.artifacts.items() if state != "VALID"]
        assert [use for use in phone.uses(revoked) if use.is_allowed] == []
        held = {lease for (consent, device, artifact), lease in book.leases.items() if device == phone.name}
        usable += sum(use.is_allowed for use in phone.uses(sorted(held)))
    return usable


def check_status(values: dict[str, StatusValue], book: PermissionBook) -> None:
    """values: of the global feed's subjects, from the public files."""
    for name, (state, _) in book.artifacts.items():
        wanted = {"VALID": StatusValue.VALID, "SUSPENDED": StatusValue.SUSPENDED, "REVOKED": StatusValue.INVALID}[state]
        assert values.get(name) == wanted, f"{name} is {state}, the files say {values.get(name)}"
