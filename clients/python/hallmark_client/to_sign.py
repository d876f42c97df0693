"""What is to be signed or verified, for the calls that take many at a time."""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from hallmark.v1 import keys_pb2
from hallmark_client.checksum import crc32c
from hallmark_client.errors import InvalidArgument

SignatureFormat: TypeAlias = Literal["raw", "cose", "jws"]
"""raw: the algorithm's own bytes. cose: COSE_Sign1 (RFC 9052), jws: JWS compact (RFC 7515), both with the payload
inside; for ECDSA, Ed25519 and ML-DSA keys, whose registrations are settled."""

_FORMATS: Final = {
    "raw": keys_pb2.SIGNATURE_FORMAT_RAW,
    "cose": keys_pb2.SIGNATURE_FORMAT_COSE_SIGN1,
    "jws": keys_pb2.SIGNATURE_FORMAT_JWS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ToSign:
    """One item of `client.signing.sign_many`; as the arguments of `sign`."""

    name: str
    data: bytes | None = None
    digest: bytes | None = None
    external_mu: bytes | None = None
    context: bytes = b""
    format: SignatureFormat = "raw"
    request_id: str | None = None
    device: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToVerify:
    """One item of `client.signing.verify_many`; as the arguments of `verify`."""

    name: str
    signature: bytes
    data: bytes | None = None
    digest: bytes | None = None
    external_mu: bytes | None = None
    context: bytes = b""


def sign_request(item: ToSign, *, name: str, device: str, request_id: str) -> keys_pb2.SignRequest:
    """`name` and `device` are the full ones. Raises InvalidArgument unless exactly one input is given."""
    return keys_pb2.SignRequest(
        name=name,
        data=item.data,
        digest=item.digest,
        external_mu=item.external_mu,
        input_crc32c=crc32c(_one_input(item)),
        context=item.context,
        request_id=request_id,
        format=format_argument(item.format),
        device=device,
    )


def verify_request(item: ToVerify, *, name: str) -> keys_pb2.VerifyRequest:
    """`name` is the full one. Raises InvalidArgument unless exactly one input is given."""
    return keys_pb2.VerifyRequest(
        name=name,
        data=item.data,
        digest=item.digest,
        external_mu=item.external_mu,
        input_crc32c=crc32c(_one_input(item)),
        context=item.context,
        signature=item.signature,
        signature_crc32c=crc32c(item.signature),
    )


def format_argument(value: str) -> keys_pb2.SignatureFormat:
    if value not in _FORMATS:
        raise InvalidArgument("FIELD_INVALID", f"format is one of {', '.join(_FORMATS)}, not {value!r}")
    return _FORMATS[value]


def _one_input(item: ToSign | ToVerify) -> bytes:
    given = [part for part in (item.data, item.digest, item.external_mu) if part is not None]
    if len(given) != 1:
        raise InvalidArgument("FIELD_INVALID", "give exactly one of data, digest and external_mu")
    return given[0]
