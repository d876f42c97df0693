"""Sign and Verify of the fake, with real composite signatures that are verified before they leave."""

import hashlib
from typing import Final

import grpc

from hallmark.v1 import keys_pb2
from hallmark_client.checksum import crc32c
from hallmark_client.testing.gates import FakeGates
from hallmark_client.testing.key_use import MANIFEST_CONTEXT, check_use
from hallmark_client.testing.keys import FakeKeys
from hallmark_client.testing.refusals import invalid, not_found, precondition, refusal
from hallmark_client.testing.state import State
from hallmark_composite import CompositeAlgorithm, CompositeError, prehash, verify

MAX_DATA_BYTES: Final = 1 << 20
MAX_CONTEXT_BYTES: Final = 255


class FakeSigning:
    """Asserts that callers send checksums."""

    def __init__(self, state: State, keys: FakeKeys, gates: FakeGates) -> None:
        self._state = state
        self._keys = keys
        self._gates = gates

    def sign(self, request: keys_pb2.SignRequest) -> keys_pb2.SignResponse:
        _check_input(request)
        if request.format not in {keys_pb2.SIGNATURE_FORMAT_UNSPECIFIED, keys_pb2.SIGNATURE_FORMAT_RAW}:
            raise invalid("format", "of composites is not settled yet; take the raw signature", "FORMAT_UNSUPPORTED")
        version = self._signing_version(request.name)
        key = self._keys.find(version.name.partition("/versions/")[0])
        vouched = self._gates.check(key, request.device)
        context = check_use(key, request, self._state.now())
        pair = self._keys.pair(version.name)
        digest = _digest(request, pair.algorithm)
        signature = pair.sign(digest, context)
        verify(pair.public_key, signature, digest=digest, context=context)
        details = {
            "context_sha256": hashlib.sha256(context).hexdigest(),
            "input_digest_sha256": hashlib.sha256(digest).hexdigest(),
            "signature_sha256": hashlib.sha256(signature).hexdigest(),
            **vouched,
        }
        return keys_pb2.SignResponse(
            key_version=version.name,
            algorithm=key.algorithm,
            protection_level=version.protection_level,
            signature=signature,
            signature_crc32c=crc32c(signature),
            verified_input_crc32c=True,
            log=self._state.record("signature.created", version.name, details, wait=request.log_wait),
        )

    def verify(self, request: keys_pb2.VerifyRequest) -> keys_pb2.VerifyResponse:
        _check_input(request)
        if crc32c(request.signature) != request.signature_crc32c:
            raise invalid("signature_crc32c", "does not match the bytes that arrived", "CHECKSUM_MISMATCH")
        name, number = self._keys.reference(request.name)
        candidates = self._keys.find(name).versions if number is None else [self._keys.version(name, number)]
        for version in candidates:
            pair = self._keys.pair(version.name)
            context = request.context
            if self._keys.find(name).purpose == keys_pb2.KEY_PURPOSE_MANIFEST:
                context = context or MANIFEST_CONTEXT
            try:
                digest = _digest(request, pair.algorithm)
                verify(pair.public_key, request.signature, digest=digest, context=context)
            except CompositeError:
                continue
            verified = keys_pb2.VerifyResponse(
                key_version=version.name, state=version.state, verified_input_crc32c=True
            )
            for field in ("revoke_time", "compromise_time"):
                if version.HasField(field):
                    getattr(verified, field).CopyFrom(getattr(version, field))
            return verified
        sentence = f"the signature does not verify with {request.name} over this input and context"
        raise refusal(grpc.StatusCode.INVALID_ARGUMENT, "SIGNATURE_INVALID", sentence)

    def _signing_version(self, given: str) -> keys_pb2.KeyVersion:
        name, number = self._keys.reference(given)
        key = self._keys.find(name)
        if key.purpose in {keys_pb2.KEY_PURPOSE_SERVICE, keys_pb2.KEY_PURPOSE_IMPORT}:
            raise not_found(given)
        if key.purpose == keys_pb2.KEY_PURPOSE_ENVELOPE:
            raise precondition("PURPOSE_MISMATCH", f"{name} signs nothing")
        version = self._keys.version(name, number)
        if key.HasField("revoke_time"):
            raise precondition("KEY_REVOKED", f"{name} was revoked; create a new key")
        if version.state != keys_pb2.KEY_VERSION_STATE_ACTIVE:
            raise precondition("KEY_VERSION_NOT_ACTIVE", f"{version.name} does not sign; sign with {name}")
        return version


def _check_input(request: keys_pb2.SignRequest | keys_pb2.VerifyRequest) -> None:
    kind = request.WhichOneof("input")
    if kind is None:
        raise invalid("input", "is missing: give data or digest")
    if kind == "external_mu":
        raise invalid("external_mu", "is for ML-DSA; this key takes data or digest")
    given = request.data if kind == "data" else request.digest
    if len(given) > MAX_DATA_BYTES:
        raise invalid(kind, f"may have {MAX_DATA_BYTES} bytes; sign the digest instead", "MESSAGE_TOO_LARGE")
    if len(request.context) > MAX_CONTEXT_BYTES:
        raise invalid("context", f"may have {MAX_CONTEXT_BYTES} bytes")
    assert request.HasField("input_crc32c"), "a call without input_crc32c"
    if crc32c(given) != request.input_crc32c:
        raise invalid("input_crc32c", "does not match the bytes that arrived", "CHECKSUM_MISMATCH")


def _digest(request: keys_pb2.SignRequest | keys_pb2.VerifyRequest, algorithm: CompositeAlgorithm) -> bytes:
    if request.WhichOneof("input") == "data":
        return prehash(algorithm, request.data)
    if len(request.digest) != algorithm.prehash_size:
        raise invalid("digest", f"must be the {algorithm.prehash.upper()} of the message")
    return request.digest
