"""Purposes and limits of the fake's keys."""

from datetime import UTC, datetime
from typing import Final

from hallmark.v1 import keys_pb2
from hallmark_client.errors import ManifestInvalid
from hallmark_client.manifest import parse_manifest
from hallmark_client.testing.refusals import invalid, precondition

MANIFEST_CONTEXT: Final = b"hallmark/manifest/v1"


def check_use(key: keys_pb2.Key, request: keys_pb2.SignRequest, now: datetime) -> bytes:
    """Counts one signature; gives the context it is made under. Raises FailedPrecondition, InvalidArgument."""
    context = _context(key, request)
    limits = key.usage_limits
    if limits.HasField("not_after") and now > limits.not_after.ToDatetime(tzinfo=UTC):
        raise precondition("KEY_EXPIRED", f"{key.name} may not be used any more")
    if limits.total and key.use_count >= limits.total:
        raise precondition("USAGE_LIMIT_REACHED", f"{key.name} was used as often as it may be")
    key.use_count += 1
    return context


def _context(key: keys_pb2.Key, request: keys_pb2.SignRequest) -> bytes:
    if key.purpose != keys_pb2.KEY_PURPOSE_MANIFEST:
        if request.context.startswith(b"hallmark/"):
            raise invalid("context", "begins with hallmark/, which is for keys of other purposes", "PURPOSE_MISMATCH")
        return request.context
    if request.WhichOneof("input") != "data":
        raise invalid("input", "must be data: this key has to see what it signs", "PURPOSE_MISMATCH")
    if request.context not in {b"", MANIFEST_CONTEXT}:
        raise invalid("context", "must be left out: this key signs manifests only", "PURPOSE_MISMATCH")
    try:
        parse_manifest(request.data)
    except ManifestInvalid:
        raise invalid("data", "is no manifest: this key signs nothing else", "PURPOSE_MISMATCH") from None
    return MANIFEST_CONTEXT
