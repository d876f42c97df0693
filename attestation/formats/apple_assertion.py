"""An App Attest assertion: authenticator data of 37 octets and a signature over its hash together with client data."""

import hmac
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from attestation import cbor
from attestation.authenticator_data import AuthenticatorData, parse_assertion_data
from attestation.errors import EvidenceError
from attestation.model import Finding
from attestation.reasons import Reason
from attestation.signatures import load_key

MAX_ASSERTION_BYTES: Final = 1024


@dataclass(frozen=True, slots=True)
class Assertion:
    data: AuthenticatorData
    signature: bytes
    client_data: bytes


def parse_assertion(assertion: bytes, client_data: bytes) -> Assertion:
    """Read the CBOR object that `generateAssertion` gave (at most 1 KiB); EvidenceError when it is not one."""
    if len(assertion) > MAX_ASSERTION_BYTES:
        raise EvidenceError(f"assertion of {len(assertion)} bytes, at most {MAX_ASSERTION_BYTES}")
    content = cbor.decode(assertion)
    if not isinstance(content, dict) or content.keys() != {"signature", "authenticatorData"}:
        raise EvidenceError("assertion is not a signature and authenticator data")
    signature, data = content["signature"], content["authenticatorData"]
    if not isinstance(signature, bytes) or not isinstance(data, bytes):
        raise EvidenceError("assertion has fields of wrong types")
    return Assertion(parse_assertion_data(data), signature, client_data)


def check_assertion(
    assertion: Assertion, *, spki: bytes, rp_id_hash: bytes | None, last_counter: int | None
) -> Iterator[Finding]:
    """Signature, app (None: any), counter (None: any), in this order."""
    nonce = sha256(assertion.data.raw + sha256(assertion.client_data).digest()).digest()
    try:
        _verify(nonce, assertion.signature, spki)
    except EvidenceError as error:
        yield Finding(error.reason, f"assertion: {error.detail}")
    if rp_id_hash is not None and not hmac.compare_digest(rp_id_hash, assertion.data.rp_id_hash):
        yield Finding(Reason.BAD_BINDING, "the assertion was made by another app than the attestation")
    if last_counter is not None and assertion.data.counter <= last_counter:
        detail = f"the counter is {assertion.data.counter}, it has to be greater than {last_counter}"
        yield Finding(Reason.COUNTER_NOT_GREATER, detail)


def _verify(nonce: bytes, signature: bytes, spki: bytes) -> None:
    """ECDSA with SHA-256 over the nonce as the message, so that it is hashed once more. Apple's text does not say so;
    every assertion of real devices is made so.
    """
    key = load_key(spki)
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise EvidenceError("the stored key is not an EC key", reason=Reason.UNSUPPORTED_ALGORITHM)
    try:
        key.verify(signature, nonce, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature as error:
        raise EvidenceError("signature does not verify with the attested key", reason=Reason.BAD_SIGNATURE) from error


def key_id_of(spki: bytes) -> bytes:
    """Apple's key identifier: SHA-256 of the uncompressed point (X9.62). EvidenceError when the key has none."""
    key = load_key(spki)
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise EvidenceError("the key is not an EC key", reason=Reason.UNSUPPORTED_ALGORITHM)
    return sha256(key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)).digest()
