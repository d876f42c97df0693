"""Signatures of the service itself, from the wire."""

from hallmark.v1 import common_pb2
from hallmark_client.model.signed import ServiceSignature
from hallmark_client.wire.scalars import moment


def signature_of(wire: common_pb2.ServiceSignature) -> ServiceSignature:
    return ServiceSignature(
        key_version=wire.key_version,
        signature=wire.signature,
        context=wire.context,
        sign_time=moment(wire.sign_time),
    )
