"""Artifacts as something that can be revoked (kms.revocation.subjects)."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.engine import Connection

from kms.artifacts import store
from kms.artifacts.model import ARTIFACT_REVOKED, COLLECTION
from kms.core.errors import not_found
from kms.core.names import DigestName
from kms.events.model import GLOBAL
from kms.revocation.model import RevocationReason, Subject
from kms.revocation.payload import Telling


class RevocableArtifacts:
    """tenants/{tenant}/artifacts/{sha256}. Any digest: what is to be kept away need not have been here before."""

    def telling(self, tx: Connection, subject: Subject) -> Telling:  # noqa: ARG002 - the name says it all
        return Telling(ARTIFACT_REVOKED, own={"action": "shred", "digest": _artifact(subject).digest})

    def feeds(self, tx: Connection, subject: Subject) -> Sequence[str]:  # noqa: ARG002 - everybody
        return [GLOBAL]

    def check_exists(self, tx: Connection, subject: Subject) -> None:  # noqa: ARG002 - nothing is asked of the table
        _artifact(subject)

    def revoke_in(
        self,
        tx: Connection,
        subject: Subject,
        *,
        reason: RevocationReason,  # noqa: ARG002 - for an artifact the outcome is the same, whatever the reason
        effective_time: datetime,  # noqa: ARG002 - the event says it
        now: datetime,
    ) -> None:
        store.set_revoked(tx, _artifact(subject), now)


def _artifact(subject: Subject) -> DigestName:
    if not isinstance(subject, DigestName) or subject.collection != COLLECTION:
        raise not_found(str(subject))
    return subject
