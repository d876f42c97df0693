"""Appraisal policies as something that can be revoked (kms.revocation.subjects)."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.engine import Connection

from kms.appraisal import store
from kms.appraisal.model import COLLECTION, PolicyName, PolicyVersion
from kms.appraisal.telling import POLICY_CHANGED
from kms.collateral.store import count_change
from kms.core.errors import not_found
from kms.core.names import NumberName
from kms.devices.reappraiser import POLICY
from kms.events.model import GLOBAL
from kms.revocation.model import RevocationReason, Subject
from kms.revocation.payload import Telling


class RevocablePolicies:
    """tenants/{tenant}/policies/{number}. A revoked version is never activated again. When it was in force, nothing
    satisfies the tenant's policy until another one is activated: no other takes its place by itself. Every device is
    judged again.
    """

    def telling(self, tx: Connection, subject: Subject) -> Telling:
        digest = _version(tx, subject).policy_sha256
        return Telling(POLICY_CHANGED, own={"change": "revoked", "policy_sha256": digest})

    def feeds(self, tx: Connection, subject: Subject) -> Sequence[str]:  # noqa: ARG002 - everybody
        return [GLOBAL]

    def check_exists(self, tx: Connection, subject: Subject) -> None:
        _version(tx, subject)

    def revoke_in(
        self,
        tx: Connection,
        subject: Subject,
        *,
        reason: RevocationReason,  # noqa: ARG002 - for a policy the outcome is the same, whatever the reason
        effective_time: datetime,  # noqa: ARG002 - the event says it
        now: datetime,
    ) -> None:
        name = _version(tx, subject).name
        store.set_revoked(tx, name, now)
        if store.active_number(tx, name.tenant) == name.number:
            count_change(tx, name.tenant, POLICY, now=now)


def _version(tx: Connection, subject: Subject) -> PolicyVersion:
    """Raises the uniform not-found."""
    if not isinstance(subject, NumberName) or subject.collection != COLLECTION:
        raise not_found(str(subject))
    found = store.find(tx, PolicyName(subject.tenant, subject.number))
    if found is None:
        raise not_found(str(subject))
    return found
