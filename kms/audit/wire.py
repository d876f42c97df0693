"""Reports and sessions on the wire; page tokens of sessions."""

import base64
import binascii
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from google.protobuf.message import Message

from hallmark.v1 import audit_pb2
from kms.audit.coverage import Coverage, Share
from kms.audit.model import QuantumSafety, Session
from kms.audit.session_store import Place
from kms.core.database import from_microseconds, to_microseconds
from kms.core.errors import InvalidArgument, Reason

_SAFETY: Final = {
    QuantumSafety.UNSPECIFIED: audit_pb2.QUANTUM_SAFETY_UNSPECIFIED,
    QuantumSafety.CLASSICAL: audit_pb2.QUANTUM_SAFETY_CLASSICAL,
    QuantumSafety.HYBRID: audit_pb2.QUANTUM_SAFETY_HYBRID,
    QuantumSafety.POST_QUANTUM: audit_pb2.QUANTUM_SAFETY_POST_QUANTUM,
}
_TIME_BYTES: Final = 8
_TOKEN_BYTES: Final = _TIME_BYTES + 8


def coverage_to_wire(report: Coverage) -> audit_pb2.CoverageReport:
    message = audit_pb2.CoverageReport(
        sessions=_shares(report.sessions),
        tls_versions=_shares(report.tls_versions),
        certificate_keys=_shares(report.certificate_keys),
        certificate_signatures=_shares(report.certificate_signatures),
        keys=_shares(report.keys),
        signatures=_shares(report.signatures),
        sessions_covered=report.sessions_covered,
        keys_covered=report.keys_covered,
        signatures_covered=report.signatures_covered,
        classical_only=[
            audit_pb2.ClassicalDependence(what=each.what, risk=each.risk, advice=each.advice, count=each.count)
            for each in report.classical_only
        ],
    )
    message.since.FromDatetime(report.since)
    message.until.FromDatetime(report.until)
    return message


def session_to_wire(session: Session) -> audit_pb2.Session:
    message = audit_pb2.Session(
        caller=session.caller,
        tls_version=session.tls_version,
        tls_group=session.tls_group,
        certificate_key=session.certificate.key,
        certificate_signature=session.certificate.signature,
        calls=session.calls,
        refused=session.refused,
        bytes=session.bytes,
        authentication=session.authentication,
    )
    message.start_time.FromDatetime(session.start_time)
    message.last_time.FromDatetime(session.last_time)
    return message


def time_from_wire(message: Message, field: str) -> datetime | None:
    """Raises InvalidArgument for a time outside the years 1 to 9999."""
    if not message.HasField(field):
        return None
    try:
        moment: datetime = getattr(message, field).ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise InvalidArgument(Reason.FIELD_INVALID, f"{field} is no time", field=field) from None
    return moment


def page_token(last: Session) -> str:
    """Opaque: microseconds (8 bytes) || session id (8), in base64url. A place in a list, it gives no right."""
    time = to_microseconds(last.start_time).to_bytes(_TIME_BYTES, "big", signed=True)
    return base64.urlsafe_b64encode(time + bytes.fromhex(last.id)).decode()


def read_page_token(token: str) -> Place | None:
    """None for the first page. Raises InvalidArgument/PAGE_TOKEN_INVALID."""
    if not token:
        return None
    try:
        data = base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True)
        if len(data) != _TOKEN_BYTES:
            raise ValueError
        start = from_microseconds(int.from_bytes(data[:_TIME_BYTES], "big", signed=True))
    except (binascii.Error, UnicodeError, ValueError, OverflowError):
        raise InvalidArgument(
            Reason.PAGE_TOKEN_INVALID, "page_token is not one of ours; begin without it", field="page_token"
        ) from None
    return Place(start, data[_TIME_BYTES:].hex())


def _shares(shares: Sequence[Share]) -> list[audit_pb2.AlgorithmShare]:
    return [
        audit_pb2.AlgorithmShare(
            algorithm=each.algorithm, safety=_SAFETY[each.safety], count=each.count, share=each.share
        )
        for each in shares
    ]
