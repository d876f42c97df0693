"""What an update changes, who may change that, and what the log tells of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from kms.core.canonical import Json
from kms.core.errors import Aborted, PermissionDenied, Reason
from kms.tenants.model import ChannelRules, Quotas, Tenant
from kms.tenants.strictness import loosened

DISPLAY_NAME: Final = "display_name"
QUOTAS: Final = "quotas"
CHANNEL_RULES: Final = "channel_rules"
FIELDS: Final = (DISPLAY_NAME, QUOTAS, CHANNEL_RULES)
"""What can be changed, by its name on the wire."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantUpdate:
    """`fields`: which of FIELDS are changed. `quotas`, `channels` None: back to the server's defaults."""

    fields: frozenset[str]
    display_name: str = ""
    quotas: Quotas | None = None
    channels: ChannelRules | None = None

    def applied_to(self, tenant: Tenant) -> Tenant:
        return replace(
            tenant,
            display_name=self.display_name if DISPLAY_NAME in self.fields else tenant.display_name,
            quotas=self.quotas if QUOTAS in self.fields else tenant.quotas,
            channels=self.channels if CHANNEL_RULES in self.fields else tenant.channels,
            revision=tenant.revision + 1,
        )


@dataclass(frozen=True, slots=True)
class Change:
    """What is recorded: the type of the log entry, its details, and facts that stand as commitments."""

    event_type: str
    details: Mapping[str, Json]
    facts: Mapping[str, str] = field(default_factory=dict)


def check_may_change(tenant: Tenant, update: TenantUpdate, default_channels: ChannelRules) -> None:
    """Of a tenant's own admins. Raises PermissionDenied."""
    if QUOTAS in update.fields:
        raise operators_only("change quotas")
    if CHANNEL_RULES in update.fields:
        looser = loosened(tenant.channels or default_channels, update.channels or default_channels)
        if looser:
            raise operators_only(f"loosen channel_rules ({', '.join(looser)})")


def check_etag(tenant: Tenant, given: str) -> None:
    """`given` empty: whatever it is. Raises Aborted/ETAG_MISMATCH."""
    if given and given != tenant.etag:
        raise changed_meanwhile(tenant)


def changed_meanwhile(tenant: Tenant) -> Aborted:
    name = str(tenant.name)
    return Aborted(Reason.ETAG_MISMATCH, f"{name} changed meanwhile; read it again and retry", resource=name)


def operators_only(what: str) -> PermissionDenied:
    return PermissionDenied(Reason.ROLE_NOT_ALLOWED, f"only operators, admins of the operator tenant, may {what}")


def created_details(tenant: Tenant) -> dict[str, Json]:
    return {
        "channels": _rules(tenant.channels),
        "quotas": _quotas(tenant.quotas),
        "revision": tenant.revision,
    }


def updated_details(tenant: Tenant, update: TenantUpdate) -> dict[str, Json]:
    return {"changed": [*sorted(update.fields)], **created_details(tenant)}


def _quotas(quotas: Quotas | None) -> Json:
    """null: the server's defaults. The rate as text: canonical JSON has no fractions."""
    if quotas is None:
        return None
    return {
        "rate_per_second": f"{quotas.rate_per_second:g}",
        "concurrency": quotas.concurrency,
        "streams": quotas.streams,
        "keys": quotas.keys,
        "devices": quotas.devices,
    }


def _rules(rules: ChannelRules | None) -> Json:
    if rules is None:
        return None
    return {
        "mode": rules.mode.value,
        "classical_sensitivity": rules.classical_sensitivity.name.lower(),
        "classical_bytes_per_day": rules.classical_bytes_per_day,
        "triggers": [
            {
                "networks": [*trigger.networks],
                "regions": [*trigger.regions],
                "sensitivity": trigger.sensitivity.name.lower(),
            }
            for trigger in rules.triggers
        ],
    }
