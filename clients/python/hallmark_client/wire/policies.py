"""Appraisal policies from the wire."""

from typing import TypeVar

from hallmark.v1 import appraisal_pb2
from hallmark_client.model.enums import PolicyForm, PolicyState
from hallmark_client.model.policies import DeviceChange, DeviceStanding, Policy, PolicyChange
from hallmark_client.wire.log import promise_of
from hallmark_client.wire.scalars import member_of, moment_or_none
from hallmark_client.wire.signed import signature_of

_Changed = TypeVar("_Changed", appraisal_pb2.SetPolicyResponse, appraisal_pb2.ActivatePolicyResponse)


def policy_of(wire: appraisal_pb2.Policy) -> Policy:
    return Policy(
        name=wire.name,
        title=wire.title,
        state=member_of(PolicyState, wire.state),
        document=wire.document,
        form=member_of(PolicyForm, wire.form),
        policy_sha256=wire.policy_sha256,
        payload=wire.payload,
        signature=signature_of(wire.signature) if wire.HasField("signature") else None,
        create_time=moment_or_none(wire, "create_time"),
        activate_time=moment_or_none(wire, "activate_time"),
    )


def policy_change_of(wire: _Changed) -> PolicyChange:
    return PolicyChange(policy=policy_of(wire.policy), log=promise_of(wire.log), replayed=wire.replayed)


def device_change_of(wire: appraisal_pb2.DeviceChange) -> DeviceChange:
    return DeviceChange(
        device=wire.device,
        before=_standing_of(getattr(wire, "from")),
        after=_standing_of(wire.to),
        by_policy=wire.by_policy,
    )


def _standing_of(wire: appraisal_pb2.Standing) -> DeviceStanding:
    return DeviceStanding(authentic=wire.authentic, appraised=wire.appraised, reasons=tuple(wire.reasons))
