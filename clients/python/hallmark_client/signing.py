"""client.signing: composite signatures made in the HSM boundary, and the server's word on a signature."""

import os

from hallmark.v1 import keys_pb2
from hallmark_client import rpc
from hallmark_client.bundle import prehash_file
from hallmark_client.calls import Calls
from hallmark_client.checksum import crc32c
from hallmark_client.errors import ChecksumMismatch, InvalidArgument
from hallmark_client.model.enums import LogWait
from hallmark_client.model.keys import Signature, Verified
from hallmark_client.wire.keys import public_key_of, signature_of, verified_of
from hallmark_client.wire.scalars import log_wait_argument


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
        context: bytes = b"",
        request_id: str | None = None,
        wait: LogWait = "committed",
    ) -> Signature:
        """Sign a message, or its pre-hash, with a key (its primary version) or a version.

        data: at most 1 MiB; sign the digest of anything larger, the signature is the same. digest: PH(M) of the
        algorithm, 64 bytes SHA-512 (32 bytes SHA-256 for ...-SHA256). context: 0 to 255 bytes that separate uses; the
        verifier must give the same. request_id: the same one gives the same signature again.
        Raises FailedPrecondition (KEY_REVOKED, KEY_VERSION_NOT_ACTIVE), ChecksumMismatch, InvalidArgument, NotFound.
        """
        content = _one_input(data, digest)
        request = keys_pb2.SignRequest(
            name=self._calls.names.key(name),
            data=data,
            digest=digest,
            input_crc32c=crc32c(content),
            context=context,
            request_id=self._calls.request_id(request_id),
            log_wait=log_wait_argument(wait),
        )
        return self._calls(rpc.SIGN, request, _signed)

    def sign_file(
        self,
        name: str,
        path: str | os.PathLike[str],
        *,
        context: bytes = b"",
        request_id: str | None = None,
        wait: LogWait = "committed",
    ) -> Signature:
        """Sign a file of any size: it is hashed here, only its pre-hash travels. As `sign` otherwise; also OSError."""
        named = keys_pb2.GetPublicKeyRequest(name=self._calls.names.key(name))
        algorithm = self._calls(rpc.GET_PUBLIC_KEY, named, public_key_of).composite().algorithm
        return self.sign(name, digest=prehash_file(algorithm, path), context=context, request_id=request_id, wait=wait)

    def verify(
        self,
        name: str,
        signature: bytes,
        data: bytes | None = None,
        *,
        digest: bytes | None = None,
        context: bytes = b"",
    ) -> Verified:
        """Let the server verify with a version, or with every version of a key, newest first.

        Raises SignatureInvalid when it does not verify. To check without the server: `hallmark_client.bundle`.
        """
        content = _one_input(data, digest)
        request = keys_pb2.VerifyRequest(
            name=self._calls.names.key(name),
            data=data,
            digest=digest,
            input_crc32c=crc32c(content),
            context=context,
            signature=signature,
            signature_crc32c=crc32c(signature),
        )
        return self._calls(rpc.VERIFY, request, _checked)


def _one_input(data: bytes | None, digest: bytes | None) -> bytes:
    content = data if data is not None else digest
    if content is None or (data is not None and digest is not None):
        raise InvalidArgument("FIELD_INVALID", "give the data or its digest, and not both")
    return content


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
