"""Two logs that follow one another, and everything that can be wrong between them."""

import json
from dataclasses import dataclass, replace
from typing import Any

import pytest

from hallmark_tlog.canonical import encode_base64
from hallmark_tlog.checkpoint import Checkpoint
from hallmark_tlog.errors import NotSigned, OriginMismatch, SuccessionError
from hallmark_tlog.proof import TlogProof
from hallmark_tlog.prove import inclusion_proof
from hallmark_tlog.succession import Statement, parse_closing, parse_opening, verify_succession
from hallmark_tlog.vkey import KeyType
from unit.hallmark_tlog.virtual_log import LOG_ED25519, LOG_ML_DSA, LOG_VKEYS, ORIGIN, SoftKey, VirtualLog, sign_note

NEXT = "log.example/next"
NEXT_KEYS = (SoftKey.make(NEXT, KeyType.ED25519, 11), SoftKey.make(NEXT, KeyType.ML_DSA_44, 12))
FOREIGN = SoftKey.make("log.example/foreign", KeyType.ED25519, 13)


def entry(event_type: str, details: dict[str, Any]) -> bytes:
    members = {
        "details": details,
        "id": "an event",
        "subject": "log",
        "tenant": "system",
        "time": "2026-11-21T12:00:00.000000Z",
        "type": event_type,
        "v": 1,
    }
    return json.dumps(members, sort_keys=True, separators=(",", ":")).encode()


def closing_entry(**changes: Any) -> bytes:
    return entry("log.closed", {"successor": NEXT, "successor_vkeys": [str(key.vkey) for key in NEXT_KEYS]} | changes)


@dataclass(frozen=True)
class Pair:
    """`closing` goes to the end of the old log, `opening` to the beginning of the new one, unless a test says where."""

    closing: bytes
    opening_changes: dict[str, Any]
    behind: int = 0
    before: int = 0
    opening_type: str = "log.opened"
    new_keys: tuple[SoftKey, ...] = NEXT_KEYS
    new_origin: str = NEXT

    def statements(self) -> tuple[Statement, Statement]:
        old = VirtualLog([b"first", b"second", self.closing, *[b"behind"] * self.behind])
        note = sign_note(old.checkpoint, LOG_ED25519, LOG_ML_DSA)
        details = {
            "predecessor": ORIGIN,
            "predecessor_root": encode_base64(old.checkpoint.root),
            "predecessor_size": old.checkpoint.size,
            "predecessor_vkeys": [str(key) for key in LOG_VKEYS],
        }
        opening = entry(self.opening_type, {**details, **self.opening_changes})
        new = VirtualLog([*[b"before"] * self.before, opening, b"more"])
        checkpoint = Checkpoint(self.new_origin, new.checkpoint.size, new.checkpoint.root)
        return (
            Statement(self.closing, _proof(old, 2, note)),
            Statement(opening, _proof(new, self.before, sign_note(checkpoint, *self.new_keys))),
        )


def _proof(log: VirtualLog, index: int, note: bytes) -> bytes:
    return bytes(TlogProof(index, tuple(inclusion_proof(index, len(log.entries), log.read_hash)), note))


GOOD = Pair(closing_entry(), {})


def test_a_succession_is_a_fact_for_who_trusts_the_old_keys() -> None:
    fact = verify_succession(*GOOD.statements(), LOG_VKEYS)
    assert (fact.final.origin, fact.final.size) == (ORIGIN, 3)
    assert (fact.origin, fact.vkeys, fact.seen.origin) == (NEXT, tuple(key.vkey for key in NEXT_KEYS), NEXT)


def test_one_old_key_is_enough() -> None:
    for key in LOG_VKEYS:
        assert verify_succession(*GOOD.statements(), [key]).origin == NEXT


@pytest.mark.parametrize(
    ("pair", "error", "match"),
    [
        (replace(GOOD, behind=1), SuccessionError, "is not the last one"),
        (replace(GOOD, before=1), SuccessionError, "this is its entry 1"),
        (replace(GOOD, closing=closing_entry(successor=ORIGIN, successor_vkeys=[str(LOG_VKEYS[0])])), SuccessionError, "itself"),
        (replace(GOOD, closing=closing_entry(successor="log.example/x")), SuccessionError, "has another name"),
        (replace(GOOD, closing=closing_entry(successor_vkeys=[])), SuccessionError, "1 to 16 keys"),
        (replace(GOOD, closing=closing_entry(successor_vkeys=["x"])), SuccessionError, "three parts"),
        (replace(GOOD, closing=closing_entry(successor_vkeys=[str(FOREIGN.vkey)])), SuccessionError, "another name"),
        (replace(GOOD, closing=closing_entry(more=1)), SuccessionError, "the details of log.closed are"),
        (replace(GOOD, closing=entry("log.opened", {})), SuccessionError, "not a log.closed"),
        (replace(GOOD, closing=b"{}"), SuccessionError, "not an entry"),
        (replace(GOOD, opening_type="log.opened_after_loss"), SuccessionError, "not a log.opened"),
        (replace(GOOD, opening_changes={"predecessor": FOREIGN.vkey.name, "predecessor_vkeys": [str(FOREIGN.vkey)]}), SuccessionError, "it follows 'log.example/foreign'"),
        (replace(GOOD, opening_changes={"predecessor_size": 2}), SuccessionError, "ended at size 2"),
        (replace(GOOD, opening_changes={"predecessor_size": 0}), SuccessionError, "positive"),
        (replace(GOOD, opening_changes={"predecessor_size": True}), SuccessionError, "positive"),
        (replace(GOOD, opening_changes={"predecessor_root": encode_base64(bytes(32))}), SuccessionError, "root 0000"),
        (replace(GOOD, opening_changes={"predecessor_root": "x"}), SuccessionError, "root of a predecessor"),
        (replace(GOOD, opening_changes={"predecessor_root": 7}), SuccessionError, "is text"),
        (replace(GOOD, opening_changes={"predecessor_vkeys": [str(LOG_VKEYS[0])]}), SuccessionError, "does not know every key"),
        (replace(GOOD, new_keys=(SoftKey.make(NEXT, KeyType.ED25519, 14),)), NotSigned, "no given key"),
        (replace(GOOD, new_origin="log.example/x"), OriginMismatch, "log.example/x"),
    ],
)  # fmt: skip
def test_what_does_not_hold_together_is_refused(pair: Pair, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        verify_succession(*pair.statements(), LOG_VKEYS)


def test_keys_that_nobody_trusts_vouch_for_nothing() -> None:
    with pytest.raises(NotSigned):
        verify_succession(*GOOD.statements(), [FOREIGN.vkey])


def test_what_the_entries_say() -> None:
    closing, opening = (statement.entry for statement in GOOD.statements())
    assert parse_closing(closing).successor == NEXT
    assert (parse_opening(opening).predecessor, parse_opening(opening).size) == (ORIGIN, 3)
