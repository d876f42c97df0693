"""Wrapping keys and exported keys, from the wire."""

from hallmark.v1 import keys_pb2
from hallmark_client.checksum import check_crc32c
from hallmark_client.model.enums import Algorithm, KeyPurpose
from hallmark_client.model.transfer import ExportedKey, WrappingKey
from hallmark_client.wire.log import promise_of
from hallmark_client.wire.scalars import member_of, moment
from hallmark_client.wire.signed import signature_of


def wrapping_key_of(wire: keys_pb2.WrappingKey) -> WrappingKey:
    """Raises ChecksumMismatch."""
    check_crc32c(wire.public_key, wire.public_key_crc32c, "the wrapping key")
    return WrappingKey(
        name=wire.name,
        algorithm=member_of(Algorithm, wire.algorithm),
        public_key=wire.public_key,
        public_key_crc32c=wire.public_key_crc32c,
        not_after=moment(wire.not_after),
        creation_event_key=wire.creation_event_key,
        payload=wire.payload,
        signature=signature_of(wire.signature),
    )


def exported_key_of(wire: keys_pb2.ExportKeyResponse) -> ExportedKey:
    """Raises ChecksumMismatch."""
    check_crc32c(wire.envelope, wire.envelope_crc32c, "the envelope")
    return ExportedKey(
        name=wire.name,
        algorithm=member_of(Algorithm, wire.algorithm),
        purpose=member_of(KeyPurpose, wire.purpose),
        public_key=wire.public_key,
        envelope=wire.envelope,
        log=promise_of(wire.log),
        replayed=wire.replayed,
    )
