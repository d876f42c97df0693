"""Statements of the service in classical forms that everybody reads today: ECDSA P-256, as JOSE and COSE write it.

They stand beside a composite signature over the same facts (SigningService.sign_as_service), never instead of it.
"""

import base64
import hashlib
from dataclasses import dataclass
from datetime import datetime

from hallmark_composite import EcCurve
from hallmark_composite.encoding import decode_ecdsa_der
from hsm.errors import HsmError
from kms.core.canonical import canonical_json
from kms.core.errors import not_found
from kms.core.names import KeyName
from kms.keys import store
from kms.keys.hsm_errors import to_service_error
from kms.keys.inputs import Prepared
from kms.keys.model import SYSTEM_TENANT, signing_version
from kms.keys.signing import SigningService
from kms.keys.signing_key import SigningKey

_CURVE = EcCurve.P256


@dataclass(frozen=True, slots=True)
class Es256Signer:
    """One version of tenants/system/keys/{key_id}, an ECDSA P-256 key."""

    signing: SigningService
    key: SigningKey

    @classmethod
    async def open(cls, signing: SigningService, key_id: str, now: datetime) -> "Es256Signer":
        """The version that signs now. Raises ServiceError."""
        name = KeyName(SYSTEM_TENANT, key_id)
        key = await signing.database.read(lambda tx: store.find_key(tx, name))
        if key is None:
            raise not_found(str(name))
        return cls(signing, SigningKey.of(key, signing_version(key, None, now)))

    async def sign(self, data: bytes) -> bytes:
        """R || s, 64 bytes (RFC 7518, section 3.4; RFC 9053, section 2.1). The caller logs what it states."""
        request = self.key.request(Prepared(hashlib.sha256(data).digest(), b""))
        try:
            (answer,) = await self.signing.provider.sign_many([request])
        except HsmError as error:
            raise to_service_error(error) from error
        if isinstance(answer, HsmError):
            raise to_service_error(answer)
        halves = decode_ecdsa_der(_CURVE, answer)
        return b"".join(half.to_bytes(_CURVE.coordinate_size, "big") for half in halves)


async def sign_jws_as_service(signing: SigningService, key_id: str, payload: bytes, kind: str, now: datetime) -> str:
    """JWS compact (RFC 7515) by an Es256Signer; its version is the kid, `kind` the typ. Raises ServiceError.

    The caller logs what it states.
    """
    signer = await Es256Signer.open(signing, key_id, now)
    header = canonical_json({"alg": "ES256", "kid": signer.key.version_name, "typ": kind})
    signed = b".".join((_base64url(header), _base64url(payload)))
    return b".".join((signed, _base64url(await signer.sign(signed)))).decode()


def _base64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
