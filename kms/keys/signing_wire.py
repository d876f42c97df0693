"""Signatures on the wire: model <-> protobuf."""

from hallmark.v1 import keys_pb2
from kms.core.checksum import check_crc32c, crc32c
from kms.core.errors import InvalidArgument, Reason
from kms.keys import wire
from kms.keys.formats import SignatureFormat
from kms.keys.inputs import SignInput
from kms.keys.model import CONTEXT_BYTES_MAX, MESSAGE_BYTES_MAX, KeyVersion
from kms.keys.signing import SignOutcome
from kms.log.wire import write_promise

_FORMATS: dict[keys_pb2.SignatureFormat, SignatureFormat] = {
    keys_pb2.SIGNATURE_FORMAT_UNSPECIFIED: SignatureFormat.RAW,
    keys_pb2.SIGNATURE_FORMAT_RAW: SignatureFormat.RAW,
    keys_pb2.SIGNATURE_FORMAT_COSE_SIGN1: SignatureFormat.COSE_SIGN1,
    keys_pb2.SIGNATURE_FORMAT_JWS: SignatureFormat.JWS,
}


def input_from_wire(request: keys_pb2.SignRequest | keys_pb2.VerifyRequest) -> SignInput:
    """Checks presence, sizes and checksum. What the algorithm takes is checked once the key is known."""
    match request.WhichOneof("input"):
        case "digest":
            content = request.digest
            given = SignInput(digest=content, context=context_from_wire(request.context))
        case "data":
            content = _data(request.data)
            given = SignInput(data=content, context=context_from_wire(request.context))
        case "external_mu":
            content = request.external_mu
            given = SignInput(mu=content, context=context_from_wire(request.context))
        case _:
            raise InvalidArgument(Reason.FIELD_INVALID, "give data, digest or external_mu", field="input")
    if request.HasField("input_crc32c"):
        check_crc32c(content, request.input_crc32c, "input_crc32c")
    return given


def context_from_wire(context: bytes) -> bytes:
    if len(context) > CONTEXT_BYTES_MAX:
        raise InvalidArgument(Reason.FIELD_INVALID, f"context may have {CONTEXT_BYTES_MAX} bytes", field="context")
    return context


def format_from_wire(number: keys_pb2.SignatureFormat) -> SignatureFormat:
    if number not in _FORMATS:
        raise InvalidArgument(Reason.FORMAT_UNSUPPORTED, "format is not one this server knows", field="format")
    return _FORMATS[number]


def signature_to_wire(outcome: SignOutcome, *, verified_input: bool) -> keys_pb2.SignResponse:
    message = keys_pb2.SignResponse()
    write_signature(message, outcome, verified_input=verified_input)
    return message


def write_signature(message: keys_pb2.SignResponse, outcome: SignOutcome, *, verified_input: bool) -> None:
    """In place: a message put into another is copied, and these are large."""
    answer, promise, replayed = outcome
    message.key_version = answer.key_version
    message.algorithm = wire.algorithm_to_wire(answer.algorithm)
    message.protection_level = wire.protection_to_wire(answer.protection)
    message.signature = answer.signature
    message.signature_crc32c = crc32c(answer.signature)
    message.verified_input_crc32c = verified_input
    message.replayed = replayed
    write_promise(message.log, promise)


def verified_to_wire(version: KeyVersion, *, verified_input: bool) -> keys_pb2.VerifyResponse:
    message = keys_pb2.VerifyResponse(
        key_version=str(version.name), state=wire.state_to_wire(version.state), verified_input_crc32c=verified_input
    )
    if version.revoke_time is not None:
        message.revoke_time.FromDatetime(version.revoke_time)
    if version.compromise_time is not None:
        message.compromise_time.FromDatetime(version.compromise_time)
    return message


def _data(data: bytes) -> bytes:
    if len(data) > MESSAGE_BYTES_MAX:
        raise InvalidArgument(
            Reason.MESSAGE_TOO_LARGE,
            f"data may have {MESSAGE_BYTES_MAX} bytes; hash a larger one yourself and send digest, or use SignStream",
            field="data",
        )
    return data
