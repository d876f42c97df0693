"""The service's own key that private keys are sealed to on their way in: an HPKE key in tenants/system.

What is handed out is signed, for a while, like the keys of envelopes. The payload is canonical JSON:
{"algorithm","creation_event_key","name","not_after","public_key" (base64),"public_key_crc32c","v":1}.
"""

import base64
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from kms.core.canonical import canonical_json
from kms.core.checksum import crc32c
from kms.core.clock import format_time
from kms.core.errors import InvalidArgument, Reason
from kms.core.names import KeyName, KeyVersionName
from kms.keys.algorithms import ALGORITHMS
from kms.keys.model import (
    SYSTEM_TENANT,
    Key,
    KeyPurpose,
    KeyVersion,
    KeyVersionState,
    ServiceSignature,
    signing_version,
)
from kms.keys.service import KeyService
from kms.keys.signing import SigningService

WRAPPING_KEY: Final = KeyName(SYSTEM_TENANT, "import")
WRAPPING_CONTEXT: Final = "hallmark/wrapping-key/v1"
WRAPPING_ALGORITHM: Final = ALGORITHMS["HPKE_MLKEM1024_P384"]
"""Level 5: what is sealed to it may be a key of any strength."""
LIFETIME: Final = timedelta(days=30)
"""Approvals of an export to it may take a week."""
_OPENS: Final = frozenset({KeyVersionState.ACTIVE, KeyVersionState.DEACTIVATED})


@dataclass(frozen=True, slots=True, kw_only=True)
class WrappingKey:
    """As the service states and signs it."""

    version: KeyVersion
    not_after: datetime
    payload: bytes
    signature: ServiceSignature


@dataclass(frozen=True, slots=True)
class WrappingKeys:
    """`signer`: id of the service key that signs which key to seal to."""

    keys: KeyService
    signing: SigningService
    signer: str

    async def ensure(self, now: datetime) -> Key:
        """Made at first start."""
        return await self.keys.ensure_service_key(
            WRAPPING_KEY.key, now, purpose=KeyPurpose.IMPORT, algorithm=WRAPPING_ALGORITHM
        )

    async def current(self, now: datetime) -> WrappingKey:
        version = signing_version(await self.keys.get(WRAPPING_KEY), None, now)
        not_after = now + LIFETIME
        payload = _payload(version, not_after)
        signature = await self.signing.sign_as_service(self.signer, payload, WRAPPING_CONTEXT, now)
        return WrappingKey(version=version, not_after=not_after, payload=payload, signature=signature)

    async def named(self, name: KeyVersionName) -> KeyVersion:
        """A version that opens what was sealed to it. Raises InvalidArgument."""
        key = await self.keys.get(WRAPPING_KEY) if name.key_name == WRAPPING_KEY else None
        version = None if key is None else key.version(name.version)
        if version is None or version.state not in _OPENS:
            raise InvalidArgument(
                Reason.IMPORT_REFUSED,
                f"{name} is not a key that this service imports with; seal to the one that GetWrappingKey tells",
                field="wrapping_key",
            )
        return version


def _payload(version: KeyVersion, not_after: datetime) -> bytes:
    return canonical_json(
        {
            "v": 1,
            "name": str(version.name),
            "algorithm": version.algorithm.title,
            "public_key": base64.b64encode(version.public_bytes).decode(),
            "public_key_crc32c": crc32c(version.public_bytes),
            "not_after": format_time(not_after),
            "creation_event_key": version.creation_event,
        }
    )
