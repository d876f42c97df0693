"""Statements of the service in a classical form that everybody reads today: JWS compact (RFC 7515), ES256 (RFC 7518).

They stand beside a composite signature over the same bytes (SigningService.sign_as_service), never instead of it.
"""

import base64
import hashlib
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


async def sign_jws_as_service(signing: SigningService, key_id: str, payload: bytes, kind: str, now: datetime) -> str:
    """By tenants/system/keys/{key_id}, an ECDSA P-256 key; its version is the kid, `kind` the typ. Raises ServiceError.

    The caller logs what it states.
    """
    name = KeyName(SYSTEM_TENANT, key_id)
    key = await signing.database.read(lambda tx: store.find_key(tx, name))
    if key is None:
        raise not_found(str(name))
    signer = SigningKey.of(key, signing_version(key, None, now))
    header = canonical_json({"alg": "ES256", "kid": signer.version_name, "typ": kind})
    signed = b".".join((_base64url(header), _base64url(payload)))
    request = signer.request(Prepared(hashlib.sha256(signed).digest(), b""))
    try:
        (answer,) = await signing.provider.sign_many([request])
    except HsmError as error:
        raise to_service_error(error) from error
    if isinstance(answer, HsmError):
        raise to_service_error(answer)
    halves = decode_ecdsa_der(_CURVE, answer)
    signature = b"".join(half.to_bytes(_CURVE.coordinate_size, "big") for half in halves)
    return b".".join((signed, _base64url(signature))).decode()


def _base64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
