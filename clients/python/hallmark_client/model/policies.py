"""Appraisal policies: what a tenant's devices are judged by."""

import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from hallmark_client.errors import VerificationFailed
from hallmark_client.model.enums import PolicyForm, PolicyState
from hallmark_client.model.log import LogPromise
from hallmark_client.model.result import Result
from hallmark_client.model.signed import ServiceSignature, TrustedKeys

SIGNING_KEY: Final = "tenants/system/keys/appraisal-policy"
POLICY_CONTEXT: Final = "hallmark/appraisal-policy/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy(Result):
    """A version of the policy. The built-in one, policies/0, has no payload, signature and times.

    document: the file as it was set; empty in lists. policy_sha256: hex, as in `Verdict.input_sha256["policy"]`.
    payload: canonical JSON that the service signed.
    """

    name: str
    title: str
    state: PolicyState
    document: bytes
    form: PolicyForm
    policy_sha256: str
    payload: bytes
    signature: ServiceSignature | None
    create_time: datetime | None
    activate_time: datetime | None

    @property
    def activation_sha256(self) -> bytes:
        """What a proposal to activate it names as its parameters, 32 bytes."""
        return hashlib.sha256(self.payload).digest()

    def verify(self, trusted_keys: TrustedKeys) -> None:
        """Check that the service signed this very document under this name.

        Raises VerificationFailed (POLICY_INVALID, KEY_NOT_TRUSTED, CONTEXT_MISMATCH), SignatureInvalid.
        """
        if self.signature is None:
            raise VerificationFailed("POLICY_INVALID", f"{self.name} is built in, and signed by nobody")
        self.signature.verify(self.payload, trusted_keys, context=POLICY_CONTEXT)
        stated = json.loads(self.payload)
        digest = hashlib.sha256(self.document).hexdigest()
        if stated.get("name") != self.name or not hmac.compare_digest(str(stated.get("document_sha256")), digest):
            raise VerificationFailed("POLICY_INVALID", f"the document of {self.name} is not the one that was signed")


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyChange(Result):
    """A policy that was set or activated, and the log entry that says so."""

    policy: Policy
    log: LogPromise
    replayed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceStanding(Result):
    """How a device is judged; reasons as in `Verdict`."""

    authentic: bool
    appraised: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceChange(Result):
    """A device that would be judged otherwise. by_policy: False when time or collateral are why, not the policy."""

    device: str
    before: DeviceStanding
    after: DeviceStanding
    by_policy: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRun(Result):
    """examined: devices that were judged. changes: those that would change."""

    examined: int
    changes: Sequence[DeviceChange]
