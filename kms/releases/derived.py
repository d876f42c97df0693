"""Request keys of acts that follow from another act: the same again whenever that is repeated, at every replica."""

import hashlib
import uuid
from typing import Final

from kms.core.idempotency import RequestKey

_DOMAIN: Final = "hallmark/derived-request/v1"


def derived_request(caller: str, *about: str) -> RequestKey:
    """`about`: everything that the act is; its SHA-256 is both the request_id (first 16 bytes) and the fingerprint."""
    digest = hashlib.sha256("\0".join((_DOMAIN, *about)).encode()).digest()
    return RequestKey(caller, str(uuid.UUID(bytes=digest[:16])), digest)
