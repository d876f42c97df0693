"""Settings of keys, aliases and readiness, from and to the wire."""

from hallmark.v1 import keys_pb2
from hallmark_client.model.key_settings import Alias, Readiness
from hallmark_client.model.keys import RotationPolicy, UsageLimits
from hallmark_client.model.log import LogPromise
from hallmark_client.wire.log import promise_of
from hallmark_client.wire.scalars import moment, moment_or_none, span, span_argument, timestamp_argument


def rotation_of(wire: keys_pb2.RotationPolicy) -> RotationPolicy:
    return RotationPolicy(
        period=span(wire.period) if wire.HasField("period") else None,
        publish_lead=span(wire.publish_lead),
        verify_tail=span(wire.verify_tail) if wire.HasField("verify_tail") else None,
        next_rotation_time=moment_or_none(wire, "next_rotation_time"),
    )


def rotation_argument(rotation: RotationPolicy) -> keys_pb2.RotationPolicy:
    """Raises InvalidArgument."""
    wire = keys_pb2.RotationPolicy(publish_lead=span_argument(rotation.publish_lead, "publish_lead"))
    if rotation.period is not None:
        wire.period.CopyFrom(span_argument(rotation.period, "period"))
    if rotation.verify_tail is not None:
        wire.verify_tail.CopyFrom(span_argument(rotation.verify_tail, "verify_tail"))
    return wire


def limits_of(wire: keys_pb2.UsageLimits) -> UsageLimits:
    return UsageLimits(
        per_second=wire.per_second or None, total=wire.total or None, not_after=moment_or_none(wire, "not_after")
    )


def limits_argument(limits: UsageLimits) -> keys_pb2.UsageLimits:
    """Raises InvalidArgument."""
    wire = keys_pb2.UsageLimits(per_second=limits.per_second or 0, total=limits.total or 0)
    if limits.not_after is not None:
        wire.not_after.CopyFrom(timestamp_argument(limits.not_after, "not_after"))
    return wire


def alias_of(wire: keys_pb2.Alias, *, log: LogPromise | None = None, replayed: bool = False) -> Alias:
    return Alias(
        name=wire.name,
        key=wire.key,
        etag=wire.etag,
        update_time=moment(wire.update_time),
        log=log,
        replayed=replayed,
    )


def set_alias_of(wire: keys_pb2.SetAliasResponse) -> Alias:
    return alias_of(wire.alias, log=promise_of(wire.log), replayed=wire.replayed)


def readiness_of(wire: keys_pb2.RotationReadiness) -> Readiness:
    return Readiness(
        next_version=wire.next_version,
        activate_time=moment_or_none(wire, "activate_time"),
        bundle_sequence=wire.bundle_sequence,
        clients_seen=wire.clients_seen,
        clients_ready=wire.clients_ready,
        not_ready=tuple(wire.not_ready),
    )
