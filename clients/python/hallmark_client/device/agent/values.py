"""Facts of the vault as JSON, and back. What an app has no use for, such as where encrypted bytes lie, is left out."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from hallmark_client.device.agent.frames import Members, pairs
from hallmark_client.device.audit import AuditHead
from hallmark_client.device.model import Artifact, ArtifactState, Clause, Enforcement, Part
from hallmark_client.device.roots.port import EpochEvidence, RootFacts, RootPower
from hallmark_client.device.vault import Deletion
from hallmark_client.model.consents import ArtifactKind
from hallmark_client.model.result import Result
from hallmark_events.canonical import Json, encode_base64, format_time

_EVIDENCE_MAX: Final = 64 * 1024
_HASH_SIZE: Final = 32


class Standing(StrEnum):
    AVAILABLE = "available"
    SUSPENDED = "suspended"
    GONE = "gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class PermissionChange(Result):
    """What now holds for an artifact that this application may see. why: it is suspended; "" otherwise."""

    artifact_id: str
    name: str
    version: int
    standing: Standing
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentStatus(Result):
    """application: how the agent calls this process, by what the operating system says of it. readers: that it has open
    now, of readers_max. root: what stands behind the vault's keys.
    """

    application: str
    tenant: str
    epoch: int
    policy_version: int
    readers: int
    readers_max: int
    root: RootFacts


def artifact_json(artifact: Artifact, parts: Iterable[Part]) -> dict[str, Json]:
    return {
        "artifact_id": artifact.artifact_id,
        "created_at": format_time(artifact.created_at),
        "digest": artifact.digest,
        "epoch": artifact.epoch,
        "kind": artifact.kind.value,
        "labels": pairs(artifact.labels),
        "name": artifact.name,
        "needs_permission": artifact.needs_permission,
        "parts": [{"path": part.path, "sha256": part.sha256, "size": part.size} for part in parts],
        "size": artifact.size,
        "state": artifact.state.value,
        "tenant": artifact.tenant,
        "version": artifact.version,
    }


def read_artifact(found: Members) -> Artifact:
    """Its parts name no blob and no context: those are the vault's. Raises AgentInvalid."""
    return Artifact(
        artifact_id=found.text("artifact_id"),
        name=found.text("name"),
        kind=found.choice("kind", ArtifactKind),
        version=found.number("version"),
        tenant=found.text("tenant"),
        digest=found.text("digest"),
        size=found.number("size"),
        epoch=found.number("epoch"),
        state=found.choice("state", ArtifactState),
        needs_permission=found.flag("needs_permission"),
        created_at=found.time("created_at"),
        parts=found.many("parts", _read_part),
        labels=found.pairs("labels"),
    )


def _read_part(found: Members) -> Part:
    found.only("path", "sha256", "size")
    size, digest = found.number("size"), found.text("sha256")
    return Part(path=found.text("path"), size=size, sha256=digest, blob="", blob_size=0, context=b"")


def clause_json(clause: Clause) -> dict[str, Json]:
    return {
        "allows": clause.allows,
        "enforcement": clause.enforcement.value,
        "name": clause.name,
        "text": clause.text,
    }


def read_clause(found: Members) -> Clause:
    """Raises AgentInvalid."""
    enforcement = found.only("allows", "enforcement", "name", "text").choice("enforcement", Enforcement)
    text = found.text("text", at_most=64 * 1024)
    return Clause(name=found.text("name"), text=text, enforcement=enforcement, allows=found.flag("allows"))


def deletion_json(deletion: Deletion) -> dict[str, Json]:
    evidence = deletion.evidence
    return {
        "artifacts": [artifact_json(artifact, ()) for artifact in deletion.artifacts],
        "audit_head": {"head": deletion.audit_head.head.hex(), "size": deletion.audit_head.size},
        "epoch_after": deletion.epoch_after,
        "epoch_before": deletion.epoch_before,
        "evidence": None
        if evidence is None
        else {
            "epoch": evidence.epoch,
            "parts": pairs({name: encode_base64(data) for name, data in evidence.parts.items()}),
        },
        "method": deletion.method,
    }


def read_deletion(found: Members) -> Deletion:
    """Its artifacts are without their parts. Raises AgentInvalid."""
    head = found.members("audit_head").only("head", "size")
    return Deletion(
        artifacts=found.many("artifacts", read_artifact),
        method=found.text("method"),
        epoch_before=found.number("epoch_before"),
        epoch_after=found.number("epoch_after"),
        evidence=found.optional("evidence", lambda name: _read_evidence(found.members(name))),
        audit_head=AuditHead(size=head.number("size"), head=head.hexadecimal("head", _HASH_SIZE)),
    )


def _read_evidence(found: Members) -> EpochEvidence:
    parts = Members(dict(found.pairs("parts")))
    read = {name: parts.data(name, at_most=_EVIDENCE_MAX) for name in found.pairs("parts")}
    return EpochEvidence(epoch=found.number("epoch"), parts=read)


def root_json(root: RootFacts) -> dict[str, Json]:
    return {
        "assurance": root.assurance.value,
        "caveats": list(root.caveats),
        "detail": root.detail,
        "name": root.name,
        "powers": pairs({power.value: by.value for power, by in root.powers.items()}),
    }


def read_root(found: Members) -> RootFacts:
    """Raises AgentInvalid."""
    powers = Members(dict(found.pairs("powers")))
    return RootFacts(
        name=found.text("name"),
        assurance=found.choice("assurance", Enforcement),
        powers={power: powers.choice(power.value, Enforcement) for power in RootPower if powers.has(power.value)},
        detail=found.text("detail"),
        caveats=found.texts("caveats"),
    )


def status_json(status: AgentStatus) -> dict[str, Json]:
    return {
        "application": status.application,
        "epoch": status.epoch,
        "policy_version": status.policy_version,
        "readers": status.readers,
        "readers_max": status.readers_max,
        "root": root_json(status.root),
        "tenant": status.tenant,
    }


def read_status(found: Members) -> AgentStatus:
    """Raises AgentInvalid."""
    return AgentStatus(
        application=found.text("application"),
        tenant=found.text("tenant"),
        epoch=found.number("epoch"),
        policy_version=found.number("policy_version"),
        readers=found.number("readers"),
        readers_max=found.number("readers_max"),
        root=read_root(found.members("root")),
    )


def change_json(change: PermissionChange) -> dict[str, Json]:
    return {
        "artifact_id": change.artifact_id,
        "name": change.name,
        "standing": change.standing.value,
        "version": change.version,
        "why": change.why,
    }


def read_change(found: Members) -> PermissionChange:
    """Raises AgentInvalid."""
    return PermissionChange(
        artifact_id=found.text("artifact_id"),
        name=found.text("name"),
        version=found.number("version"),
        standing=found.choice("standing", Standing),
        why=found.text("why"),
    )
