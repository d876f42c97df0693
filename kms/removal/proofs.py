"""Grade A1: the device's attested key signed the receipt. Encodings as for DeviceHpkeKey (kms.devices.proofs)."""

from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, padding, rsa

from attestation.errors import EvidenceError
from attestation.signatures import load_key
from kms.core.errors import Reason
from kms.devices.proofs import RSA_BITS, SIGNATURE_BYTES_MAX
from kms.removal.receipts import refused

RECEIPT_CONTEXT: Final = b"hallmark/deletion-receipt/v1\0"
_FIELD: Final = "receipt.signature"
_HASHES: Final[dict[str, hashes.HashAlgorithm]] = {
    "secp256r1": hashes.SHA256(),
    "secp384r1": hashes.SHA384(),
    "secp521r1": hashes.SHA512(),
}


def check_receipt_signature(receipt: bytes, signature: bytes, *, key_spki: bytes) -> None:
    """Over RECEIPT_CONTEXT and the receipt. Raises InvalidArgument/SIGNATURE_INVALID."""
    if len(signature) > SIGNATURE_BYTES_MAX:
        raise refused(f"may have {SIGNATURE_BYTES_MAX} bytes", field=_FIELD)
    message = RECEIPT_CONTEXT + receipt
    try:
        key = load_key(key_spki)
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
                raise refused("can not be verified with an attested key of this kind", field=_FIELD)
    except (InvalidSignature, EvidenceError) as error:
        sentence = "does not verify with the device's attested key over this receipt"
        raise refused(sentence, Reason.SIGNATURE_INVALID, _FIELD) from error
