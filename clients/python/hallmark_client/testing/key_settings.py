"""Settings of the fake's keys."""

from datetime import timedelta

from hallmark.v1 import common_pb2, keys_pb2
from hallmark_client.testing.gate_rules import gate_of
from hallmark_client.testing.refusals import invalid


def settings_of(given: keys_pb2.CreateKeyRequest | keys_pb2.ImportKeyRequest | keys_pb2.Key) -> keys_pb2.Key:
    """Rotation, limits, waiting period, export policy and sensitivity, with their defaults. Raises InvalidArgument."""
    wait = given.destroy_wait.ToTimedelta() if given.HasField("destroy_wait") else timedelta(days=30)
    if not timedelta(days=1) <= wait <= timedelta(days=120):
        raise invalid("destroy_wait", "must be 1 day to 120 days")
    rotation = given.rotation
    lead_max = timedelta(days=366)
    if rotation.HasField("period"):
        if rotation.period.ToTimedelta() < timedelta(hours=1):
            raise invalid("rotation.period", "must be 1 hour to 5 years")
        lead_max = rotation.period.ToTimedelta() / 2
    if not timedelta(0) <= rotation.publish_lead.ToTimedelta() <= lead_max:
        raise invalid("rotation.publish_lead", "must be at most half the period")
    settings = keys_pb2.Key(
        export_policy=given.export_policy or keys_pb2.EXPORT_POLICY_NEVER,
        sensitivity=given.sensitivity or common_pb2.SENSITIVITY_STANDARD,
    )
    settings.rotation.CopyFrom(rotation)
    settings.rotation.publish_lead.FromTimedelta(rotation.publish_lead.ToTimedelta())
    settings.usage_limits.CopyFrom(given.usage_limits)
    settings.destroy_wait.FromTimedelta(wait)
    if given.HasField("attestation_gate"):
        settings.attestation_gate.CopyFrom(gate_of(given.attestation_gate))
    return settings
