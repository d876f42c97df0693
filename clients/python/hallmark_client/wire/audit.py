"""Reports and sessions of auditors from the wire."""

from collections.abc import Iterable, Sequence
from typing import Final

from hallmark.v1 import audit_pb2
from hallmark_client.model.audit import AlgorithmShare, ClassicalDependence, CoverageReport, QuantumSafety, Session
from hallmark_client.wire.scalars import moment

_SAFETY: Final = {
    audit_pb2.QUANTUM_SAFETY_CLASSICAL: QuantumSafety.CLASSICAL,
    audit_pb2.QUANTUM_SAFETY_HYBRID: QuantumSafety.HYBRID,
    audit_pb2.QUANTUM_SAFETY_POST_QUANTUM: QuantumSafety.POST_QUANTUM,
}


def report_of(wire: audit_pb2.CoverageReport) -> CoverageReport:
    return CoverageReport(
        sessions=_shares(wire.sessions),
        tls_versions=_shares(wire.tls_versions),
        certificate_keys=_shares(wire.certificate_keys),
        certificate_signatures=_shares(wire.certificate_signatures),
        keys=_shares(wire.keys),
        signatures=_shares(wire.signatures),
        sessions_covered=wire.sessions_covered,
        keys_covered=wire.keys_covered,
        signatures_covered=wire.signatures_covered,
        classical_only=tuple(
            ClassicalDependence(what=each.what, risk=each.risk, advice=each.advice, count=each.count)
            for each in wire.classical_only
        ),
        since=moment(wire.since),
        until=moment(wire.until),
    )


def sessions_of(wire: audit_pb2.ListSessionsResponse) -> tuple[Sequence[Session], str]:
    """A page, and the token of the next."""
    return [_session_of(session) for session in wire.sessions], wire.next_page_token


def _session_of(wire: audit_pb2.Session) -> Session:
    return Session(
        caller=wire.caller,
        authentication=wire.authentication,
        tls_version=wire.tls_version,
        tls_group=wire.tls_group,
        certificate_key=wire.certificate_key,
        certificate_signature=wire.certificate_signature,
        start_time=moment(wire.start_time),
        last_time=moment(wire.last_time),
        calls=wire.calls,
        refused=wire.refused,
        bytes=wire.bytes,
    )


def _shares(wire: Iterable[audit_pb2.AlgorithmShare]) -> tuple[AlgorithmShare, ...]:
    return tuple(
        AlgorithmShare(
            algorithm=each.algorithm,
            safety=_SAFETY.get(each.safety, QuantumSafety.UNKNOWN),
            count=each.count,
            share=each.share,
        )
        for each in wire
    )
