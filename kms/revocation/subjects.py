"""What can be revoked: the port, and keys behind it. Devices come from kms.devices; the composition root lists both."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from sqlalchemy.engine import Connection

from kms.core.errors import not_found
from kms.core.names import KeyName, KeyVersionName
from kms.events.model import GLOBAL
from kms.keys import store as key_store
from kms.keys.revoking import revoke_in
from kms.revocation.model import RevocationReason, Subject
from kms.revocation.payload import Telling, credential_change


class RevocableSubject(Protocol):
    """One collection of resources that can be revoked. Called inside the caller's transaction: short, no I/O.

    Durability   whatever `revoke_in` wrote commits, or not, with the event and its log entry.
    Retries      `revoke_in` is called at most once for a subject (the feed holds one event for each).
    Not found    both raise the uniform not-found of kms.core.errors; the tenant was checked before.
    """

    def telling(self, tx: Connection, subject: Subject) -> Telling:
        """How it is told."""

    def check_exists(self, tx: Connection, subject: Subject) -> None:
        """Before anything is signed."""

    def feeds(self, tx: Connection, subject: Subject) -> Sequence[str]:
        """Who is told, beside the back office."""

    def revoke_in(
        self, tx: Connection, subject: Subject, *, reason: RevocationReason, effective_time: datetime, now: datetime
    ) -> None:
        """Takes the resource out of use."""


class RevocableKeys:
    """Keys and key versions: tenants/{tenant}/keys/..."""

    def telling(self, tx: Connection, subject: Subject) -> Telling:  # noqa: ARG002 - whichever key it is
        return credential_change("signing-key")

    def feeds(self, tx: Connection, subject: Subject) -> Sequence[str]:  # noqa: ARG002 - everybody, whichever key it is
        return [GLOBAL]

    def check_exists(self, tx: Connection, subject: Subject) -> None:
        name = _key_subject(subject)
        key = key_store.find_key(tx, name.key_name if isinstance(name, KeyVersionName) else name)
        if key is None or (isinstance(name, KeyVersionName) and key.version(name.version) is None):
            raise not_found(str(name))

    def revoke_in(
        self, tx: Connection, subject: Subject, *, reason: RevocationReason, effective_time: datetime, now: datetime
    ) -> None:
        compromised = reason.secret_may_be_known
        revoke_in(tx, _key_subject(subject), compromised=compromised, effective_time=effective_time, now=now)


def _key_subject(subject: Subject) -> KeyName | KeyVersionName:
    if not isinstance(subject, KeyName | KeyVersionName):
        raise not_found(str(subject))
    return subject


def collection_of(subject: Subject) -> str:
    """The key of the composition root's list, such as "keys" or "devices"."""
    return "keys" if isinstance(subject, KeyName | KeyVersionName) else subject.collection
