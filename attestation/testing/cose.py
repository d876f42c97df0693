"""COSE_Sign1 messages of throw-away keys, with any headers (RFC 9052, 4.4)."""

from collections.abc import Mapping
from typing import Any, Final

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from attestation.cose_sign1 import CoseAlgorithm, sig_structure

TAG_18: Final = b"\xd2"

_FOR_CURVE: Final[dict[str, tuple[CoseAlgorithm, hashes.HashAlgorithm]]] = {
    "secp256r1": (CoseAlgorithm.ES256, hashes.SHA256()),
    "secp384r1": (CoseAlgorithm.ES384, hashes.SHA384()),
}


def sign1(
    key: ec.EllipticCurvePrivateKey,
    payload: bytes,
    *,
    protected: Mapping[int, Any] | None = None,
    unprotected: Mapping[int, Any] | None = None,
) -> bytes:
    """A message with tag 18. Unless told otherwise its only header is the algorithm of the key."""
    algorithm, digest = _FOR_CURVE[key.curve.name]
    headers = cbor2.dumps({1: int(algorithm)} if protected is None else dict(protected))
    r, s = decode_dss_signature(key.sign(sig_structure(headers, payload), ec.ECDSA(digest)))
    size = (key.key_size + 7) // 8
    return TAG_18 + cbor2.dumps([headers, dict(unprotected or {}), payload, r.to_bytes(size) + s.to_bytes(size)])
