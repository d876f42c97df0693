"""Which policy a tenant's devices are judged by, from memory: a kms.devices.verification.PolicySource.

Another replica may activate a policy, so the database is asked again after LOOK_AGAIN_SECONDS. A version counts only if
its signature verifies over what the database holds; otherwise nothing is judged until another one is set. One that was
revoked while it was in force refuses everything until another one is activated.
"""

import asyncio
import hashlib
import hmac
import json
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from attestation.errors import PolicyError
from attestation.policy import Policy
from attestation.policy_file import read_policy
from attestation.policy_rego import RegoPolicy
from kms.appraisal import store
from kms.appraisal.model import BUILT_IN, POLICY_CONTEXT, SIGNING_KEY_ID, PolicyName, PolicyVersion
from kms.core.clock import Clock
from kms.core.database import Database
from kms.core.errors import FailedPrecondition, Reason, ServiceError
from kms.core.names import KeyName, KeyVersionName
from kms.keys.inputs import SignInput
from kms.keys.model import SYSTEM_TENANT
from kms.keys.verification import VerificationService, VerifyItem

LOOK_AGAIN_SECONDS = 1.0
_TENANTS_MAX = 1024
REFUSING: Final = Policy(name="revoked", rego=RegoPolicy("package hallmark\ndefault allow := false\n"))
"""Refuses all evidence with POLICY_DENIED, also where no evaluator of Rego is installed."""


@dataclass(frozen=True, slots=True)
class _Known:
    number: int
    revoked: bool
    policy: Policy
    looked_at: float


@dataclass(slots=True, kw_only=True)
class TenantPolicies:
    """`built_in` is in force for tenants that activated none of their own."""

    database: Database
    verification: VerificationService
    clock: Clock
    built_in: Policy
    _known: OrderedDict[str, _Known] = field(default_factory=OrderedDict)

    async def active(self, tenant: str) -> Policy:
        """Raises FailedPrecondition/POLICY_INVALID when the one in the database is not what was set. REFUSING when it
        was revoked.
        """
        known, now = self._known.get(tenant), self.clock.monotonic()
        if known is not None and now - known.looked_at < LOOK_AGAIN_SECONDS:
            return known.policy
        number, revoked = await self.database.read(lambda tx: store.in_force(tx, tenant))
        if known is not None and (known.number, known.revoked) == (number, revoked):
            policy = known.policy
        else:
            policy = REFUSING if revoked else await self.load(tenant, number)
        self._known[tenant] = _Known(number, revoked, policy, now)
        self._known.move_to_end(tenant)
        while len(self._known) > _TENANTS_MAX:
            self._known.popitem(last=False)
        return policy

    async def load(self, tenant: str, number: int) -> Policy:
        """A version's policy, once it is certain that it is what was set. Raises FailedPrecondition/POLICY_INVALID."""
        if number == BUILT_IN:
            return self.built_in
        name = PolicyName(tenant, number)
        version = await self.database.read(lambda tx: store.find(tx, name))
        if version is None:
            raise _unusable(name, "is missing")
        try:
            await self._check(version)
            return await asyncio.to_thread(read_policy, version.document, version.form)
        except (ServiceError, PolicyError) as error:
            raise _unusable(name, f"can not be used: {error}") from error

    def forget(self, tenant: str) -> None:
        """After an activation by this process, and where a change is followed."""
        self._known.pop(tenant, None)

    async def _check(self, version: PolicyVersion) -> None:
        """Name and document are those that were signed, by the key that signs policies. Raises ServiceError."""
        assert version.signature is not None
        stated = json.loads(version.payload)
        digest = hashlib.sha256(version.document).hexdigest()
        is_its_own = stated["name"] == str(version.name) and stated["form"] == version.form.value
        if not is_its_own or not hmac.compare_digest(stated["document_sha256"], digest):
            raise _unusable(version.name, "is not what was signed")
        signer = KeyVersionName.parse(version.signature.key_version)
        if signer.key_name != KeyName(SYSTEM_TENANT, SIGNING_KEY_ID):
            raise _unusable(version.name, "is signed by another key")
        given = SignInput(data=version.payload, context=POLICY_CONTEXT.encode())
        await self.verification.verify(VerifyItem(reference=signer, given=given, signature=version.signature.signature))


def _unusable(name: PolicyName, why: str) -> FailedPrecondition:
    return FailedPrecondition(
        Reason.POLICY_INVALID,
        f"{name} {why}; set a policy and activate it, or restore the database",
        resource=str(name),
    )
