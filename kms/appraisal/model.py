"""Versions of a tenant's appraisal policy, and what changing to one would do."""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Self

from attestation.digests import canonical_json as attestation_json
from attestation.policy import Policy
from attestation.policy_file import PolicyForm
from kms.core.canonical import canonical_json
from kms.core.clock import format_time
from kms.core.errors import InvalidArgument, Reason
from kms.core.names import ID_PATTERN, ChildName
from kms.keys.model import ServiceSignature

SIGNING_KEY_ID = "appraisal-policy"
"""tenants/system/keys/appraisal-policy signs every version."""
POLICY_CONTEXT = "hallmark/appraisal-policy/v1"
COLLECTION = "policies"
BUILT_IN = 0
"""The number of the policy that is in force where no other was activated."""
_NAME = re.compile(rf"tenants/({ID_PATTERN})/{COLLECTION}/(0|[1-9][0-9]{{0,8}}|active)")


@dataclass(frozen=True, slots=True)
class PolicyName:
    """tenants/{tenant}/policies/{number}; the built-in one is 0, and None means whichever is active."""

    tenant: str
    number: int | None

    def __str__(self) -> str:
        return f"tenants/{self.tenant}/{COLLECTION}/{'active' if self.number is None else self.number}"

    @classmethod
    def parse(cls, text: str, field: str = "name") -> Self:
        found = _NAME.fullmatch(text)
        if found is None:
            raise InvalidArgument(
                Reason.NAME_INVALID, f"{field} must look like tenants/{{tenant}}/{COLLECTION}/{{number}}", field=field
            )
        return cls(found[1], None if found[2] == "active" else int(found[2]))


class PolicyState(StrEnum):
    PENDING = "pending"
    ACTIVE = "active"
    REPLACED = "replaced"
    REVOKED = "revoked"
    """Never in force again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyVersion:
    """`document` is the file as it was set, `policy_sha256` (hex) the digest that verdicts name. What was set never
    changes; `payload` says what it was, and is signed. The built-in policy has neither payload nor signature.
    """

    name: PolicyName
    title: str
    document: bytes
    form: PolicyForm
    policy_sha256: str
    payload: bytes
    signature: ServiceSignature | None
    create_time: datetime | None
    activate_time: datetime | None = None
    state: PolicyState = PolicyState.PENDING

    @property
    def activation_sha256(self) -> bytes:
        """What approvers of its activation agree to, 32 bytes."""
        return hashlib.sha256(self.payload).digest()


@dataclass(frozen=True, slots=True)
class DeviceStanding:
    """How a device stands: the two answers of its verdict, and why not."""

    authentic: bool
    appraised: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceChange:
    """`by_policy` is False when the policy in force would judge the device like this today, too."""

    device: ChildName
    before: DeviceStanding
    after: DeviceStanding
    by_policy: bool


@dataclass(frozen=True, slots=True)
class DryRun:
    """Some of the tenant's devices: how many were judged, which would change, the last one's id ("" at the end)."""

    examined: int
    changes: tuple[DeviceChange, ...]
    last: str


def policy_sha256(policy: Policy) -> str:
    """As in InputDigests.policy of a verdict."""
    return hashlib.sha256(attestation_json(policy).encode()).hexdigest()


def policy_payload(name: PolicyName, policy: Policy, document: bytes, form: PolicyForm, now: datetime) -> bytes:
    """What the service signs: canonical JSON, one line."""
    return canonical_json(
        {
            "v": 1,
            "name": str(name),
            "title": policy.name,
            "form": form.value,
            "document_sha256": hashlib.sha256(document).hexdigest(),
            "policy_sha256": policy_sha256(policy),
            "create_time": format_time(now),
        }
    )
