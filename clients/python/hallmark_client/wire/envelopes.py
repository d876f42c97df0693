"""Envelopes from the wire."""

from hallmark.v1 import envelopes_pb2
from hallmark_client.checksum import check_crc32c
from hallmark_client.errors import HallmarkError, Internal
from hallmark_client.model.enums import Algorithm
from hallmark_client.model.envelopes import DataKey, EnvelopeKey, OpenedEnvelope, Shredding
from hallmark_client.status import error_of_status
from hallmark_client.wire.log import promise_of
from hallmark_client.wire.scalars import member_of, moment
from hallmark_client.wire.signed import signature_of


def envelope_key_of(wire: envelopes_pb2.EnvelopeKey) -> EnvelopeKey:
    """Raises ChecksumMismatch."""
    check_crc32c(wire.public_key, wire.public_key_crc32c, "the envelope key")
    return EnvelopeKey(
        name=wire.name,
        algorithm=member_of(Algorithm, wire.algorithm),
        kem_id=wire.kem_id,
        kdf_id=wire.kdf_id,
        aead_id=wire.aead_id,
        public_key=wire.public_key,
        public_key_crc32c=wire.public_key_crc32c,
        not_after=moment(wire.not_after),
        payload=wire.payload,
        signature=signature_of(wire.signature),
    )


def opened_of(wire: envelopes_pb2.OpenEnvelopeResponse) -> OpenedEnvelope:
    """Raises ChecksumMismatch."""
    check_crc32c(wire.plaintext, wire.plaintext_crc32c, "the plaintext")
    return OpenedEnvelope(plaintext=wire.plaintext, log=promise_of(wire.log))


def opened_many_of(wire: envelopes_pb2.OpenEnvelopesResponse) -> list[OpenedEnvelope | HallmarkError]:
    """An error of one envelope is an item of the list, not raised."""
    return [_outcome_of(result) for result in wire.results]


def data_key_of(wire: envelopes_pb2.GenerateDataKeyResponse) -> DataKey:
    return DataKey(
        plaintext=wire.plaintext, envelope=wire.envelope, key_version=wire.key_version, log=promise_of(wire.log)
    )


def shredding_of(wire: envelopes_pb2.ShredEpochResponse) -> Shredding:
    return Shredding(shred_time=moment(wire.shred_time), log=promise_of(wire.log), replayed=wire.replayed)


def _outcome_of(wire: envelopes_pb2.OpenEnvelopesResponse.Result) -> OpenedEnvelope | HallmarkError:
    match wire.WhichOneof("outcome"):
        case "response":
            try:
                return opened_of(wire.response)
            except HallmarkError as error:
                return error
        case "error":
            return error_of_status(wire.error)
        case _:
            return Internal("ANSWER_INVALID", "the server answered an envelope with nothing")
