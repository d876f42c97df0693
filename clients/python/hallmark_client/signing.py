"""client.signing: signatures made in the HSM boundary, and the server's word on a signature."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from hallmark.v1 import keys_pb2
from hallmark_client import rpc
from hallmark_client.bundle import prehash_file
from hallmark_client.calls import Calls
from hallmark_client.errors import ChecksumMismatch, HallmarkError, Internal
from hallmark_client.model.enums import LogWait
from hallmark_client.model.keys import Signature, Verified
from hallmark_client.status import error_of_status
from hallmark_client.to_sign import SignatureFormat, ToSign, ToVerify, sign_request, verify_request
from hallmark_client.wire.keys import public_key_of, signature_of, verified_of
from hallmark_client.wire.scalars import log_wait_argument

CHUNK_BYTES: Final = 256 * 1024
"""Of a streamed message."""
BATCH_MAX: Final = 512
Answer = TypeVar("Answer")


class Signing:
    """Reached as `client.signing`. Checksums (CRC32C) travel both ways; what arrives changed is refused."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def sign(
        self,
        name: str,
        data: bytes | None = None,
        *,
        digest: bytes | None = None,
        external_mu: bytes | None = None,
        context: bytes = b"",
        format: SignatureFormat = "raw",  # noqa: A002 - the field's own name
        device: str = "",
        request_id: str | None = None,
        wait: LogWait = "committed",
    ) -> Signature:
        """Sign a message, or what the algorithm makes of it, with a key (its primary version), a version or an alias.

        data: at most 1 MiB; send the digest of anything larger, or use `sign_stream`. digest: PH(M) of a composite, 64
        bytes SHA-512 (32 bytes SHA-256 for ...-SHA256), or the hash of an ECDSA key. external_mu: of pure ML-DSA, 64
        bytes. context: 0 to 255 bytes that separate uses; the verifier must give the same. device: on whose behalf, for
        a key with an attestation gate; empty for a device that calls itself. request_id: the same one gives the same
        signature again.
        Raises FailedPrecondition (KEY_REVOKED, ATTESTATION_REQUIRED, VERDICT_TOO_OLD...), PermissionDenied,
        ChecksumMismatch, InvalidArgument, NotFound.
        """
        item = ToSign(
            name=name,
            data=data,
            digest=digest,
            external_mu=external_mu,
            context=context,
            format=format,
            request_id=request_id,
            device=device,
        )
        request = self._sign_request(item)
        request.log_wait = log_wait_argument(wait)
        return self._calls(rpc.SIGN, request, _signed)

    def sign_many(self, items: Sequence[ToSign], *, wait: LogWait = "committed") -> list[Signature | HallmarkError]:
        """Up to 512 signatures in one call, many times cheaper than one by one. An answer or an error for each item.

        Items stand and fall alone; those that succeed are committed together. Raises what concerns the whole call.
        """
        request = keys_pb2.BatchSignRequest(
            parent=self._calls.names.parent,
            requests=[self._sign_request(item) for item in items],
            log_wait=log_wait_argument(wait),
        )
        return self._calls(rpc.BATCH_SIGN, request, lambda wire: _each(wire.results, len(items), _signed))

    def sign_file(
        self,
        name: str,
        path: str | os.PathLike[str],
        *,
        context: bytes = b"",
        device: str = "",
        request_id: str | None = None,
        wait: LogWait = "committed",
    ) -> Signature:
        """Sign a file of any size with a composite key: it is hashed here, only its pre-hash travels. Also OSError."""
        named = keys_pb2.GetPublicKeyRequest(name=self._calls.names.key(name))
        algorithm = self._calls(rpc.GET_PUBLIC_KEY, named, public_key_of).composite().algorithm
        digest = prehash_file(algorithm, path)
        return self.sign(name, digest=digest, context=context, device=device, request_id=request_id, wait=wait)

    def sign_stream(
        self,
        name: str,
        source: str | os.PathLike[str] | Iterable[bytes],
        *,
        context: bytes = b"",
        device: str = "",
        request_id: str | None = None,
        wait: LogWait = "committed",
        timeout_seconds: float = 600.0,
    ) -> Signature:
        """Sign a message of up to 16 GiB that the server hashes: a file, or pieces in order (at least one byte in all).

        The signature is that of `sign` for the whole message. A file or a list is sent again when the server was not
        available; pieces that can be had only once are not. Also raises OSError and what `source` raises.
        """
        header = keys_pb2.SignRequest(
            name=self._calls.names.key(name),
            context=context,
            device=self._calls.names.device_or_none(device),
            request_id=self._calls.request_id(request_id),
            log_wait=log_wait_argument(wait),
        )
        return self._calls.upload(
            rpc.SIGN_STREAM,
            lambda: _parts(header, _pieces(source)),
            signature_of,
            timeout_seconds=timeout_seconds,
            repeatable=isinstance(source, str | os.PathLike | Sequence),
        )

    def verify(
        self,
        name: str,
        signature: bytes,
        data: bytes | None = None,
        *,
        digest: bytes | None = None,
        external_mu: bytes | None = None,
        context: bytes = b"",
    ) -> Verified:
        """Let the server verify a raw signature with a version, or with every version of a key, newest first.

        Raises SignatureInvalid when it does not verify. To check without the server: `hallmark_client.bundle`.
        """
        item = ToVerify(
            name=name, signature=signature, data=data, digest=digest, external_mu=external_mu, context=context
        )
        return self._calls(rpc.VERIFY, verify_request(item, name=self._calls.names.key(name)), _checked)

    def verify_many(self, items: Sequence[ToVerify]) -> list[Verified | HallmarkError]:
        """Up to 512 verifications in one call. A fact or an error for each item: look at every one."""
        request = keys_pb2.BatchVerifyRequest(
            parent=self._calls.names.parent,
            requests=[verify_request(item, name=self._calls.names.key(item.name)) for item in items],
        )
        return self._calls(rpc.BATCH_VERIFY, request, lambda wire: _each(wire.results, len(items), _checked))

    def _sign_request(self, item: ToSign) -> keys_pb2.SignRequest:
        names = self._calls.names
        return sign_request(
            item,
            name=names.key(item.name),
            device=names.device_or_none(item.device),
            request_id=self._calls.request_id(item.request_id),
        )


def _each(results: Sequence[Any], count: int, read: Callable[[Any], Answer]) -> list[Answer | HallmarkError]:
    """In the order of the requests. Raises Internal when the server answered another number of them."""
    if len(results) != count:
        raise Internal("ANSWER_INVALID", f"the server answered {len(results)} of {count} items")
    return [_one(result, read) for result in results]


def _one(result: Any, read: Callable[[Any], Answer]) -> Answer | HallmarkError:
    try:
        match result.WhichOneof("outcome"):
            case "response":
                return read(result.response)
            case "error":
                return error_of_status(result.error)
            case _:
                return Internal("ANSWER_INVALID", "the server answered nothing for this item")
    except HallmarkError as error:
        return error


def _parts(header: keys_pb2.SignRequest, pieces: Iterator[bytes]) -> Iterator[keys_pb2.SignStreamRequest]:
    yield keys_pb2.SignStreamRequest(header=header)
    for piece in pieces:
        yield keys_pb2.SignStreamRequest(chunk=piece)
    yield keys_pb2.SignStreamRequest(chunk=b"")  # the end: what breaks off before it is never signed


def _pieces(source: str | os.PathLike[str] | Iterable[bytes]) -> Iterator[bytes]:
    """In parts that fit a message; empty ones are left out."""
    if isinstance(source, str | os.PathLike):
        with Path(source).open("rb", buffering=0) as file:
            while part := file.read(CHUNK_BYTES):
                yield part
        return
    for piece in source:
        view = memoryview(piece)
        for start in range(0, len(view), CHUNK_BYTES):
            yield bytes(view[start : start + CHUNK_BYTES])


def _signed(wire: keys_pb2.SignResponse) -> Signature:
    _check_input(verified=wire.verified_input_crc32c)
    return signature_of(wire)


def _checked(wire: keys_pb2.VerifyResponse) -> Verified:
    _check_input(verified=wire.verified_input_crc32c)
    return verified_of(wire)


def _check_input(*, verified: bool) -> None:
    """A server that did not check what we summed may have worked on other bytes."""
    if not verified:
        raise ChecksumMismatch("CHECKSUM_MISMATCH", "the server did not confirm the checksum of the input; call again")
