"""Which events may be obeyed: restrict on signature, permit on proof.

An event that takes something back is obeyed on the service's signature alone, at once. An event that widens what is
allowed must also stand in the log, so that nobody who steals the signing key grants anything in secret. Leases come
unsigned, as leaves of a batch: their log entry is all the proof they have, so they always need it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hallmark_composite import CompositePublicKey
from hallmark_events.batch import BatchPath
from hallmark_events.errors import EventInvalid, ProofInvalid, SignatureInvalid
from hallmark_events.event_set import EventSet
from hallmark_events.heartbeat import HeartbeatEvidence, VerifiedHeartbeat, verify_heartbeat
from hallmark_events.trust import (
    LogEvidence,
    Logged,
    LogTrust,
    Signature,
    check_logged_batch,
    check_logged_payload,
    check_signature,
)
from hallmark_events.types import EVENT_CONTEXT, StatusValue, widens
from hallmark_tlog.errors import InclusionError
from hallmark_tlog.merkle import inclusion_root, leaf_hash


@dataclass(frozen=True, slots=True, kw_only=True)
class EventEvidence:
    """What comes with an event: hallmark.v1.Event without its set. Either a signature or a batch."""

    signature: Signature | None = None
    batch: BatchPath | None = None
    log: LogEvidence = field(default_factory=LogEvidence)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedEvent:
    """An event that may be applied, and why: who signed it (None for a leaf of a batch), where it is logged."""

    event: EventSet
    signed_by: str | None
    logged: Logged | None
    """None where a restriction was believed on its signature."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventVerifier:
    """What one receiver believes. Given an `issuer` or a `parent` ("tenants/{tenant}"), it accepts no others."""

    trusted_keys: Mapping[str, CompositePublicKey]
    log_policy: LogTrust
    issuer: str | None = None
    parent: str | None = None

    def verify_event(
        self, event: EventSet | bytes, evidence: EventEvidence, *, before: StatusValue | None
    ) -> VerifiedEvent:
        """before: what is held of the event's subject (`FeedState.status_of`); it decides whether the event widens.

        1. of our issuer and tenant  2. signed, or in a batch  3. in the log, when it widens or is in a batch

        Raises EventInvalid, KeyUnknown, SignatureInvalid, ProofMissing, ProofInvalid.
        """
        if isinstance(event, bytes):
            event = EventSet.parse(event)
        self._check_scope(event)
        match evidence:
            case EventEvidence(signature=None, batch=BatchPath() as place):
                return VerifiedEvent(event=event, signed_by=None, logged=self._in_batch(event, place, evidence.log))
            case EventEvidence(signature=Signature() as signature, batch=None):
                check_signature(event.data, signature, self.trusted_keys, context=EVENT_CONTEXT)
            case _:
                raise SignatureInvalid("an event has either a signature or its place in a batch")
        logged = None
        if widens(event, before):
            logged = check_logged_payload(event.sha256, evidence.log, self.log_policy)
            _check_tenant(event, logged)
        return VerifiedEvent(event=event, signed_by=signature.key_version, logged=logged)

    def verify_heartbeat(self, evidence: HeartbeatEvidence, *, nonce: bytes, parent: str) -> VerifiedHeartbeat:
        """nonce: the one this stream or question was opened with. Raises what `heartbeat.verify_heartbeat` does."""
        fact = verify_heartbeat(evidence, self.trusted_keys, nonce=nonce, parent=parent)
        if self.issuer is not None and fact.issuer != self.issuer:
            raise EventInvalid(f"the heartbeat is of {fact.issuer[:200]!r}, not of {self.issuer!r}")
        return fact

    def _check_scope(self, event: EventSet) -> None:
        if self.issuer is not None and event.issuer != self.issuer:
            raise EventInvalid(f"the event is of {event.issuer[:200]!r}, not of {self.issuer!r}")
        if self.parent is not None and not event.subject.startswith(self.parent + "/"):
            raise EventInvalid(f"the event is about {event.subject!r}, which is not below {self.parent!r}")

    def _in_batch(self, event: EventSet, place: BatchPath, log: LogEvidence) -> Logged:
        try:
            root = inclusion_root(place.leaf_index, place.tree_size, leaf_hash(event.data), place.path)
        except InclusionError as error:
            raise ProofInvalid(f"the place in the batch is not one: {error}") from error
        logged = check_logged_batch(root, place.tree_size, log, self.log_policy)
        _check_tenant(event, logged)
        return logged


def _check_tenant(event: EventSet, logged: Logged) -> None:
    """Where its tenant's auditor looks, and not among the entries of somebody else."""
    if not event.subject.startswith(f"tenants/{logged.entry.tenant}/"):
        raise ProofInvalid("the log entry is of another tenant")
