"""Consents as something that others than the person can revoke (kms.revocation.subjects)."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy.engine import Connection

from hallmark_events.types import CONSENT_STATUS_CHANGE
from kms.consent.ending import end_rows
from kms.consent.model import ConsentState
from kms.consent.payload import consent_members, subject_of
from kms.consent.service import feeds_of, require
from kms.core.clock import Clock
from kms.core.errors import FailedPrecondition, Reason, not_found
from kms.core.names import ChildName
from kms.revocation.model import RevocationReason, Subject
from kms.revocation.payload import Telling


class RevocableConsents:
    """tenants/{tenant}/consents/{record_id}. Devices are asked to delete soon after (kms.consent.expiring): what asks
    them is signed, and nothing can be signed here.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def telling(self, tx: Connection, subject: Subject) -> Telling:
        consent = require(tx, _consent(subject))
        own = consent_members(replace(consent, state=ConsentState.REVOKED))
        return Telling(CONSENT_STATUS_CHANGE, own=own, sub_id=subject_of(subject.tenant, consent.pii_principal_id))

    def feeds(self, tx: Connection, subject: Subject) -> Sequence[str]:
        return feeds_of(tx, require(tx, _consent(subject)))

    def check_exists(self, tx: Connection, subject: Subject) -> None:
        """Also raises FailedPrecondition/STATE_TRANSITION_INVALID when it has ended already."""
        require(tx, _consent(subject)).check_open(self._clock.now())

    def revoke_in(
        self,
        tx: Connection,
        subject: Subject,
        *,
        reason: RevocationReason,
        effective_time: datetime,  # noqa: ARG002 - devices have as long to delete as was promised, from now on
        now: datetime,
    ) -> None:
        consent = require(tx, _consent(subject))
        consent.check_open(now)
        ended = replace(
            consent,
            state=ConsentState.REVOKED,
            revision=consent.revision + 1,
            end_time=now,
            end_reason=reason.value,
        )
        if end_rows(tx, ended, removal_due=True) is None:
            raise FailedPrecondition(
                Reason.STATE_TRANSITION_INVALID, f"{subject} changed at this moment; look at it again, then decide"
            )


def _consent(subject: Subject) -> ChildName:
    if not isinstance(subject, ChildName) or subject.collection != "consents":
        raise not_found(str(subject))
    return subject
