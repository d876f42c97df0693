"""Who may do what: access policies in Cedar, and grants."""

import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from hallmark_client.errors import VerificationFailed
from hallmark_client.model.log import LogPromise
from hallmark_client.model.result import Result
from hallmark_client.model.signed import ServiceSignature, TrustedKeys

SIGNING_KEY: Final = "tenants/system/keys/access-policy"
POLICY_CONTEXT: Final = "hallmark/access-policy/v1"


class AccessPolicyState(StrEnum):
    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    REPLACED = "REPLACED"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessPolicy(Result):
    """A version. Number 0, the roles alone, has no document, payload, signature and times.

    document: Cedar as it was set; empty in lists. payload: canonical JSON that the service signed.
    """

    name: str
    title: str
    state: AccessPolicyState
    document: bytes
    payload: bytes
    signature: ServiceSignature | None
    create_time: datetime | None
    activate_time: datetime | None

    @property
    def activation_sha256(self) -> bytes:
        """What a proposal to activate it names as its parameters: 32 bytes, none for number 0."""
        return hashlib.sha256(self.payload).digest() if self.payload else b""

    def verify(self, trusted_keys: TrustedKeys) -> None:
        """Check that the service signed this very document under this name.

        Raises VerificationFailed (POLICY_INVALID, KEY_NOT_TRUSTED, CONTEXT_MISMATCH), SignatureInvalid.
        """
        if self.signature is None:
            raise VerificationFailed("POLICY_INVALID", f"{self.name} is signed by nobody")
        self.signature.verify(self.payload, trusted_keys, context=POLICY_CONTEXT)
        stated = json.loads(self.payload)
        digest = hashlib.sha256(self.document).hexdigest()
        if stated.get("name") != self.name or not hmac.compare_digest(str(stated.get("document_sha256")), digest):
            raise VerificationFailed("POLICY_INVALID", f"the document of {self.name} is not the one that was signed")


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessPolicyChange(Result):
    """A version that was set or activated, and the log entry that says so; no entry where it was only checked."""

    policy: AccessPolicy
    log: LogPromise | None
    replayed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessChange(Result):
    """A kind of call that would be decided otherwise. calls: how many came; statements: what would decide."""

    principal: str
    action: str
    resource: str
    allowed_now: bool
    allowed_then: bool
    statements: tuple[str, ...]
    calls: int
    last_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessDryRun(Result):
    """examined: kinds of calls that were looked at. changes: those that would change."""

    examined: int
    changes: Sequence[AccessChange]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessGrant(Result):
    """principal: one caller, or many with * as the last character. resources: empty for the whole tenant."""

    name: str
    principal: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    condition: str
    reason: str
    grantor: str
    create_time: datetime
    expire_time: datetime
    revoke_time: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessGrantChange(Result):
    """A grant that was given or taken back, and the log entry that says so."""

    grant: AccessGrant
    log: LogPromise
    replayed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessTest(Result):
    """reason: that of the refusal; empty when allowed. policy: the version that was asked."""

    allowed: bool
    reason: str
    explanation: str
    statements: tuple[str, ...]
    policy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectiveGrant(Result):
    """sources: ids of statements, names of grants, or "role". conditions: the Cedar statements it depends on."""

    action: str
    unconditional: bool
    conditions: tuple[str, ...]
    sources: tuple[str, ...]
    expire_time: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectiveAccess(Result):
    """All that a principal may do. policy: the version in force."""

    grants: Sequence[EffectiveGrant]
    policy: str
