"""What a receiver does with a token: nothing of ours, `cryptography` alone."""

import base64
import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256


def decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def verified_claims(token: str, jwks: Any, *, audience: str) -> dict[str, Any]:
    """Raises InvalidSignature, KeyError, AssertionError."""
    header_text, payload_text, signature_text = token.split(".")
    header = json.loads(decode(header_text))
    assert (header["typ"], header["alg"]) == ("secevent+jwt", "ES256")
    jwk = {key["kid"]: key for key in jwks["keys"]}[header["kid"]]
    assert (jwk["kty"], jwk["crv"], jwk["use"], jwk["alg"]) == ("EC", "P-256", "sig", "ES256")
    x, y = (int.from_bytes(decode(jwk[name]), "big") for name in ("x", "y"))
    public = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    signature = decode(signature_text)
    der = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    public.verify(der, f"{header_text}.{payload_text}".encode(), ec.ECDSA(SHA256()))
    claims: dict[str, Any] = json.loads(decode(payload_text))
    assert claims["aud"] == audience
    assert "exp" not in claims
    assert "sub" not in claims
    assert len(claims["events"]) == 1
    return claims
