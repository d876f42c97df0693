"""Envelopes on the wire: model <-> protobuf."""

from google.protobuf import timestamp_pb2

from hallmark.v1 import envelopes_pb2
from hallmark_envelope import AEAD_ID, KDF_ID, MAX_ENVELOPE_SIZE, MAX_INFO_SIZE
from kms.core.checksum import check_crc32c, crc32c
from kms.core.errors import InvalidArgument, Reason
from kms.core.idempotency import RequestKey
from kms.core.names import KeyVersionName
from kms.envelopes.model import BATCH_MAX, DataKey, EnvelopeKey, Opened, Opening, Shredding, kem_of
from kms.keys.verdict_gate import Claimant
from kms.keys.wire import algorithm_to_wire, service_signature_to_wire
from kms.log.wire import promise_to_wire, wants_published


def info_from_wire(info: bytes) -> bytes:
    if len(info) > MAX_INFO_SIZE:
        raise InvalidArgument(Reason.FIELD_INVALID, f"info may have {MAX_INFO_SIZE} bytes", field="info")
    return info


def opening_from_wire(
    request: envelopes_pb2.OpenEnvelopeRequest, name: KeyVersionName, key: RequestKey, claimant: Claimant
) -> Opening:
    """Checks sizes and checksum; what the envelope itself is worth is not said here."""
    if len(request.envelope) > MAX_ENVELOPE_SIZE:
        raise InvalidArgument(
            Reason.MESSAGE_TOO_LARGE,
            f"an envelope may have {MAX_ENVELOPE_SIZE} bytes; seal a data key, and the rest under that",
            field="envelope",
        )
    if request.HasField("envelope_crc32c"):
        check_crc32c(request.envelope, request.envelope_crc32c, "envelope_crc32c")
    return Opening(
        name=name,
        envelope=request.envelope,
        info=info_from_wire(request.info),
        request=key,
        published=wants_published(request.log_wait),
        claimant=claimant,
    )


def check_batch_size(request: envelopes_pb2.OpenEnvelopesRequest) -> None:
    if not 1 <= len(request.requests) <= BATCH_MAX:
        raise InvalidArgument(
            Reason.BATCH_TOO_LARGE, f"requests must have 1 to {BATCH_MAX} envelopes", field="requests"
        )


def envelope_key_to_wire(key: EnvelopeKey) -> envelopes_pb2.EnvelopeKey:
    not_after = timestamp_pb2.Timestamp()
    not_after.FromDatetime(key.not_after)
    version = key.version
    return envelopes_pb2.EnvelopeKey(
        name=str(version.name),
        algorithm=algorithm_to_wire(version.algorithm.title),
        kem_id=int(kem_of(version)),
        kdf_id=KDF_ID,
        aead_id=AEAD_ID,
        public_key=version.public_bytes,
        public_key_crc32c=crc32c(version.public_bytes),
        not_after=not_after,
        payload=key.payload,
        signature=service_signature_to_wire(key.signature),
    )


def opened_to_wire(opened: Opened) -> envelopes_pb2.OpenEnvelopeResponse:
    plaintext = opened.plaintext.reveal()
    return envelopes_pb2.OpenEnvelopeResponse(
        plaintext=plaintext,
        plaintext_crc32c=crc32c(plaintext),
        log=promise_to_wire(opened.promise),
    )


def data_key_to_wire(key: DataKey) -> envelopes_pb2.GenerateDataKeyResponse:
    return envelopes_pb2.GenerateDataKeyResponse(
        plaintext=key.plaintext.reveal(),
        envelope=key.envelope,
        key_version=key.key_version,
        log=promise_to_wire(key.promise),
    )


def shredding_to_wire(shredding: Shredding, *, replayed: bool) -> envelopes_pb2.ShredEpochResponse:
    shred_time = timestamp_pb2.Timestamp()
    shred_time.FromDatetime(shredding.shred_time)
    return envelopes_pb2.ShredEpochResponse(
        shred_time=shred_time, log=promise_to_wire(shredding.promise), replayed=replayed
    )
