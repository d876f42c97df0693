"""Which key to seal to, signed: everybody may ask, so a statement is signed once and given out for a while.

The payload is canonical JSON (RFC 8785 subset, kms.core.canonical):
{"aead_id","algorithm","kdf_id","kem_id","name","not_after","public_key" (base64),"public_key_crc32c","v":1}.
"""

import asyncio
import base64
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from hallmark_envelope import AEAD_ID, KDF_ID
from kms.core.canonical import canonical_json
from kms.core.checksum import crc32c
from kms.core.clock import format_time
from kms.core.database import Database
from kms.core.names import KeyVersionName
from kms.envelopes.model import (
    ENVELOPE_KEY_CONTEXT,
    KEY_LIFETIME_DEFAULT,
    SIGNING_KEY_ID,
    EnvelopeKey,
    kem_of,
    seal_until,
)
from kms.keys.model import Key, KeyVersion, signing_version
from kms.keys.purposes import check_opens
from kms.keys.resolve import KeyReference, find_referenced
from kms.keys.signing import SigningService

_KEPT_MAX = 4096


@dataclass(frozen=True, slots=True)
class _Kept:
    """`revision` of the key as it was when the statement was signed."""

    revision: int
    statement: EnvelopeKey


@dataclass(slots=True)
class EnvelopeKeys:
    """Statements of envelope keys. What is kept in memory is bounded, least lately used out first."""

    database: Database
    signing: SigningService
    lifetime: timedelta = KEY_LIFETIME_DEFAULT
    _kept: OrderedDict[KeyVersionName, _Kept] = field(default_factory=OrderedDict)
    _signing_lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def get(self, reference: KeyReference, now: datetime) -> EnvelopeKey:
        """Of the primary version. Raises NotFound, FailedPrecondition (PURPOSE_MISMATCH, KEY_VERSION_NOT_ACTIVE...)."""
        key, number = await self.database.read(lambda tx: find_referenced(tx, reference))
        check_opens(key)
        version = signing_version(key, number, now)
        async with self._signing_lock:  # many who ask at once wait for one signature
            kept = self._usable(key, version, now)
            if kept is None:
                kept = await self._sign(key, version, now)
        return kept.statement

    def _usable(self, key: Key, version: KeyVersion, now: datetime) -> _Kept | None:
        """Signed for this very state of the key, and less than half of its time gone."""
        kept = self._kept.get(version.name)
        if kept is None or kept.revision != key.revision:
            return None
        signed = kept.statement.signature.sign_time
        if now - signed >= (kept.statement.not_after - signed) / 2:
            return None
        self._kept.move_to_end(version.name)
        return kept

    async def _sign(self, key: Key, version: KeyVersion, now: datetime) -> _Kept:
        not_after = seal_until(key, now, self.lifetime)
        payload = envelope_key_payload(version, not_after)
        signature = await self.signing.sign_as_service(SIGNING_KEY_ID, payload, ENVELOPE_KEY_CONTEXT, now)
        statement = EnvelopeKey(version=version, not_after=not_after, payload=payload, signature=signature)
        self._kept[version.name] = kept = _Kept(key.revision, statement)
        while len(self._kept) > _KEPT_MAX:
            self._kept.popitem(last=False)
        return kept


def envelope_key_payload(version: KeyVersion, not_after: datetime) -> bytes:
    return canonical_json(
        {
            "v": 1,
            "name": str(version.name),
            "algorithm": version.algorithm.title,
            "kem_id": int(kem_of(version)),
            "kdf_id": KDF_ID,
            "aead_id": AEAD_ID,
            "public_key": base64.b64encode(version.public_bytes).decode(),
            "public_key_crc32c": crc32c(version.public_bytes),
            "not_after": format_time(not_after),
        }
    )
