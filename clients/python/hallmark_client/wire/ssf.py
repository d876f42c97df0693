"""Receivers of shared signals from the wire."""

from hallmark.v1 import ssf_pb2
from hallmark_client.model.ssf import CreatedSsfReceiver, SsfReceiver
from hallmark_client.wire.scalars import moment, moment_or_none


def receiver_of(wire: ssf_pb2.SsfReceiver) -> SsfReceiver:
    return SsfReceiver(
        name=wire.name,
        audience=wire.audience,
        create_time=moment(wire.create_time),
        stream_status=wire.stream_status,
        delivery=wire.delivery,
        pending=wire.pending,
        last_delivery_time=moment_or_none(wire, "last_delivery_time"),
    )


def created_of(wire: ssf_pb2.CreateSsfReceiverResponse) -> CreatedSsfReceiver:
    return CreatedSsfReceiver(receiver=receiver_of(wire.receiver), token=wire.token, replayed=wire.replayed)
