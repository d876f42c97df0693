"""Facts about people: the log gets a salted commitment for each, and forgets when the salt is destroyed.

The value is never stored by the service: not here, not in the entry, not in an answer kept for replays (a fingerprint
over a guessable value tells it too: see `matches` for what a replay is compared with instead).
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, replace

from sqlalchemy.engine import Connection

from hallmark_tlog.entry import SALT_BYTES, commitment_to
from kms.core.randomness import Randomness
from kms.log.entries import openings_store
from kms.log.model import LogEntry, LogPromise
from kms.log.service import TransparencyLog


@dataclass(frozen=True, slots=True)
class Committed:
    """By name of the fact: its commitment (32 bytes, goes into the entry) and its salt (32 bytes, opens it)."""

    commitments: Mapping[str, bytes]
    salts: Mapping[str, bytes]


def commit(personal: Mapping[str, str], randomness: Randomness) -> Committed:
    """A fresh salt for each fact, so that equal values do not look equal. Names hold no NUL."""
    salts = {name: randomness.bytes(SALT_BYTES) for name in personal}
    return Committed({name: commitment_to(name, value, salts[name]) for name, value in personal.items()}, salts)


def record_with_facts(
    tx: Connection, log: TransparencyLog, entry: LogEntry, facts: Mapping[str, str], randomness: Randomness
) -> LogPromise:
    """`log.record` of an act of the service's own that names somebody: the salts commit with the act.

    They have no handle: an act of an operator is accounted for until somebody erases just this entry's, by its key.
    """
    committed = commit(facts, randomness)
    promise = log.record(tx, replace(entry, commitments=committed.commitments))
    rows = openings_store.openings(entry.event_key, committed.salts, tenant=entry.tenant)
    openings_store.insert_many(tx, rows)
    return promise


def matches(committed: Committed, personal: Mapping[str, str]) -> bool:
    """Whether a repeated call brings the facts of the first one: same names, and values that open the commitments."""
    return committed.commitments.keys() == personal.keys() and all(
        hmac.compare_digest(commitment_to(name, value, committed.salts[name]), committed.commitments[name])
        for name, value in personal.items()
    )
