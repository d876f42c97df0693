"""The statement with an ECDSA P-256 signature: a sigstore bundle v0.3, as OpenSSF Model Signing 1.1 reads it.

One signature, DER, over the DSSE PAE with SHA-256; the key is named by a hint, SHA-256 of its PEM; no log entries of a
public Rekor (the release's own proof lies beside). Canonical JSON is the one spelling.
"""

import hashlib
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hallmark_events.canonical import canonical_json, parse_canonical
from hallmark_release.dsse import Envelope, pae, parse_envelope
from hallmark_release.errors import FormatInvalid, SignatureInvalid, WrongKey
from hallmark_release.names import checked_object
from hallmark_release.statement import STATEMENT_BYTES_MAX, Statement, parse_statement

MEDIA_TYPE: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"
BUNDLE_BYTES_MAX: Final = STATEMENT_BYTES_MAX * 4 // 3 + 64 * 1024
_BRACKETS: Final = 7
"""Five objects and two lists; base64 has no brackets."""


@dataclass(frozen=True, slots=True)
class ReadBundle:
    """Read, not verified. key_sha256: hex, of the PEM of the key that is said to have signed."""

    envelope: Envelope
    key_sha256: str


def write_bundle(statement: Statement, signature: bytes, key: ec.EllipticCurvePublicKey) -> bytes:
    """signature: DER Ecdsa-Sig-Value over `dsse.pae(statement.payload)`. Raises SignatureInvalid for another one."""
    return write_payload_bundle(statement.payload, signature, key)


def write_payload_bundle(payload: bytes, signature: bytes, key: ec.EllipticCurvePublicKey) -> bytes:
    """Of any in-toto statement; as `write_bundle`."""
    _verify(key, signature, payload)
    return encode_bundle(Envelope(payload, signature), key_sha256=_hint(key), media_type=MEDIA_TYPE)


def verify_bundle(data: bytes, key: ec.EllipticCurvePublicKey) -> Statement:
    """The statement that the holder of `key` signed. Raises FormatInvalid, WrongKey or SignatureInvalid."""
    bundle = parse_bundle(data, media_type=MEDIA_TYPE)
    if bundle.key_sha256 != _hint(key):
        raise WrongKey("the bundle was signed with another ECDSA key than the trusted one")
    _verify(key, bundle.envelope.signature, bundle.envelope.payload)
    return parse_statement(bundle.envelope.payload)


def encode_bundle(envelope: Envelope, *, key_sha256: str, media_type: str) -> bytes:
    return canonical_json(
        {
            "dsseEnvelope": envelope.to_dict(),
            "mediaType": media_type,
            "verificationMaterial": {"publicKey": {"hint": key_sha256}, "tlogEntries": []},
        }
    )


def parse_bundle(data: bytes, *, media_type: str) -> ReadBundle:
    """Raises FormatInvalid unless it is the one spelling of a bundle of this media type."""
    # A bundle is foreign until its signature was verified: one of 40 MB of empty lists would take a GB of memory.
    if data.count(b"[") + data.count(b"{") > _BRACKETS:
        raise FormatInvalid("the bundle has more in it than a bundle has")
    document = parse_canonical(data, what="the bundle", max_bytes=BUNDLE_BYTES_MAX, refuse=FormatInvalid)
    top = checked_object(document, frozenset({"dsseEnvelope", "mediaType", "verificationMaterial"}), "the bundle")
    if top["mediaType"] != media_type:
        raise FormatInvalid(f"the bundle is not of the media type {media_type}")
    material = checked_object(
        top["verificationMaterial"], frozenset({"publicKey", "tlogEntries"}), "the verification material"
    )
    named = checked_object(material["publicKey"], frozenset({"hint"}), "the public key of the bundle")
    hint = named["hint"]
    if material["tlogEntries"] != [] or not isinstance(hint, str):
        raise FormatInvalid("a bundle names its key by a hint and has no entries of another log")
    return ReadBundle(parse_envelope(top["dsseEnvelope"]), hint)


def _verify(key: ec.EllipticCurvePublicKey, signature: bytes, payload: bytes) -> None:
    if not isinstance(key.curve, ec.SECP256R1):
        raise WrongKey("statements are signed with ECDSA on P-256")
    try:
        key.verify(signature, pae(payload), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        raise SignatureInvalid("the ECDSA signature of the statement does not verify") from None


def _hint(key: ec.EllipticCurvePublicKey) -> str:
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(pem).hexdigest()
