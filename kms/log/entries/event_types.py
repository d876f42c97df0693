"""Every kind of act that this service records by itself, and exactly what its entries tell.

`LogEntry` refuses an entry that is not as its row here says; docs/log.md shows the same rows to auditors (a test holds
one against the other). The service's types have one dot. Types with
two and more are the callers' own, in reverse domain form (com.example.model.released), with the details `by` and
`facts`.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class EventType:
    """`details` are always there, `optional` ones where they have something to say, `committed` as commitments."""

    subject: str
    details: tuple[str, ...]
    optional: tuple[str, ...] = ()
    committed: tuple[str, ...] = ()


_SETTINGS: Final = (
    "purpose",
    "export_policy",
    "destroy_wait_seconds",
    "rotation_period_seconds",
    "publish_lead_seconds",
    "verify_tail_seconds",
    "usage_total",
    "usage_per_second",
    "usage_not_after",
)
_WHERE_SET: Final = ("attestation_gate", "sensitivity")
_VERSION: Final = ("algorithm", "public_key_sha256", "state")
_MAKING: Final = ("protection_level", "origin", "exportable", "halves", "token")
_TOKEN: Final = ("token_serial",)
_SIGNED: Final = ("payload_sha256", "signed_by")
_VERDICT: Final = (
    "format",
    "authentic",
    "appraised",
    "reasons",
    "not_checked",
    "evidence_sha256",
    "input_sha256",
    "result_sha256",
)
_PIECE: Final = ("issue_time", "key", "kind", "next_update", "sha256")
_ANCHOR: Final = ("formats", "spki_sha256", "terms_sha256", "uses")
_CONSENT: Final = ("controller", "pii_principal_id", "purposes", "receipt_sha256")
_ENVELOPE: Final = ("algorithm", "envelope_sha256", "info_sha256")
_RELEASE: Final = (
    "envelope_sha256",
    "epoch",
    "index_sha256",
    "key_version",
    "kind",
    "minimum_epoch",
    "model",
    "requires_consent",
    "version",
)
_IMPORTED: Final = ("wrapping_key", "envelope_sha256", "exported_as")

_VERSION_TYPE: Final = EventType("key version", _VERSION, ("protection_level",))

EVENT_TYPES: Final[dict[str, EventType]] = {
    "alias.deleted": EventType("alias", ("key",)),
    "alias.set": EventType("alias", ("key",)),
    "anchor.added": EventType("anchor", _ANCHOR, _SIGNED),
    "anchor.removed": EventType("anchor", _ANCHOR, _SIGNED),
    "assurance.changed": EventType(
        "device", ("current_level", "previous_level", "initiating_entity", "verdict", *_SIGNED)
    ),
    "artifact.status-set": EventType("artifact", ("state", "revision", *_SIGNED)),
    "collateral.removed": EventType("collateral", _PIECE),
    "collateral.updated": EventType("collateral", _PIECE),
    "consent.ended": EventType(
        "consent", ("effective_time", "initiating_entity", "revision", "state", *_SIGNED), (), ("reason",)
    ),
    "consent.granted": EventType("consent", ("expire_time", "removal_seconds", "revision", *_SIGNED), (), _CONSENT),
    "consent.renewed": EventType("consent", ("expire_time", "revision", *_SIGNED)),
    "data-key.generated": EventType("key version", _ENVELOPE, ("verdict",)),
    "device.attested": EventType("verdict", (*_VERDICT, "device_class"), ("certificate_sha256", "hpke_key_sha256")),
    "device.compliance-changed": EventType(
        "device", ("current_status", "previous_status", "initiating_entity", *_SIGNED)
    ),
    "device.reappraised": EventType("verdict", (*_VERDICT, "before")),
    "device.refused": EventType("verdict", _VERDICT),
    "envelope.opened": EventType("key version", _ENVELOPE, ("verdict",)),
    "epoch.shredded": _VERSION_TYPE,
    "feeds.restarted": EventType("tenant", ("epoch", "reason")),
    "key-encryption-key.retired": EventType("the service's keys", ("retired", "newest")),
    "key-version.activated": _VERSION_TYPE,
    "key-version.deactivated": _VERSION_TYPE,
    "key-version.destroy-scheduled": EventType("key version", _VERSION, ("protection_level", "destroy_time")),
    "key-version.destroyed": _VERSION_TYPE,
    "key-version.restored": _VERSION_TYPE,
    "key-version.resumed": _VERSION_TYPE,
    "key-version.suspended": _VERSION_TYPE,
    "key.compromise-reported": EventType("key or key version", ("compromise_time", "versions")),
    "key.created": EventType("key version", (*_SETTINGS, *_VERSION, *_MAKING), _WHERE_SET, _TOKEN),
    "key.exported": EventType(
        "key version", ("public_key_sha256", "recipient_algorithm", "recipient_sha256", "envelope_sha256", "proposal")
    ),
    "key.imported": EventType("key version", (*_SETTINGS, *_VERSION, *_MAKING, *_IMPORTED), _WHERE_SET, _TOKEN),
    "key.rotated": EventType("key version", (*_VERSION, *_MAKING), (), _TOKEN),
    "key.updated": EventType("key", _SETTINGS, _WHERE_SET),
    "keys.rewrapped": EventType("the service's keys", ("count", "from", "to")),
    "leases.issued": EventType("leases", ("root_sha256", "tree_size")),
    "log.closed": EventType("`log`", ("successor", "successor_vkeys")),
    "log.commitments_erased": EventType("tenant", ("erased_entries",), ("of",), ("person", "reason")),
    "log.key_added": EventType("`log`", ("algorithm", "number", "origin", "vkey", "replaces", "replaced_until")),
    "log.key_retired": EventType("`log`", ("algorithm", "number", "origin", "vkey")),
    "log.opened": EventType("`log`", ("predecessor", "predecessor_vkeys", "predecessor_size", "predecessor_root")),
    "log.opened_after_loss": EventType(
        "`log`",
        ("predecessor", "predecessor_vkeys", "predecessor_size", "predecessor_root", "predecessor_kept"),
    ),
    "model.minimum-version-set": EventType("model", ("minimum_version", "revision", *_SIGNED)),
    "policy.activated": EventType("policy version", ("policy_sha256", "replaces"), _SIGNED),
    "policy.set": EventType("policy version", ("policy_sha256",), _SIGNED),
    "proposal.approved": EventType(
        "proposal", ("approver_key_sha256", "signature_sha256"), (), ("approver", "payload_sha256")
    ),
    "proposal.created": EventType(
        "proposal", ("act", "approvals_needed", "expire_time", "of"), (), ("proposer", "payload_sha256")
    ),
    "proposal.executed": EventType("proposal", ("act", "approvals", "of"), (), ("payload_sha256",)),
    "proposal.rejected": EventType("proposal", (), (), ("rejecter",)),
    "removal.completed": EventType(
        "removal",
        ("countersigned_sha256", "grade", "receipt_sha256", "signed_by"),
        ("evidence_sha256", "payload_sha256"),
    ),
    "removal.day-closed": EventType("removals of a day", ("day", "root_sha256", "tree_size", *_SIGNED)),
    "removal.overdue": EventType("removal", ("deadline",)),
    "removal.requested": EventType("removal", ("deadline", "effective_time", *_SIGNED)),
    "revocation.created": EventType("what was revoked", ("effective_time", "initiating_entity", "reason", *_SIGNED)),
    "signature.created": EventType(
        "key version",
        ("algorithm", "context_sha256", "input_digest_sha256", "signature_sha256"),
        ("format", "verdict"),
    ),
    "ssf-receiver.created": EventType("SSF receiver", ("audience_sha256", "token_sha256")),
    "ssf-receiver.deleted": EventType("SSF receiver", ()),
    "status.published": EventType("status lists", ("number", *_SIGNED)),
    "tenant.created": EventType("tenant", ("channels", "quotas", "revision"), (), ("by",)),
    "tenant.state-changed": EventType("tenant", ("revision", "state"), (), ("by", "reason")),
    "tenant.updated": EventType("tenant", ("changed", "channels", "quotas", "revision"), (), ("by",)),
    "trust-bundle.issued": EventType("trust bundle", ("sequence", *_SIGNED)),
    "access-policy.activated": EventType("access policy", ("replaces",), ("document_sha256", *_SIGNED), ("by",)),
    "access-policy.set": EventType("access policy", ("document_sha256", *_SIGNED), (), ("by",)),
    "grant.created": EventType("grant", ("actions", "expire_time"), (), ("by", "principal", "reason", "terms_sha256")),
    "grant.revoked": EventType("grant", (), (), ("by", "reason")),
    "release.created": EventType("release", _RELEASE, (), ("by",)),
    "artifact-key.released": EventType(
        "artifact", ("envelope_sha256", "epoch", "info_sha256", "key_version", "verdict"), (), ("device", "lease")
    ),
    "device.audit-anchored": EventType("device", ("head", "size")),
    "device.audit-diverged": EventType("device", ("head", "known_head", "known_size", "size")),
}


def check_entry(event_type: str, details: Collection[str], commitments: Collection[str]) -> None:
    """Raises ValueError, a mistake of ours: the table above is what auditors are told."""
    known = EVENT_TYPES.get(event_type)
    if known is None:
        if event_type.count(".") < 2:
            raise ValueError(f"{event_type} is not in kms.log.entries.event_types; add it there and to docs/log.md")
        return
    unknown = {*details} - {*known.details} - {*known.optional}
    if unknown or not {*known.details} <= {*details} or not {*commitments} <= {*known.committed}:
        raise ValueError(f"an entry of type {event_type} is not as kms.log.entries.event_types says: {sorted(details)}")


def event_table() -> str:
    """The rows as Markdown."""
    rows = ["| type | subject | details | commitments |", "|---|---|---|---|"]
    for name, kind in sorted(EVENT_TYPES.items()):
        optional = [f"{detail}?" for detail in kind.optional]
        told = ", ".join([*kind.details, *optional])
        rows.append(f"| `{name}` | {kind.subject} | {told} | {', '.join(kind.committed)} |")
    return "\n".join(rows) + "\n"
