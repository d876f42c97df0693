"""What a rule is asked: who does what to which resource, under which circumstances; and the same in Cedar's terms."""

import ipaddress
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, Protocol
from urllib.parse import unquote

from kms.access.actions import Actions
from kms.core.call import Channel
from kms.core.clock import format_time
from kms.core.identity import Caller
from kms.core.resources import ResourceFacts
from kms.keys.facts import facts_of_name

NO_ADDRESS: Final = "0.0.0.0"  # noqa: S104 - a value that is compared, nothing listens on it
NO_AGE_SECONDS: Final = 2**32
"""How old the verdict is that there is not: older than any."""


@dataclass(frozen=True, slots=True)
class VerdictFacts:
    """How the device that calls stands. The defaults are those of everybody else."""

    attested: bool = False
    appraised: bool = False
    device_class: str = ""
    age_seconds: int = NO_AGE_SECONDS


NO_VERDICT: Final = VerdictFacts()


class VerdictReader(Protocol):
    """Quick: from memory for a second at most."""

    async def verdict(self, caller: Caller, now: datetime) -> VerdictFacts:
        """NO_VERDICT for who is no attested device. Raises Unavailable when the database is away."""


class NoVerdicts:
    """A service without devices."""

    async def verdict(self, caller: Caller, now: datetime) -> VerdictFacts:  # noqa: ARG002
        return NO_VERDICT


@dataclass(frozen=True, slots=True)
class Circumstances:
    """How and when a call comes in. `channel.peer` is as gRPC names it, or an IP address."""

    channel: Channel
    now: datetime
    verdict: VerdictFacts = NO_VERDICT

    @property
    def address(self) -> str:
        return address_of(self.channel.peer)


@dataclass(frozen=True, slots=True)
class Question:
    """May `caller` do `action` to the resource that was `asked` for by this name? `facts` are those of the resource."""

    caller: Caller
    action: str
    asked: str
    facts: ResourceFacts
    circumstances: Circumstances


@lru_cache(maxsize=4096)
def address_of(peer: str) -> str:
    """The IP address in ipv4:192.0.2.1:50000 or ipv6:[2001:db8::1]:50000 (brackets may be percent-encoded), in an
    address alone, or the first one of a network. An IPv4 address that came in over IPv6 is itself. NO_ADDRESS where
    there is none.
    """
    text = unquote(peer)
    scheme, _, rest = text.partition(":")
    if scheme in {"ipv4", "ipv6"}:
        text = rest.rpartition(":")[0].strip("[]")
    try:
        address = ipaddress.ip_address(re.split("[%/]", text, maxsplit=1)[0])
    except ValueError:
        return NO_ADDRESS
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def resource_named(name: str, caller: Caller) -> ResourceFacts:
    """Of a name alone; the caller's tenant where none is given."""
    return facts_of_name(name or f"tenants/{caller.tenant}")


def name_in_rules(asked: str, facts: ResourceFacts) -> str:
    """A version keeps its own name, an alias has that of its key. Empty for what is no name."""
    if not facts.kind:
        return ""
    return asked if asked.startswith(f"{facts.name}/") else facts.name


def cedar_principal(caller: Caller) -> dict[str, str]:
    return {"type": "Caller", "id": caller.spiffe_id}


def cedar_context(circumstances: Circumstances) -> dict[str, Any]:
    channel, now, verdict = circumstances.channel, circumstances.now.astimezone(UTC), circumstances.verdict
    return {
        "post_quantum": channel.is_post_quantum,
        "tls_version": channel.tls_version,
        "tls_group": channel.group,
        "address": {"__extn": {"fn": "ip", "arg": circumstances.address}},
        "time": {"__extn": {"fn": "datetime", "arg": f"{format_time(now)[:23]}Z"}},
        "hour": now.hour,
        "weekday": now.isoweekday(),
        "verdict": {
            "attested": verdict.attested,
            "appraised": verdict.appraised,
            "device_class": verdict.device_class,
            "age_seconds": verdict.age_seconds,
        },
    }


def cedar_caller(caller: Caller) -> dict[str, Any]:
    attributes = {
        "spiffe_id": caller.spiffe_id,
        "tenant": caller.tenant,
        "role": caller.role.value,
        "name": caller.name,
        "authentication": caller.authentication,
    }
    return {"uid": cedar_principal(caller), "attrs": attributes, "parents": []}


def cedar_action(actions: Actions, name: str) -> dict[str, Any]:
    """Without a schema Cedar knows of no groups: they are told here, as kms.access.schema tells them."""
    action = actions.find(name)
    groups = [] if action is None else [action.service, action.kind.value]
    parents = [{"type": "Action", "id": group} for group in groups]
    return {"uid": {"type": "Action", "id": name}, "attrs": {}, "parents": parents}


def cedar_resource(asked: str, facts: ResourceFacts) -> dict[str, Any]:
    name = name_in_rules(asked, facts)
    attributes = {
        "name": name,
        "tenant": facts.tenant,
        "kind": facts.kind,
        "purpose": facts.purpose,
        "algorithm": facts.algorithm,
        "sensitivity": int(facts.sensitivity),
    }
    above = [{"type": "Resource", "id": each} for each in _above(name, asked if facts.kind else "")]
    return {"uid": {"type": "Resource", "id": name}, "attrs": attributes, "tags": dict(facts.labels), "parents": above}


def _above(name: str, asked: str) -> list[str]:
    """Every resource whose name this one lies below; an alias lies in itself too."""
    parts = name.split("/")
    above = ["/".join(parts[:end]) for end in range(2, len(parts), 2)]
    return above if asked in {name, ""} else [*above, asked]
