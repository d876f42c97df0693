"""Envelopes sealed to a published key: HPKE base mode with post-quantum hybrid KEMs. Seals without any service:

    envelope = seal_envelope(key.public_key, HpkeKem(key.kem_id), plaintext, info=b"what it is for")

HPKE: RFC 9180 (draft-ietf-hpke-hpke); KEMs: draft-ietf-hpke-pq. One suite per KEM: HKDF-SHA256 and AES-256-GCM.
An envelope is enc || ciphertext. It hides its content and nothing else: it does not say who sealed it.
"""

from .errors import EnvelopeError, EnvelopeInvalid, MalformedInput, MalformedKey
from .kem import AEAD_ID, KDF_ID, MAX_ENVELOPE_SIZE, MAX_INFO_SIZE, SEED_SIZE, HpkeKem
from .private_key import EnvelopePrivateKey
from .sealing import seal_envelope
from .transfer import TransferAlgorithm, export_info, exported_name, import_info

__all__ = [
    "AEAD_ID",
    "KDF_ID",
    "MAX_ENVELOPE_SIZE",
    "MAX_INFO_SIZE",
    "SEED_SIZE",
    "EnvelopeError",
    "EnvelopeInvalid",
    "EnvelopePrivateKey",
    "HpkeKem",
    "MalformedInput",
    "MalformedKey",
    "TransferAlgorithm",
    "export_info",
    "exported_name",
    "import_info",
    "seal_envelope",
]
