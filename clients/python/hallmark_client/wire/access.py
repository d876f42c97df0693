"""Access rules from the wire."""

from typing import Final

from hallmark.v1 import access_pb2
from hallmark_client.model.access import (
    AccessChange,
    AccessGrant,
    AccessGrantChange,
    AccessPolicy,
    AccessPolicyChange,
    AccessPolicyState,
    AccessTest,
    EffectiveAccess,
    EffectiveGrant,
)
from hallmark_client.wire.log import promise_of
from hallmark_client.wire.scalars import moment, moment_or_none
from hallmark_client.wire.signed import signature_of

_STATES: Final = {
    access_pb2.ACCESS_POLICY_STATE_PENDING: AccessPolicyState.PENDING,
    access_pb2.ACCESS_POLICY_STATE_ACTIVE: AccessPolicyState.ACTIVE,
    access_pb2.ACCESS_POLICY_STATE_REPLACED: AccessPolicyState.REPLACED,
}


def access_policy_of(wire: access_pb2.AccessPolicy) -> AccessPolicy:
    """A state of a newer server is UNKNOWN."""
    return AccessPolicy(
        name=wire.name,
        title=wire.title,
        state=_STATES.get(wire.state, AccessPolicyState.UNKNOWN),
        document=wire.document,
        payload=wire.payload,
        signature=signature_of(wire.signature) if wire.HasField("signature") else None,
        create_time=moment_or_none(wire, "create_time"),
        activate_time=moment_or_none(wire, "activate_time"),
    )


def access_policy_change_of(wire: access_pb2.SetAccessPolicyResponse) -> AccessPolicyChange:
    log = promise_of(wire.log) if wire.HasField("log") else None
    return AccessPolicyChange(policy=access_policy_of(wire.policy), log=log, replayed=wire.replayed)


def access_change_of(wire: access_pb2.AccessChange) -> AccessChange:
    return AccessChange(
        principal=wire.principal,
        action=wire.action,
        resource=wire.resource,
        allowed_now=wire.allowed_now,
        allowed_then=wire.allowed_then,
        statements=tuple(wire.statements),
        calls=wire.calls,
        last_time=moment(wire.last_time),
    )


def grant_of(wire: access_pb2.Grant) -> AccessGrant:
    return AccessGrant(
        name=wire.name,
        principal=wire.principal,
        actions=tuple(wire.actions),
        resources=tuple(wire.resources),
        condition=wire.condition,
        reason=wire.reason,
        grantor=wire.grantor,
        create_time=moment(wire.create_time),
        expire_time=moment(wire.expire_time),
        revoke_time=moment_or_none(wire, "revoke_time"),
    )


def grant_change_of(wire: access_pb2.GrantResponse) -> AccessGrantChange:
    return AccessGrantChange(grant=grant_of(wire.grant), log=promise_of(wire.log), replayed=wire.replayed)


def access_test_of(wire: access_pb2.TestAccessResponse) -> AccessTest:
    return AccessTest(
        allowed=wire.allowed,
        reason=wire.reason,
        explanation=wire.explanation,
        statements=tuple(wire.statements),
        policy=wire.policy,
    )


def effective_access_of(wire: access_pb2.ListEffectiveGrantsResponse) -> EffectiveAccess:
    return EffectiveAccess(grants=tuple(map(_effective_of, wire.grants)), policy=wire.policy)


def _effective_of(wire: access_pb2.EffectiveGrant) -> EffectiveGrant:
    return EffectiveGrant(
        action=wire.action,
        unconditional=wire.unconditional,
        conditions=tuple(wire.conditions),
        sources=tuple(wire.sources),
        expire_time=moment_or_none(wire, "expire_time"),
    )
