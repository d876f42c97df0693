"""Tenants on the wire: model <-> protobuf."""

from google.protobuf.field_mask_pb2 import FieldMask

from hallmark.v1 import common_pb2, tenants_pb2
from kms.core.errors import InvalidArgument, Reason
from kms.core.resources import Sensitivity
from kms.tenants.bounds import DISPLAY_NAME_MAX, check_quotas, check_rules, check_text
from kms.tenants.changes import FIELDS, TenantUpdate
from kms.tenants.model import ChannelMode, ChannelRules, Quotas, Tenant, TenantState, Trigger

_STATES = {
    TenantState.ACTIVE: tenants_pb2.TENANT_STATE_ACTIVE,
    TenantState.SUSPENDED: tenants_pb2.TENANT_STATE_SUSPENDED,
}
_STATES_BY_NUMBER = {number: state for state, number in _STATES.items()}
_MODES = {
    ChannelMode.REQUIRE: tenants_pb2.CHANNEL_MODE_REQUIRE,
    ChannelMode.PREFER: tenants_pb2.CHANNEL_MODE_PREFER,
    ChannelMode.ALLOW: tenants_pb2.CHANNEL_MODE_ALLOW,
}
_MODES_BY_NUMBER = {
    tenants_pb2.CHANNEL_MODE_UNSPECIFIED: ChannelMode.PREFER,
    **{number: mode for mode, number in _MODES.items()},
}
_SENSITIVITIES: dict[Sensitivity, common_pb2.Sensitivity] = {
    Sensitivity.LOW: common_pb2.SENSITIVITY_LOW,
    Sensitivity.STANDARD: common_pb2.SENSITIVITY_STANDARD,
    Sensitivity.HIGH: common_pb2.SENSITIVITY_HIGH,
    Sensitivity.MAXIMUM: common_pb2.SENSITIVITY_MAXIMUM,
}
_SENSITIVITIES_BY_NUMBER = {number: sensitivity for sensitivity, number in _SENSITIVITIES.items()}


def state_from_wire(number: tenants_pb2.TenantState) -> TenantState:
    """Raises InvalidArgument."""
    if number not in _STATES_BY_NUMBER:
        raise InvalidArgument(Reason.FIELD_INVALID, "state must be ACTIVE or SUSPENDED", field="state")
    return _STATES_BY_NUMBER[number]


def quotas_from_wire(message: tenants_pb2.Tenant | tenants_pb2.CreateTenantRequest) -> Quotas | None:
    """None: left out, the server's defaults. Raises InvalidArgument."""
    if not message.HasField("quotas"):
        return None
    given = message.quotas
    return check_quotas(
        Quotas(
            rate_per_second=given.rate_per_second,
            concurrency=given.concurrency,
            streams=given.streams,
            keys=given.keys,
            devices=given.devices,
        )
    )


def rules_from_wire(message: tenants_pb2.Tenant | tenants_pb2.CreateTenantRequest) -> ChannelRules | None:
    """None: left out, the server's defaults. Raises InvalidArgument."""
    if not message.HasField("channel_rules"):
        return None
    given, field = message.channel_rules, "channel_rules"
    if given.mode not in _MODES_BY_NUMBER:
        raise InvalidArgument(Reason.FIELD_INVALID, f"{field}.mode must be REQUIRE, PREFER or ALLOW", field=field)
    return check_rules(
        ChannelRules(
            mode=_MODES_BY_NUMBER[given.mode],
            classical_sensitivity=_sensitivity(
                given.classical_sensitivity, Sensitivity.STANDARD, f"{field}.classical_sensitivity"
            ),
            classical_bytes_per_day=given.classical_bytes_per_day or ChannelRules().classical_bytes_per_day,
            triggers=tuple(map(_trigger, given.triggers)),
        )
    )


def update_from_wire(tenant: tenants_pb2.Tenant, mask: FieldMask) -> TenantUpdate:
    """Raises InvalidArgument."""
    fields = frozenset(mask.paths)
    if not fields or not fields <= {*FIELDS}:
        raise InvalidArgument(
            Reason.FIELD_INVALID, f"update_mask must name one or more of {', '.join(FIELDS)}", field="update_mask"
        )
    return TenantUpdate(
        fields=fields,
        display_name=check_text(tenant.display_name, DISPLAY_NAME_MAX, "display_name"),
        quotas=quotas_from_wire(tenant),
        channels=rules_from_wire(tenant),
    )


def tenant_to_wire(tenant: Tenant) -> tenants_pb2.Tenant:
    """Without quotas or rules where the server's defaults hold."""
    message = tenants_pb2.Tenant(
        name=str(tenant.name),
        display_name=tenant.display_name,
        state=_STATES[tenant.state],
        quotas=None if tenant.quotas is None else _quotas_to_wire(tenant.quotas),
        channel_rules=None if tenant.channels is None else _rules_to_wire(tenant.channels),
        reason=tenant.reason,
        etag=tenant.etag,
    )
    message.create_time.FromDatetime(tenant.create_time)
    message.update_time.FromDatetime(tenant.update_time)
    return message


def _quotas_to_wire(quotas: Quotas) -> tenants_pb2.Quotas:
    return tenants_pb2.Quotas(
        rate_per_second=quotas.rate_per_second,
        concurrency=quotas.concurrency,
        streams=quotas.streams,
        keys=quotas.keys,
        devices=quotas.devices,
    )


def _rules_to_wire(rules: ChannelRules) -> tenants_pb2.ChannelRules:
    return tenants_pb2.ChannelRules(
        mode=_MODES[rules.mode],
        classical_sensitivity=_SENSITIVITIES[rules.classical_sensitivity],
        classical_bytes_per_day=rules.classical_bytes_per_day,
        triggers=[
            tenants_pb2.ChannelTrigger(
                networks=trigger.networks, regions=trigger.regions, sensitivity=_SENSITIVITIES[trigger.sensitivity]
            )
            for trigger in rules.triggers
        ],
    )


def _trigger(given: tenants_pb2.ChannelTrigger) -> Trigger:
    field = "channel_rules.triggers.sensitivity"
    return Trigger(
        networks=tuple(given.networks),
        regions=tuple(given.regions),
        sensitivity=_sensitivity(given.sensitivity, Sensitivity.LOW, field),
    )


def _sensitivity(number: common_pb2.Sensitivity, left_out: Sensitivity, field: str) -> Sensitivity:
    if number == common_pb2.SENSITIVITY_UNSPECIFIED:
        return left_out
    if number not in _SENSITIVITIES_BY_NUMBER:
        raise InvalidArgument(Reason.FIELD_INVALID, f"{field} is not one that this server knows", field=field)
    return _SENSITIVITIES_BY_NUMBER[number]
