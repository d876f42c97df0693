"""Signatures by the service's own keys, over bytes in the same message."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from hallmark_client.errors import SignatureInvalid, VerificationFailed
from hallmark_client.model.result import Result
from hallmark_composite import CompositeError, CompositePublicKey, verify

TrustedKeys: TypeAlias = Mapping[str, CompositePublicKey]
"""Full key version name to public key: the service keys whose signatures on events and heartbeats count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSignature(Result):
    """A composite signature by one of the service's own keys. context: UTF-8 text that separates domains."""

    key_version: str
    signature: bytes
    context: str
    sign_time: datetime

    def verify(self, payload: bytes, trusted_keys: TrustedKeys, *, context: str) -> None:
        """Check it over `payload` under the context the caller expects, never the one the message claims.

        Raises VerificationFailed (KEY_NOT_TRUSTED, CONTEXT_MISMATCH) or SignatureInvalid.
        """
        key = trusted_keys.get(self.key_version)
        if key is None:
            sentence = f"{self.key_version or 'an unnamed key'} is not among the trusted keys"
            raise VerificationFailed("KEY_NOT_TRUSTED", sentence)
        if not hmac.compare_digest(self.context.encode(), context.encode()):
            raise VerificationFailed("CONTEXT_MISMATCH", f"signed for {self.context!r}, not for {context!r}")
        try:
            verify(key, self.signature, message=payload, context=context.encode())
        except CompositeError as error:
            sentence = f"the signature of {self.key_version} does not verify: {error}"
            raise SignatureInvalid("SIGNATURE_INVALID", sentence) from error
