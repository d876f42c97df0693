"""Whether a connection is good enough for a call: the door of the guard that knows about post-quantum TLS.

Who negotiated a post-quantum group passes at once. For the others, in this order (docs/channels.md):

1. the server takes no other connections (server.require_pq_tls);
2. the tenant takes no others (mode REQUIRE);
3. a trigger of the tenant fits: networks, regions, sensitivity;
4. mode PREFER: up to a sensitivity, and up to a budget of bytes in 24 hours;
5. mode ALLOW.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, assert_never

from kms.core.call import Call
from kms.core.errors import FailedPrecondition, Reason
from kms.core.resources import FactsReader, ResourceFacts, Sensitivity
from kms.keys.facts import facts_of_name
from kms.keys.model import SYSTEM_TENANT
from kms.server.channel_peers import Regions, is_near
from kms.server.channel_use import ClassicalUse
from kms.server.doors import Asked
from kms.server.policy import Row
from kms.tenants.model import ChannelMode, ChannelRules, Terms

GROUPS: Final = "X25519MLKEM768"
"""The post-quantum groups that the server's TLS (BoringSSL, in gRPC) negotiates."""
KEYS_MAX: Final = 1000
"""Keys that are looked up for one call. No call takes more; one that names more counts as MAXIMUM."""
_OF_KEYS: Final = frozenset({"keys", "aliases"})


@dataclass(frozen=True, slots=True)
class ChannelPolicy:
    """A kms.server.doors.ChannelDoor. `regions`: of the settings."""

    require_pq_tls: bool
    regions: Regions
    facts: FactsReader
    use: ClassicalUse

    async def check(self, call: Call, row: Row, asked: Asked, terms: Terms) -> None:
        """Raises FailedPrecondition/PQ_TLS_REQUIRED, ResourceExhausted/CLASSICAL_BUDGET_SPENT, Unavailable."""
        if not call.channel.is_post_quantum:
            await self._check_classical(call, row, asked, terms.channels)

    def edition(self, tenant: str) -> object:
        """Another one (by ==) whenever a stream may have to end: long streams ask again then."""
        return self.use.edition(tenant)

    async def _check_classical(self, call: Call, row: Row, asked: Asked, rules: ChannelRules) -> None:
        if self.require_pq_tls:
            raise _refused(call, "server.require_pq_tls", "this server takes no other connections")
        if rules.mode is ChannelMode.REQUIRE:
            raise _refused(call, "tenant.require", "its tenant takes no other connections")
        level = await self._sensitivity(call, row, asked)
        for number, trigger in enumerate(rules.triggers, 1):
            if level >= trigger.sensitivity and is_near(trigger, call.channel.peer, self.regions):
                why = f"trigger {number} of its tenant's channel rules fits where it comes from and what it asks for"
                raise _refused(call, f"tenant.triggers.{number}", why, level)
        match rules.mode:
            case ChannelMode.PREFER:
                if level > rules.classical_sensitivity:
                    limit = rules.classical_sensitivity.name
                    why = f"it is about {level.name} things, and other connections of its tenant reach {limit} at most"
                    raise _refused(call, "tenant.classical_sensitivity", why, level)
                await self.use.check(call, rules.classical_bytes_per_day)
            case ChannelMode.ALLOW:
                pass
            case _:
                assert_never(rules.mode)

    async def _sensitivity(self, call: Call, row: Row, asked: Asked) -> Sensitivity:
        """Of the call itself, or of the most sensitive key that it names. Other tenants' keys, and those that do not
        exist, count as STANDARD: nothing is looked up, and nothing told, of what a caller may not see.
        """
        keys = [named for named in map(facts_of_name, asked.resources) if named.kind in _OF_KEYS]
        if len(keys) > KEYS_MAX:
            return Sensitivity.MAXIMUM
        seen = {call.caller.tenant, SYSTEM_TENANT}
        found = await self._look_up([named.name for named in keys if named.tenant in seen])
        others = (named.sensitivity for named in keys if named.tenant not in seen)
        return max((row.sensitivity, *(facts.sensitivity for facts in found), *others))

    async def _look_up(self, names: Sequence[str]) -> Sequence[ResourceFacts]:
        """Many at once; for one, as nearly always, no task is made."""
        if len(names) == 1:
            return [await self.facts.facts(names[0])]
        return await asyncio.gather(*map(self.facts.facts, names))


def _refused(call: Call, rule: str, why: str, level: Sensitivity | None = None) -> FailedPrecondition:
    channel = call.channel
    metadata = {"rule": rule, "tls_version": channel.tls_version, "tls_group": channel.group, "groups": GROUPS}
    if level is not None:
        metadata["sensitivity"] = level.name
    return FailedPrecondition(
        Reason.PQ_TLS_REQUIRED,
        f"this call needs post-quantum TLS: {why}. {channel.tls_version} with {channel.group} was negotiated; connect "
        f"again with a client that offers {GROUPS} first (a connection never changes its group)",
        metadata=metadata,
    )
