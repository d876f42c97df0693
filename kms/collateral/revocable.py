"""Trust anchors as something that can be revoked (kms.revocation.subjects)."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.engine import Connection

from kms.collateral import store
from kms.collateral.anchor_service import TOPIC
from kms.collateral.telling import TRUST_ROOT_CHANGED, AnchorChange
from kms.core.errors import not_found
from kms.core.names import DigestName
from kms.events.model import GLOBAL
from kms.revocation.model import RevocationReason, Subject
from kms.revocation.payload import Telling


class RevocableAnchors:
    """tenants/{tenant}/anchors/{SHA-256 of the key}. The key counts for nothing in this tenant any more, a vendor's
    built-in one too, and can not be added again. Devices are judged again. Any key: what must not be trusted need not
    have been trusted here before.
    """

    def telling(self, tx: Connection, subject: Subject) -> Telling:  # noqa: ARG002 - the name says it all
        own = {"change": AnchorChange.REVOKED.value, "spki_sha256": _anchor(subject).digest}
        return Telling(TRUST_ROOT_CHANGED, own=own)

    def feeds(self, tx: Connection, subject: Subject) -> Sequence[str]:  # noqa: ARG002 - everybody
        return [GLOBAL]

    def check_exists(self, tx: Connection, subject: Subject) -> None:  # noqa: ARG002 - nothing is asked of the table
        _anchor(subject)

    def revoke_in(
        self,
        tx: Connection,
        subject: Subject,
        *,
        reason: RevocationReason,  # noqa: ARG002 - for an anchor the outcome is the same, whatever the reason
        effective_time: datetime,  # noqa: ARG002 - the event says it
        now: datetime,
    ) -> None:
        name = _anchor(subject)
        store.revoke_anchor(tx, name.tenant, name.digest, now=now)
        store.count_change(tx, name.tenant, TOPIC, now=now)


def _anchor(subject: Subject) -> DigestName:
    if not isinstance(subject, DigestName) or subject.collection != "anchors":
        raise not_found(str(subject))
    return subject
