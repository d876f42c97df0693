"""A verdict judged again: by what was in force then, or by something else (a re-appraisal, the dry run of a policy)."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from attestation.case import Case
from attestation.digests import digest_evidence
from attestation.errors import CollateralError
from attestation.model import Anchors, Collateral, TrustAnchor
from attestation.policy import Policy
from attestation.report import verdict_to_dict
from attestation.restore import references, restore
from kms.core.errors import FailedPrecondition, Reason
from kms.devices.verdict_store import StoredVerdict
from kms.devices.verification import CollateralSource, Judged


@dataclass(frozen=True, slots=True)
class Basis:
    """What a verdict rests on beside evidence, expectation and time."""

    anchors: Anchors
    collateral: Collateral
    policy: Policy

    def case(self, stored: StoredVerdict) -> Case:
        """As of the time of the stored verdict."""
        return Case(
            stored.evidence,
            stored.expectation,
            self.anchors,
            self.collateral,
            self.policy,
            stored.verdict.verify_time,
        )


async def archived_basis(stored: StoredVerdict, source: CollateralSource) -> Basis:
    """What was in force when the verdict was made. Raises FailedPrecondition/ARCHIVE_INCOMPLETE."""
    documents = {name: archived_document(stored, name) for name in ("anchors", "collateral", "policy")}
    try:
        wanted = references(Collateral, documents["collateral"])
        pieces = {digest: await source.archived(kind, digest) for kind, digest in wanted}
        return Basis(
            anchors=Anchors(tuple(restore(TrustAnchor, json.loads(anchor)) for anchor in documents["anchors"])),
            collateral=restore(Collateral, documents["collateral"], lambda _, digest: pieces[digest]),
            policy=restore(Policy, documents["policy"]),
        )
    except KeyError as error:
        raise _incomplete(stored, f"collateral {error} is not in the archive any more") from error
    except CollateralError as error:
        raise _incomplete(stored, str(error)) from error


def differences(stored: StoredVerdict, again: Judged) -> list[str]:
    """What came out otherwise, a sentence each; empty: the same. Reasons of our own stand aside: they are about what
    the service knew then, not about the evidence. Digests of the archived inputs were checked when they were read.
    """
    recorded, report = stored.verdict, verdict_to_dict(again.verdict)
    own = len(recorded.own_reasons)
    before = {
        "authentic": recorded.authentic,
        "reasons": list(recorded.reasons[own:]),
        "claims": recorded.claims,
        "not_checked": list(recorded.not_checked),
        "evidence sha256": recorded.input_sha256["evidence"],
    }
    after = {
        "authentic": again.verdict.authentic,
        "reasons": report["reasons"],
        "claims": report["claims"],
        "not_checked": report["not_checked"],
        "evidence sha256": digest_evidence(stored.evidence),
    }
    return [f"{name}: {before[name]} before, {after[name]} now" for name in before if before[name] != after[name]]


def archived_document(stored: StoredVerdict, name: str) -> Any:
    """Anchors, collateral or policy, as JSON. Raises FailedPrecondition/ARCHIVE_INCOMPLETE."""
    text = stored.documents.get(name)
    if text is None:
        raise _incomplete(stored, f"its {name} was not archived")
    if hashlib.sha256(text.encode()).hexdigest() != stored.verdict.input_sha256[name]:
        raise _incomplete(stored, f"its archived {name} was changed")
    return json.loads(text)


def _incomplete(stored: StoredVerdict, sentence: str) -> FailedPrecondition:
    return FailedPrecondition(
        Reason.ARCHIVE_INCOMPLETE,
        f"this verdict can not be judged again: {sentence}",
        resource=str(stored.verdict.name),
    )
