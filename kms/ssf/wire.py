"""Receivers on the wire."""

from hallmark.v1 import ssf_pb2
from kms.ssf.model import Overview


def receiver_to_wire(overview: Overview) -> ssf_pb2.SsfReceiver:
    receiver, stream = overview.receiver, overview.stream
    message = ssf_pb2.SsfReceiver(name=str(receiver.name), audience=receiver.audience, pending=overview.pending)
    message.create_time.FromDatetime(receiver.create_time)
    if stream is not None:
        message.stream_status = stream.status.value
        message.delivery = stream.wishes.delivery.method.word
        if stream.last_delivery_time is not None:
            message.last_delivery_time.FromDatetime(stream.last_delivery_time)
    return message
