"""Who consented, as a pairwise pseudonym: one person has unrelated ones with two controllers, and in two tenants."""

import base64
import hashlib
import hmac
from dataclasses import dataclass
from typing import Final

from hsm.secret import Secret
from kms.consent import store
from kms.core.database import Database
from kms.core.randomness import Randomness

_LABEL: Final = b"hallmark/pii-principal-id/v1"
_KEY_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Pseudonyms:
    """With the installation's own key, the same on every replica: without it nobody can try names out."""

    key: Secret

    def of(self, tenant: str, controller: str, subject: str) -> str:
        """pii_principal_id: HMAC-SHA-256, base64url without padding, 43 characters.

        Each part goes in with its length, so that no two triples are the same bytes.
        """
        mac = hmac.new(self.key.reveal(), _LABEL, hashlib.sha256)
        for part in (tenant.encode(), controller.encode(), subject.encode()):
            mac.update(len(part).to_bytes(4, "big") + part)
        return base64.urlsafe_b64encode(mac.digest()).decode().rstrip("=")


async def open_pseudonyms(database: Database, randomness: Randomness) -> Pseudonyms:
    """Makes the key at the first use."""
    fresh = randomness.bytes(_KEY_BYTES)
    return Pseudonyms(await database.write(lambda tx: store.ensure_pseudonym_key(tx, fresh)))
