"""Giving out leases in batches: unsigned payloads, one Merkle tree over them, one log entry with its root.

A batch is a few statements however many leases it has. Their events are held until the log has published the entry
(kms.events.releasing): a lease allows something.
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.engine import Connection

from hallmark_events.batch import BatchTree, join_path
from kms.consent.leases import Lease
from kms.consent.payload import StatusUri, lease_draft
from kms.consent.ports import Artifacts, Holders
from kms.consent.removal_port import Blocked
from kms.core.errors import FailedPrecondition, Reason
from kms.core.names import ChildName, DigestName
from kms.events.appending import BatchLeaf, Events
from kms.events.model import Batch, Draft, device_feed
from kms.events.payload import event_payload
from kms.log.model import LogEntry, LogPromise, promise_of

LEAVES_MIN: Final = 256
BATCH_MAX: Final = 8192
"""Leases in one transaction: it holds up other writers for a fraction of a second."""


@dataclass(frozen=True, slots=True)
class LeaseBatch:
    """Leases of one tenant, ready to be given out. `tree_size` tells nobody how many they are."""

    leases: Sequence[Lease]
    leaves: Sequence[BatchLeaf]
    tree_size: int
    promise: LogPromise

    @property
    def tenant(self) -> str:
        return self.leases[0].name.tenant


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What a lease needs beside a consent that holds."""

    holders: Holders
    artifacts: Artifacts
    blocked: Blocked

    def eligible(self, tx: Connection, leases: Sequence[Lease]) -> list[Lease]:
        """Those whose device is trusted and not overdue with a removal, and whose artifact is not withheld."""
        devices = self.devices(tx, frozenset(each.device for each in leases))
        withheld = self.artifacts.withheld(tx, frozenset(each.artifact for each in leases))
        return [each for each in leases if each.device in devices and each.artifact not in withheld]

    def check(self, tx: Connection, device: ChildName, artifact: DigestName) -> None:
        """Raises not-found, and FailedPrecondition that says what is missing: DEVICE_REVOKED, VERDICT_REFUSED,
        REMOVAL_OVERDUE; STATE_TRANSITION_INVALID for the artifact.
        """
        self.holders.check_known(tx, device)
        if device not in self.holders.trusted(tx, frozenset({device})):
            raise FailedPrecondition(
                Reason.VERDICT_REFUSED,
                f"the newest verdict about {device} is a refusal: it gets no lease until it is appraised again",
                resource=str(device),
            )
        if self.blocked.is_blocked(tx, frozenset({device})):
            raise FailedPrecondition(
                Reason.REMOVAL_OVERDUE,
                f"{device} has not proved a removal that is overdue: it gets no lease before that",
                resource=str(device),
            )
        if self.artifacts.withheld(tx, frozenset({artifact})):
            raise FailedPrecondition(
                Reason.STATE_TRANSITION_INVALID, f"{artifact} is revoked or suspended", resource=str(artifact)
            )

    def devices(self, tx: Connection, asked: Iterable[ChildName]) -> frozenset[ChildName]:
        """Those that may hold anything."""
        trusted = self.holders.trusted(tx, frozenset(asked))
        return trusted - self.blocked.is_blocked(tx, trusted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """`status_uri` names the public status lists."""

    events: Events
    status_uri: StatusUri

    def prepare(self, leases: Sequence[Lease], now: datetime) -> LeaseBatch:
        """At least one lease, all of one tenant. About 60 us each; no I/O.

        The tree is filled with random leaves up to a power of two, and places are drawn by lot: what a device reads in
        its own proof tells it nothing about the leases of others.
        """
        drafts = [self._draft(each, now) for each in leases]
        payloads = [event_payload(draft, issuer=self.events.issuer) for draft in drafts]
        size = max(LEAVES_MIN, 1 << (len(leases) - 1).bit_length())
        lot = random.Random(self.events.randomness.bytes(16))  # noqa: S311 - the seed is drawn for it
        lots = lot.sample(range(size), len(leases))
        filling = self.events.randomness.bytes(32 * size)
        padded = [filling[32 * place : 32 * place + 32] for place in range(size)]
        for place, payload in zip(lots, payloads, strict=True):
            padded[place] = payload
        tree = BatchTree(padded)
        leaves = [
            BatchLeaf(draft, payload, place, join_path(tree.path(place).path), device_feed(each.device))
            for each, draft, payload, place in zip(leases, drafts, payloads, lots, strict=True)
        ]
        tenant, batch_id = leases[0].name.tenant, self.events.new_id(now)
        entry = LogEntry(
            batch_id,
            "leases.issued",
            tenant,
            f"tenants/{tenant}/leases",
            now,
            {"root_sha256": tree.root.hex(), "tree_size": size},
        )
        return LeaseBatch(leases, leaves, size, promise_of(batch_id, entry.encode()))

    def issue_in(self, tx: Connection, batch: LeaseBatch) -> None:
        """Log entry and events; the caller writes the leases themselves, and notifies after the commit."""
        promise = batch.promise
        self.events.log.record_promised(tx, [promise])
        made = Batch(id=promise.event_key, tenant=batch.tenant, tree_size=batch.tree_size, promise=promise)
        self.events.hold_batch(tx, made, batch.leaves)

    def _draft(self, lease: Lease, now: datetime) -> Draft:
        uri = self.status_uri(lease.name.tenant, lease.status)
        return lease_draft(lease, self.events.new_id(now), uri=uri, now=now)
