"""Tenants from the wire, and to it."""

from typing import Any, Final

from hallmark.v1 import tenants_pb2
from hallmark_client.errors import InvalidArgument
from hallmark_client.model.enums import Sensitivity
from hallmark_client.model.tenants import (
    ChannelMode,
    ChannelRules,
    ChannelTrigger,
    Quotas,
    Tenant,
    TenantChange,
    TenantState,
)
from hallmark_client.wire.log import promise_of
from hallmark_client.wire.scalars import member_of, moment, number_of

_STATES: Final = {
    tenants_pb2.TENANT_STATE_ACTIVE: TenantState.ACTIVE,
    tenants_pb2.TENANT_STATE_SUSPENDED: TenantState.SUSPENDED,
}
_MODES: Final = {
    tenants_pb2.CHANNEL_MODE_REQUIRE: ChannelMode.REQUIRE,
    tenants_pb2.CHANNEL_MODE_PREFER: ChannelMode.PREFER,
    tenants_pb2.CHANNEL_MODE_ALLOW: ChannelMode.ALLOW,
}
_MODE_NUMBERS: Final = {mode: number for number, mode in _MODES.items()}


def tenant_of(wire: tenants_pb2.Tenant) -> Tenant:
    """What a newer server says and this release does not know is UNKNOWN."""
    return Tenant(
        name=wire.name,
        display_name=wire.display_name,
        state=_STATES.get(wire.state, TenantState.UNKNOWN),
        quotas=_quotas_of(wire.quotas) if wire.HasField("quotas") else None,
        channel_rules=_rules_of(wire.channel_rules) if wire.HasField("channel_rules") else None,
        reason=wire.reason,
        etag=wire.etag,
        create_time=moment(wire.create_time),
        update_time=moment(wire.update_time),
    )


def tenant_change_of(wire: tenants_pb2.TenantResponse) -> TenantChange:
    return TenantChange(tenant=tenant_of(wire.tenant), log=promise_of(wire.log), replayed=wire.replayed)


def quotas_argument(quotas: Quotas | None) -> tenants_pb2.Quotas | None:
    """Raises InvalidArgument for numbers that the wire can not hold."""
    if quotas is None:
        return None
    try:
        return tenants_pb2.Quotas(
            rate_per_second=quotas.rate_per_second,
            concurrency=quotas.concurrency,
            streams=quotas.streams,
            keys=quotas.keys,
            devices=quotas.devices,
        )
    except (ValueError, TypeError) as error:
        raise InvalidArgument("FIELD_INVALID", f"quotas: {error}") from error


def rules_argument(rules: ChannelRules | None) -> tenants_pb2.ChannelRules | None:
    """Raises InvalidArgument for what the wire can not hold, and for UNKNOWN."""
    if rules is None:
        return None
    try:
        return tenants_pb2.ChannelRules(
            mode=_MODE_NUMBERS[rules.mode],
            classical_sensitivity=_sensitivity(rules.classical_sensitivity),
            classical_bytes_per_day=rules.classical_bytes_per_day,
            triggers=[
                tenants_pb2.ChannelTrigger(
                    networks=trigger.networks,
                    regions=trigger.regions,
                    sensitivity=_sensitivity(trigger.sensitivity),
                )
                for trigger in rules.triggers
            ],
        )
    except (KeyError, ValueError, TypeError) as error:
        raise InvalidArgument("FIELD_INVALID", f"channel_rules: {error}") from error


def _sensitivity(member: Sensitivity) -> Any:
    """Left out it would mean something else than what was read."""
    if member is Sensitivity.UNKNOWN:
        raise ValueError("this release does not know one of its sensitivities; use a newer one")
    return number_of(member)


def _quotas_of(wire: tenants_pb2.Quotas) -> Quotas:
    return Quotas(
        rate_per_second=wire.rate_per_second,
        concurrency=wire.concurrency,
        streams=wire.streams,
        keys=wire.keys,
        devices=wire.devices,
    )


def _rules_of(wire: tenants_pb2.ChannelRules) -> ChannelRules:
    return ChannelRules(
        mode=_MODES.get(wire.mode, ChannelMode.UNKNOWN),
        classical_sensitivity=member_of(Sensitivity, wire.classical_sensitivity),
        classical_bytes_per_day=wire.classical_bytes_per_day,
        triggers=tuple(
            ChannelTrigger(
                networks=tuple(trigger.networks),
                regions=tuple(trigger.regions),
                sensitivity=member_of(Sensitivity, trigger.sensitivity),
            )
            for trigger in wire.triggers
        ),
    )
