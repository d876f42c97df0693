"""Which rules are in force for a tenant: from memory, half a second old at most while the database is there.

One query tells the editions of all tenants; what changed is loaded by the next call that needs it, and checked before
it decides anything: name and document are those that were signed.
"""

import asyncio
import hashlib
import hmac
import json
import logging
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from kms.access import grant_store, store
from kms.access.actions import Actions
from kms.access.grants import Grant, statement_of
from kms.access.model import POLICY_CONTEXT, ROLES_ALONE, SIGNING_KEY_ID, AccessPolicy, AccessPolicyName
from kms.access.reading import Statement, parse_document
from kms.access.rules import Rules
from kms.core.clock import Clock
from kms.core.database import Database
from kms.core.errors import FailedPrecondition, Reason, ServiceError, Unavailable
from kms.core.names import KeyName, KeyVersionName
from kms.keys.inputs import SignInput
from kms.keys.model import SYSTEM_TENANT
from kms.keys.verification import VerificationService, VerifyItem

LOOK_AGAIN_SECONDS: Final = 0.5
STALE_SECONDS: Final = 30.0
"""So long what is known holds while the database is away. After that nobody is let in."""
_TENANTS_MAX: Final = 1024
_LOGGER: Final = logging.getLogger("hallmark.access")


@dataclass(frozen=True, slots=True)
class InForce:
    """Of one tenant at one edition. Without rules the roles decide alone. `good_until`: of a grant that ends first."""

    edition: int
    rules: Rules | None
    good_until: datetime | None = None

    def is_good(self, edition: int, now: datetime) -> bool:
        return self.edition == edition and (self.good_until is None or now < self.good_until)


@dataclass(slots=True, kw_only=True)
class TenantRules:
    """`refresh` once before the first call; `run` keeps it fresh."""

    database: Database
    verification: VerificationService
    clock: Clock
    actions: Actions
    _editions: dict[str, int] = field(default_factory=dict)
    _fresh_until: float = 0.0
    _known: OrderedDict[str, InForce] = field(default_factory=OrderedDict)
    _loading: dict[str, asyncio.Lock] = field(default_factory=dict)

    async def rules(self, tenant: str) -> Rules | None:
        """None: the roles decide alone. Raises Unavailable when the database is away for too long,
        FailedPrecondition/POLICY_INVALID when what it holds is not what was set.
        """
        if self.clock.monotonic() >= self._fresh_until:
            raise _unavailable()
        edition = self._editions.get(tenant)
        if edition is None:
            return None
        known = self._known.get(tenant)
        if known is None or not known.is_good(edition, self.clock.now()):
            known = await self._load_once(tenant)
        return known.rules

    def edition(self, tenant: str) -> object:
        """Another one whenever the answers may have changed; each minute, where they hang on time or a verdict."""
        edition = self._editions.get(tenant)
        if edition is None:
            return None
        known, now = self._known.get(tenant), self.clock.now()
        if known is None or not known.is_good(edition, now):
            return edition, "not loaded"
        passes = known.rules is not None and known.rules.uses.passes
        return edition, known.good_until, int(now.timestamp()) // 60 if passes else 0

    async def refresh(self) -> None:
        """Also after every change made here. Raises what the database raises."""
        asked_at = self.clock.monotonic()
        found = await self.database.read(store.editions)
        for tenant, edition in found.items():
            self._note(tenant, edition)
        self._fresh_until = max(self._fresh_until, asked_at + STALE_SECONDS)

    async def run(self) -> None:
        """Until cancelled."""
        away = False
        while True:
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
            try:
                await self.refresh()
                away = False
            except ServiceError as error:
                if not away:
                    _LOGGER.warning(
                        "access rules can not be read anew: %s; after %g s nobody is let in", error, STALE_SECONDS
                    )
                away = True

    async def load(self, tenant: str, number: int, now: datetime, *, with_grants: bool = True) -> Rules:
        """A version and, with them, the grants in force now. Raises FailedPrecondition/POLICY_INVALID."""
        name = AccessPolicyName(tenant, number)
        policy, grants = await self.database.read(
            lambda tx: (store.find(tx, name), grant_store.in_force(tx, tenant, now) if with_grants else [])
        )
        return await self._made(name, policy, grants)

    async def _load_once(self, tenant: str) -> InForce:
        """Thousands may wait for the same."""
        async with self._loading.setdefault(tenant, asyncio.Lock()):
            known, edition = self._known.get(tenant), self._editions.get(tenant, 0)
            if known is None or not known.is_good(edition, self.clock.now()):
                known = await self._load(tenant)
                self._remember(tenant, known)
        return known

    async def _load(self, tenant: str) -> InForce:
        now, active = self.clock.now(), AccessPolicyName(tenant, None)
        edition, number, policy, grants = await self.database.read(
            lambda tx: (
                store.edition(tx, tenant),
                store.active_number(tx, tenant),
                store.find(tx, active),
                grant_store.in_force(tx, tenant, now),
            )
        )
        self._note(tenant, edition)
        if number == ROLES_ALONE:
            return InForce(edition, None)
        rules = await self._made(AccessPolicyName(tenant, number), policy, grants)
        return InForce(edition, rules, rules.good_until)

    async def _made(self, name: AccessPolicyName, policy: AccessPolicy | None, grants: list[Grant]) -> Rules:
        if policy is None:
            raise _unusable(name, "is missing")
        try:
            await self._check(policy)
            return await asyncio.to_thread(self._rules, policy, grants)
        except (ServiceError, ValueError) as error:
            if isinstance(error, Unavailable):
                raise
            raise _unusable(name, f"can not be used: {error}") from error

    async def _check(self, policy: AccessPolicy) -> None:
        """Name and document are those that were signed, by the key that signs policies. Raises ServiceError."""
        assert policy.signature is not None
        stated = json.loads(policy.payload)
        if stated["name"] != str(policy.name) or not hmac.compare_digest(
            stated["document_sha256"], hashlib.sha256(policy.document).hexdigest()
        ):
            raise _unusable(policy.name, "is not what was signed")
        signer = KeyVersionName.parse(policy.signature.key_version)
        if signer.key_name != KeyName(SYSTEM_TENANT, SIGNING_KEY_ID):
            raise _unusable(policy.name, "is signed by another key")
        given = SignInput(data=policy.payload, context=POLICY_CONTEXT.encode())
        await self.verification.verify(VerifyItem(reference=signer, given=given, signature=policy.signature.signature))

    def _rules(self, policy: AccessPolicy, grants: list[Grant]) -> Rules:
        assert policy.name.number is not None
        statements: list[Statement] = [*parse_document(policy.document), *map(statement_of, grants)]
        ends = min((grant.expire_time for grant in grants), default=None)
        return Rules.of(policy.name.number, statements, self.actions, good_until=ends)

    def _note(self, tenant: str, edition: int) -> None:
        """Editions only grow: an answer that was read before a change, and came after it, tells nothing."""
        if edition > self._editions.get(tenant, 0):
            self._editions[tenant] = edition

    def _remember(self, tenant: str, found: InForce) -> None:
        self._known[tenant] = found
        self._known.move_to_end(tenant)
        while len(self._known) > _TENANTS_MAX:
            forgotten, _ = self._known.popitem(last=False)
            self._loading.pop(forgotten, None)


def _unavailable() -> Unavailable:
    return Unavailable(
        Reason.DATABASE_UNAVAILABLE,
        "the database is away, so that nobody can tell what this caller may do; retry",
        retry_after_seconds=1,
    )


def _unusable(name: AccessPolicyName, why: str) -> FailedPrecondition:
    return FailedPrecondition(
        Reason.POLICY_INVALID,
        f"{name} {why}; nobody is let in by it. Restore the database",
        resource=str(name),
    )
