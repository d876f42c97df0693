"""The same statement with a composite ML-DSA + ECDSA signature over the same DSSE PAE: a bundle of its own.

Of its own, because a sigstore bundle has exactly one signature and its readers know no composite key. The shape is that
of bundle.py with another media type. The composite context is empty: the PAE says what kind of thing was signed.
"""

import hashlib
from typing import Final

from hallmark_composite import CompositeError, CompositePublicKey, verify
from hallmark_release.bundle import encode_bundle, parse_bundle
from hallmark_release.dsse import Envelope, pae
from hallmark_release.errors import CompositeInvalid, WrongKey
from hallmark_release.statement import Statement, parse_statement

MEDIA_TYPE: Final = "application/vnd.hallmark.composite-bundle.v1+json"


def write_composite_bundle(statement: Statement, signature: bytes, key: CompositePublicKey) -> bytes:
    """signature: composite, raw (LAMPS), over `dsse.pae(statement.payload)`. Raises CompositeInvalid for any other."""
    _verify(key, signature, statement.payload)
    envelope = Envelope(statement.payload, signature)
    return encode_bundle(envelope, key_sha256=_hint(key), media_type=MEDIA_TYPE)


def verify_composite_bundle(data: bytes, key: CompositePublicKey) -> Statement:
    """The statement that the holder of both halves signed. Raises FormatInvalid, WrongKey or CompositeInvalid."""
    bundle = parse_bundle(data, media_type=MEDIA_TYPE)
    if bundle.key_sha256 != _hint(key):
        raise WrongKey("the bundle was signed with another composite key than the trusted one")
    _verify(key, bundle.envelope.signature, bundle.envelope.payload)
    return parse_statement(bundle.envelope.payload)


def _verify(key: CompositePublicKey, signature: bytes, payload: bytes) -> None:
    try:
        verify(key, signature, message=pae(payload))
    except CompositeError as error:
        raise CompositeInvalid(f"the composite signature of the statement does not verify: {error}") from error


def _hint(key: CompositePublicKey) -> str:
    return hashlib.sha256(key.to_spki_pem().encode()).hexdigest()
