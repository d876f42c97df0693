"""Grade A1: the device's attested key signed the receipt. Encodings as for DeviceHpkeKey (kms.devices.proofs)."""

from typing import Final

from kms.devices.proofs import SIGNATURE_BYTES_MAX, check_attested_signature
from kms.removal.receipts import refused

RECEIPT_CONTEXT: Final = b"hallmark/deletion-receipt/v1\0"
_FIELD: Final = "receipt.signature"


def check_receipt_signature(receipt: bytes, signature: bytes, *, key_spki: bytes) -> None:
    """Over RECEIPT_CONTEXT and the receipt. Raises InvalidArgument/SIGNATURE_INVALID."""
    if len(signature) > SIGNATURE_BYTES_MAX:
        raise refused(f"may have {SIGNATURE_BYTES_MAX} bytes", field=_FIELD)
    message = RECEIPT_CONTEXT + receipt
    check_attested_signature(message, signature, signer_spki=key_spki, field=_FIELD, over="this receipt")
