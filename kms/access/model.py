"""Versions of a tenant's access policy."""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Self

from kms.core.canonical import canonical_json
from kms.core.clock import format_time
from kms.core.errors import InvalidArgument, Reason
from kms.core.names import ID_PATTERN
from kms.keys.model import ServiceSignature

SIGNING_KEY_ID: Final = "access-policy"
"""tenants/system/keys/access-policy signs every version."""
POLICY_CONTEXT: Final = "hallmark/access-policy/v1"
COLLECTION: Final = "accessPolicies"
ROLES_ALONE: Final = 0
"""The number of the policy that is in force where no other was activated: what roles may call is all there is."""
TITLE_CHARACTERS_MAX: Final = 100
_NAME: Final = re.compile(rf"tenants/({ID_PATTERN})/{COLLECTION}/(0|[1-9][0-9]{{0,8}}|active)")


@dataclass(frozen=True, slots=True)
class AccessPolicyName:
    """tenants/{tenant}/accessPolicies/{number}; None means whichever is active."""

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


class AccessPolicyState(StrEnum):
    PENDING = "pending"
    ACTIVE = "active"
    REPLACED = "replaced"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessPolicy:
    """`document` is Cedar as it was set. What was set never changes; `payload` says what it was, and is signed.
    Number 0 has neither document nor payload nor signature.
    """

    name: AccessPolicyName
    title: str
    document: bytes
    payload: bytes
    signature: ServiceSignature | None
    create_time: datetime | None
    activate_time: datetime | None = None
    state: AccessPolicyState = AccessPolicyState.PENDING

    @property
    def document_sha256(self) -> str:
        return hashlib.sha256(self.document).hexdigest()

    @property
    def activation_sha256(self) -> bytes:
        """What approvers of its activation agree to: 32 bytes, or none for number 0."""
        return hashlib.sha256(self.payload).digest() if self.payload else b""


def roles_alone(tenant: str, *, is_active: bool) -> AccessPolicy:
    """Number 0 as a version."""
    return AccessPolicy(
        name=AccessPolicyName(tenant, ROLES_ALONE),
        title="roles alone",
        document=b"",
        payload=b"",
        signature=None,
        create_time=None,
        state=AccessPolicyState.ACTIVE if is_active else AccessPolicyState.REPLACED,
    )


def policy_payload(name: AccessPolicyName, title: str, document: bytes, now: datetime) -> bytes:
    """What the service signs: canonical JSON, one line."""
    return canonical_json(
        {
            "v": 1,
            "name": str(name),
            "title": title,
            "document_sha256": hashlib.sha256(document).hexdigest(),
            "create_time": format_time(now),
        }
    )


def check_title(title: str) -> str:
    """Raises InvalidArgument."""
    if len(title) > TITLE_CHARACTERS_MAX or not title.isprintable():
        raise InvalidArgument(
            Reason.FIELD_INVALID, f"title has at most {TITLE_CHARACTERS_MAX} printable characters", field="title"
        )
    return title
