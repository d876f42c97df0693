"""Apple's receipt for an attested key: what the app's server trades in for a fraud metric, signed by Apple.

It is a CMS message whose content is a SET of SEQUENCE { type INTEGER, version INTEGER, value OCTET STRING }. Types:
2 App ID, 3 attested certificate, 4 client data hash, 5 token, 6 ATTEST or RECEIPT, 12 creation, 17 risk metric,
19 not before, 21 expiration (Apple, "Assessing fraud risk"); 7 the environment, found in all receipts, not documented.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from attestation import der
from attestation.cms import parse_signed_data
from attestation.errors import EvidenceError
from attestation.model import TrustAnchor
from attestation.reasons import Reason
from attestation.trust_path import find_path
from attestation.x509 import Certificate

APP_ID, CERTIFICATE, CLIENT_DATA_HASH, TOKEN, KIND, ENVIRONMENT = 2, 3, 4, 5, 6, 7
CREATED_AT, RISK_METRIC, NOT_BEFORE, EXPIRES_AT = 12, 17, 19, 21

# Apple's mark on certificates of receipt signers; its root also signs certificates for other purposes.
SIGNER_MARK: Final = "1.2.840.113635.100.12.15"


@dataclass(frozen=True, slots=True)
class Receipt:
    """A receipt whose signature verified with its own certificates; `check_signer` says whether those are Apple's."""

    app_id: str
    certificate: bytes
    client_data_hash: bytes
    kind: str
    environment: str | None
    created_at: datetime
    expires_at: datetime | None
    risk_metric: int | None
    signer_chain: tuple[Certificate, ...]


def parse_receipt(data: bytes) -> Receipt:
    """Read a receipt of at most 32 KiB and verify its signature; EvidenceError otherwise."""
    message = parse_signed_data(data)
    fields = _fields(message.content)
    expires, risk = fields.get(EXPIRES_AT), fields.get(RISK_METRIC)
    environment = fields.get(ENVIRONMENT)
    return Receipt(
        app_id=_text(_needed(fields, APP_ID)),
        certificate=_needed(fields, CERTIFICATE),
        client_data_hash=_needed(fields, CLIENT_DATA_HASH),
        kind=_text(_needed(fields, KIND)),
        environment=None if environment is None else _text(environment),
        created_at=_time(_needed(fields, CREATED_AT)),
        expires_at=None if expires is None else _time(expires),
        risk_metric=None if risk is None else _number(risk),
        signer_chain=message.chain,
    )


def check_signer(receipt: Receipt, anchors: tuple[TrustAnchor, ...]) -> None:
    """Apple signed it: a chain to an anchor for receipts, valid when the receipt was made. EvidenceError otherwise."""
    if receipt.signer_chain[0].extension(SIGNER_MARK) is None:
        raise EvidenceError("the signer's certificate is not one for receipts")
    if not receipt.signer_chain[-1].self_issued:
        raise EvidenceError("the receipt does not carry its root", reason=Reason.INCOMPLETE_CHAIN)
    path = find_path(receipt.signer_chain, anchors, at=receipt.created_at)
    for finding in (*path.findings, *path.dates):
        raise EvidenceError(f"signer of the receipt: {finding.detail}", reason=finding.reason)


def _fields(content: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    for attribute in der.parse(content, relaxed=True).set_of():
        parts = attribute.sequence()
        if len(parts) != 3:
            raise EvidenceError("receipt has an attribute that is not type, version and value")
        kind = parts[0].integer()
        if kind in found:
            raise EvidenceError(f"receipt has attribute {kind} twice")
        found[kind] = parts[2].octets()
    return found


def _needed(fields: dict[int, bytes], kind: int) -> bytes:
    if kind not in fields:
        raise EvidenceError(f"receipt has no attribute {kind}")
    return fields[kind]


def _text(value: bytes) -> str:
    try:
        return value.decode("ascii")
    except UnicodeDecodeError as error:
        raise EvidenceError("receipt has text that is not ASCII") from error


def _number(value: bytes) -> int:
    text = _text(value)
    if not 1 <= len(text) <= 9 or not text.isdigit():
        raise EvidenceError("receipt has a risk metric that is not a number")
    return int(text)


def _time(value: bytes) -> datetime:
    """Times are written as 2024-02-07T21:08:56.308Z, with one to three digits behind the seconds."""
    text = _text(value)
    if not 20 <= len(text) <= 27 or not text.endswith("Z"):
        raise EvidenceError("receipt has a time that is not in UTC")
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise EvidenceError("receipt has a time that is none") from error
