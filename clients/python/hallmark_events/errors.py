"""Everything that can be wrong with events, leases, status lists and snapshots, as one tree.

EventsError
├── EventInvalid          not an event set of ours: drop it and tell the server with AcknowledgeEvents.set_errs
│   └── SubjectInvalid    not a subject identifier of RFC 9493 or SSF 1.0
├── SignatureInvalid      nobody trusted has signed this: drop it, and do not obey
│   └── KeyUnknown        signed by a key version that is not among the trusted keys: fetch the keys, then try again
├── ProofMissing          it widens what is allowed and brings no proof of the log: do not obey before it does
├── ProofInvalid          its proof does not show it in the log: drop it, keep both as evidence, tell the auditor
├── Stale                 true once, but not fresh: ask again, with a fresh nonce or past the caches
├── RolledBack            older than what is known already: keep what is held, refuse the sender, tell the auditor
├── StateDiffers          what is held is not what the server holds: ask for a full transfer
├── StateInvalid          stored bytes are not a state of ours: begin with a full transfer, restrictions are lost
├── LeaseInvalid          the event grants no lease that can be understood: what it is for stays as it was
├── StatusListInvalid     not a status list or a token of one, or no such index: keep the last good one
├── SnapshotInvalid       a manifest, state, delta or list that is not what it claims: keep the last good one
└── TokenInvalid          not a JWS of the algorithms, keys and type that were asked for: refuse it
"""


class EventsError(Exception):
    """Base of all errors of this package."""


class EventInvalid(EventsError):
    """The bytes are not a Security Event Token claims set as Hallmark writes it (RFC 8417, docs of `event_set`)."""


class SubjectInvalid(EventInvalid):
    """The value is not a subject identifier (RFC 9493) or a complex subject (SSF 1.0, section 3.5)."""


class SignatureInvalid(EventsError):
    """No trusted key has signed these bytes under this context."""


class KeyUnknown(SignatureInvalid):
    """`key_version` is not among the trusted keys."""

    def __init__(self, key_version: str) -> None:
        super().__init__(f"{key_version[:200]!r} is not among the trusted keys: fetch the service's keys and try again")
        self.key_version = key_version


class ProofMissing(EventsError):
    """What widens is obeyed on a proof only, and there is none."""


class ProofInvalid(EventsError):
    """A Merkle path, log entry or tlog-proof that does not lead to what it is for."""


class Stale(EventsError):
    """Signed, but for another nonce, or past the time it holds until."""


class RolledBack(EventsError):
    """A history, a number or a revision below one that was seen before."""


class StateDiffers(EventsError):
    """Digest or epoch say that something was missed. A full transfer heals it."""


class StateInvalid(EventsError):
    """The bytes of a stored state are damaged."""


class LeaseInvalid(EventsError):
    """The members of lease-granted are missing, of another type, or contradict each other."""


class StatusListInvalid(EventsError):
    """Breaks draft-ietf-oauth-status-list-21: bits, size, encoding, claims, or an index out of range."""


class SnapshotInvalid(EventsError):
    """A file of the read plane that is malformed, of another size or hash, or does not fit its manifest."""


class TokenInvalid(EventsError):
    """A JWS with another structure, algorithm, key or type than asked for."""
