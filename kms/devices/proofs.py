"""What a device proves beside its evidence: that it holds the attested key (PKCS #10), and which HPKE key is its own.

Both are signed by the attested key. That this key is the attested one is the verdict's matter: it is expected there.
"""

from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from attestation.errors import EvidenceError
from attestation.signatures import load_key
from hallmark_envelope import HpkeKem
from kms.core.errors import InvalidArgument, Reason
from kms.devices.model import HpkeKey

REQUEST_BYTES_MAX: Final = 16 * 1024
SIGNATURE_BYTES_MAX: Final = 8 * 1024
HPKE_CONTEXT: Final = b"hallmark/device-hpke/v1\0"
RSA_BITS: Final = range(2048, 4096 + 1)

_HASHES: Final[dict[str, hashes.HashAlgorithm]] = {
    "secp256r1": hashes.SHA256(),
    "secp384r1": hashes.SHA384(),
    "secp521r1": hashes.SHA512(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HpkeRegistration:
    """A key to register, and the attested key's signature over `hpke_message`."""

    key: HpkeKey
    signature: bytes


def key_of_request(request: bytes) -> bytes:
    """The SubjectPublicKeyInfo of a PKCS #10 request (RFC 2986) that is signed by its own key.

    Only the key counts: subject and extensions of the request are not taken over. Raises InvalidArgument.
    """
    if len(request) > REQUEST_BYTES_MAX:
        raise _refused(f"may have {REQUEST_BYTES_MAX} bytes", "certificate_request")
    try:
        parsed = x509.load_der_x509_csr(request)
        key = parsed.public_key()
        is_signed = parsed.is_signature_valid
    except Exception as error:  # cryptography raises several kinds for foreign bytes
        raise _refused("is no PKCS #10 request in DER with a key this server knows", "certificate_request") from error
    if not is_signed:
        raise _refused("is not signed by its own key", "certificate_request", Reason.SIGNATURE_INVALID)
    _check_fit_for_tls(key)
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def check_hpke_key(key: HpkeKey) -> None:
    """Raises InvalidArgument for an unknown KEM or a key of another size."""
    try:
        kem = HpkeKem(key.kem_id)
    except ValueError:
        raise _refused("is 0x647a (MLKEM768-X25519) or 0x0051 (MLKEM1024-P384)", "hpke_key.kem_id") from None
    if len(key.public_key) != kem.public_key_size:
        raise _refused(f"of {kem.standard_name} has {kem.public_key_size} bytes", "hpke_key.public_key")


def hpke_message(key: HpkeKey, challenge: bytes) -> bytes:
    """What the attested key signs: nobody else's HPKE key, and not one of an earlier challenge."""
    return HPKE_CONTEXT + challenge + key.kem_id.to_bytes(2) + key.public_key


def check_hpke_signature(registration: HpkeRegistration, *, challenge: bytes, signer_spki: bytes) -> None:
    """Raises InvalidArgument/SIGNATURE_INVALID."""
    check_attested_signature(
        hpke_message(registration.key, challenge),
        registration.signature,
        signer_spki=signer_spki,
        field="hpke_key.signature",
        over="this challenge and HPKE key",
    )


def check_attested_signature(message: bytes, signature: bytes, *, signer_spki: bytes, field: str, over: str) -> None:
    """By the attested key: ECDSA (DER) with the hash of the curve's size, RSA PKCS #1 v1.5 with SHA-256, Ed25519, or
    pure ML-DSA. `over` what, for people. Raises InvalidArgument/SIGNATURE_INVALID, and FIELD_INVALID for other keys.
    """
    try:
        key = load_key(signer_spki)
        match key:
            case ec.EllipticCurvePublicKey() if key.curve.name in _HASHES:
                key.verify(signature, message, ec.ECDSA(_HASHES[key.curve.name]))
            case rsa.RSAPublicKey() if key.key_size in RSA_BITS:
                key.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
            case ed25519.Ed25519PublicKey():
                key.verify(signature, message)
            case mldsa.MLDSA44PublicKey() | mldsa.MLDSA65PublicKey() | mldsa.MLDSA87PublicKey():
                key.verify(signature, message)
            case _:
                raise _refused("can not be verified with an attested key of this kind", field)
    except (InvalidSignature, EvidenceError) as error:
        raise _refused(f"does not verify with the attested key over {over}", field, Reason.SIGNATURE_INVALID) from error


def _check_fit_for_tls(key: object) -> None:
    """The kinds that TLS stacks take in client certificates today."""
    match key:
        case ec.EllipticCurvePublicKey() if key.curve.name in {"secp256r1", "secp384r1"}:
            return
        case rsa.RSAPublicKey() if key.key_size in RSA_BITS:
            return
        case _:
            sentence = "names a key that client certificates can not have: take EC P-256, P-384 or RSA 2048 to 4096"
            raise _refused(sentence, "certificate_request")


def _refused(sentence: str, field: str, reason: Reason = Reason.FIELD_INVALID) -> InvalidArgument:
    return InvalidArgument(reason, f"{field} {sentence}", field=field)
