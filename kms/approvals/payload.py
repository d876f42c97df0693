"""What approvers sign: "hallmark/approval/v1", a newline, then the proposal's payload.

The payload is canonical JSON (RFC 8785 subset, kms.core.canonical):
{"act","approvals_needed","create_time","expire_time","name","parameters_sha256" (hex, may be empty),"proposer",
"reason","subject","v":1}. It holds the name, so an approval never counts for another proposal.
"""

import hashlib

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kms.approvals.model import Terms
from kms.core.canonical import canonical_json
from kms.core.clock import format_time
from kms.core.errors import FailedPrecondition, InvalidArgument, Reason, Unauthenticated

SIGNING_PREFIX = b"hallmark/approval/v1\n"


def proposal_payload(terms: Terms) -> bytes:
    return canonical_json(
        {
            "v": 1,
            "name": str(terms.name),
            "act": terms.planned.act.value,
            "subject": terms.planned.subject,
            "parameters_sha256": terms.planned.parameters_sha256.hex(),
            "reason": terms.reason,
            "proposer": terms.proposer.spiffe_id,
            "create_time": format_time(terms.create_time),
            "expire_time": format_time(terms.expire_time),
            "approvals_needed": terms.needed,
        }
    )


def certified_key(certificate_pem: bytes) -> CertificatePublicKeyTypes:
    """The public key of a client certificate, PEM. Raises FailedPrecondition for a caller without one, who came with a
    token; Unauthenticated when it can not be read.
    """
    if not certificate_pem:
        raise FailedPrecondition(
            Reason.CERTIFICATE_UNKNOWN,
            "people propose and approve with the key of a client certificate, and this call came with a bearer token "
            "alone: use the port with mutual TLS and a certificate",
        )
    try:
        return x509.load_pem_x509_certificate(certificate_pem).public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise Unauthenticated(
            Reason.CERTIFICATE_UNKNOWN, "the key of the client certificate can not be read; use another certificate"
        ) from None


def key_sha256(key: CertificatePublicKeyTypes) -> bytes:
    """SHA-256 of the SubjectPublicKeyInfo (DER)."""
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()


def check_signature(key: CertificatePublicKeyTypes, signature: bytes, payload: bytes) -> None:
    """ECDSA with SHA-256, DER. Raises FailedPrecondition for another kind of key, InvalidArgument/SIGNATURE_INVALID."""
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise FailedPrecondition(
            Reason.CERTIFICATE_UNKNOWN,
            "approvals are signed with the key of the client certificate, which must be ECDSA on P-256; yours is not",
        )
    try:
        key.verify(signature, SIGNING_PREFIX + payload, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        raise InvalidArgument(
            Reason.SIGNATURE_INVALID,
            "the approval does not verify with the key of your client certificate over this proposal's payload",
            field="signature",
        ) from None
