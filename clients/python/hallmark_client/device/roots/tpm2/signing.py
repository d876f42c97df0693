"""The attestation key of a TPM root as the device's key.

It is restricted: it signs statements of the TPM, and messages that the TPM hashed itself and found not to be the start
of a statement (TPM 2.0 Library 1.59, Part 1, 27.2; Part 3, 20.2: TPM2_Sign).
"""

from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hallmark_client.device.roots.tpm2.chip import Chip, Reached
from hallmark_client.device.roots.tpm2.connection import load_driver
from hallmark_client.device.roots.tpm2.root import Tpm2Root

_AT_ONCE: Final = 1024  # MAX_DIGEST_BUFFER: TCG PC Client Platform TPM Profile 1.05
_STATEMENT: Final = bytes.fromhex("ff544347")  # TPM_GENERATED_VALUE (Part 2, 6.2)


class TpmKey:
    """EC P-256, made in the TPM and bound to it. Errors: as the root."""

    def __init__(self, root: Tpm2Root) -> None:
        self._root = root
        self._spki: Final = _spki(root.chip)

    @property
    def spki(self) -> bytes:
        """SubjectPublicKeyInfo, DER."""
        return self._spki

    def sign(self, message: bytes) -> bytes:
        """ECDSA with SHA-256, DER: receipts (`deletion_receipt`), the HPKE key (`hpke_message`), certificate requests.

        Raises ValueError for a message that begins like a statement of a TPM (ff 54 43 47).
        """
        if message.startswith(_STATEMENT):
            raise ValueError("what begins like a statement of a TPM is not signed")
        with self._root.chip.reached() as here:
            tss = here.connection.tss
            key = here.attestation_key()
            digest, ticket = _hashed(here, message)
            scheme = tss.TPMT_SIG_SCHEME(scheme=tss.TPM2_ALG.NULL)
            signature = here.connection.esapi.sign(key, digest, scheme, ticket, session1=here.session)
            found = signature.signature.ecdsa
            r, s = (int.from_bytes(bytes(number)) for number in (found.signatureR, found.signatureS))
        return encode_dss_signature(r, s)


def _hashed(here: Reached, message: bytes) -> tuple[Any, Any]:
    """Digest, and the ticket that says that the TPM made it."""
    tss, esapi = here.connection.tss, here.connection.esapi
    if len(message) <= _AT_ONCE:
        digest, ticket = esapi.hash(message, tss.TPM2_ALG.SHA256, tss.ESYS_TR.OWNER)
        return digest, ticket
    sequence = esapi.hash_sequence_start(b"", tss.TPM2_ALG.SHA256)
    *first, last = (message[start : start + _AT_ONCE] for start in range(0, len(message), _AT_ONCE))
    for piece in first:
        esapi.sequence_update(sequence, piece, session1=here.session)
    digest, ticket = esapi.sequence_complete(sequence, last, tss.ESYS_TR.OWNER, session1=here.session)
    return digest, ticket


def _spki(chip: Chip) -> bytes:
    area, _ = load_driver().TPM2B_PUBLIC.unmarshal(chip.state.ak_public)
    point = area.publicArea.unique.ecc
    x, y = (int.from_bytes(bytes(coordinate)) for coordinate in (point.x, point.y))
    key = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
