"""Access rules on the wire: model <-> protobuf."""

from datetime import UTC, datetime

from google.protobuf import timestamp_pb2

from hallmark.v1 import access_pb2
from kms.access.dry_run import AccessChange
from kms.access.explaining import EffectiveGrant, Tested
from kms.access.granting import WantedGrant
from kms.access.grants import Grant
from kms.access.model import AccessPolicy, AccessPolicyState
from kms.access.question import NO_ADDRESS, Circumstances, address_of
from kms.core.call import Channel
from kms.core.errors import InvalidArgument, Reason
from kms.keys.wire import service_signature_to_wire

_STATE_NUMBERS = {
    AccessPolicyState.PENDING: access_pb2.ACCESS_POLICY_STATE_PENDING,
    AccessPolicyState.ACTIVE: access_pb2.ACCESS_POLICY_STATE_ACTIVE,
    AccessPolicyState.REPLACED: access_pb2.ACCESS_POLICY_STATE_REPLACED,
}
_WORD_CHARACTERS_MAX = 64


def policy_to_wire(policy: AccessPolicy, *, with_document: bool = True) -> access_pb2.AccessPolicy:
    signature = policy.signature
    return access_pb2.AccessPolicy(
        name=str(policy.name),
        title=policy.title,
        state=_STATE_NUMBERS[policy.state],
        document=policy.document if with_document else b"",
        payload=policy.payload,
        signature=None if signature is None else service_signature_to_wire(signature),
        create_time=_time(policy.create_time),
        activate_time=_time(policy.activate_time),
    )


def grant_to_wire(grant: Grant) -> access_pb2.Grant:
    return access_pb2.Grant(
        name=str(grant.name),
        principal=grant.principal,
        actions=grant.actions,
        resources=grant.resources,
        condition=grant.condition,
        reason=grant.reason,
        create_time=_time(grant.create_time),
        expire_time=_time(grant.expire_time),
        revoke_time=_time(grant.revoke_time),
        grantor=grant.grantor,
    )


def grant_from_wire(grant: access_pb2.Grant) -> WantedGrant:
    """Raises InvalidArgument."""
    for field in ("create_time", "revoke_time"):
        if grant.HasField(field):
            raise _invalid(f"grant.{field}", "is the server's to say; leave it out")
    for field in ("name", "grantor"):
        if getattr(grant, field):
            raise _invalid(f"grant.{field}", "is the server's to say; leave it out")
    if not grant.HasField("expire_time"):
        raise _invalid("grant.expire_time", "is required: grants end")
    return WantedGrant(
        principal=grant.principal,
        actions=tuple(grant.actions),
        resources=tuple(grant.resources),
        condition=grant.condition,
        reason=grant.reason,
        expire_time=_moment(grant.expire_time, "grant.expire_time"),
    )


def circumstances_from_wire(context: access_pb2.AccessContext, as_now: Circumstances) -> Circumstances:
    """What is left out is as in this very call. Raises InvalidArgument."""
    channel = as_now.channel
    if context.address and (len(context.address) > _WORD_CHARACTERS_MAX or address_of(context.address) == NO_ADDRESS):
        raise _invalid("context.address", "must be an IP address")
    if len(context.tls_group) > _WORD_CHARACTERS_MAX or not context.tls_group.isascii():
        raise _invalid("context.tls_group", "must be the name of a group, such as X25519MLKEM768")
    return Circumstances(
        Channel(context.address or channel.peer, channel.tls_version, context.tls_group or channel.group),
        _moment(context.time, "context.time") if context.HasField("time") else as_now.now,
    )


def tested_to_wire(tested: Tested) -> access_pb2.TestAccessResponse:
    return access_pb2.TestAccessResponse(
        allowed=tested.allowed,
        reason=tested.reason,
        explanation=tested.explanation,
        statements=tested.statements,
        policy=str(tested.policy),
    )


def effective_to_wire(grant: EffectiveGrant) -> access_pb2.EffectiveGrant:
    return access_pb2.EffectiveGrant(
        action=grant.action,
        unconditional=grant.unconditional,
        conditions=grant.conditions,
        sources=grant.sources,
        expire_time=_time(grant.expire_time),
    )


def change_to_wire(change: AccessChange) -> access_pb2.AccessChange:
    seen = change.seen
    return access_pb2.AccessChange(
        principal=seen.principal,
        action=seen.action,
        resource=seen.resource,
        allowed_now=change.allowed_now,
        allowed_then=change.allowed_then,
        statements=change.statements,
        calls=seen.count,
        last_time=_time(seen.last_time),
    )


def _time(moment: datetime | None) -> timestamp_pb2.Timestamp | None:
    if moment is None:
        return None
    message = timestamp_pb2.Timestamp()
    message.FromDatetime(moment)
    return message


def _moment(time: timestamp_pb2.Timestamp, field: str) -> datetime:
    try:
        return time.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise _invalid(field, "is no time") from None


def _invalid(field: str, what: str) -> InvalidArgument:
    return InvalidArgument(Reason.FIELD_INVALID, f"{field} {what}", field=field)
