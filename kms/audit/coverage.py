"""How much of a deployment would stand against a quantum computer: shares of what was counted. Pure functions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from kms.audit import safety
from kms.audit.dependences import Dependence, dependences
from kms.audit.model import QuantumSafety


@dataclass(frozen=True, slots=True)
class Share:
    """One line of a table. `share`: of all that its table counts, 0 to 1."""

    algorithm: str
    safety: QuantumSafety
    count: int
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What was found. Sessions by (TLS version, group), certificates by their algorithms, the rest by name."""

    sessions: Mapping[tuple[str, str], int] = field(default_factory=dict)
    certificates: Mapping[tuple[str, str], int] = field(default_factory=dict)
    token_sessions: int = 0
    keys: Mapping[str, int] = field(default_factory=dict)
    service_keys: Mapping[str, int] = field(default_factory=dict)
    signatures: Mapping[str, int] = field(default_factory=dict)
    devices: int = 0
    approvals: int = 0
    checkpoints: int = 0
    receipt_keys: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """`*_covered`: share with a post-quantum part, 1 when there are none. Times: what was counted, whole hours."""

    sessions: Sequence[Share]
    tls_versions: Sequence[Share]
    certificate_keys: Sequence[Share]
    certificate_signatures: Sequence[Share]
    keys: Sequence[Share]
    signatures: Sequence[Share]
    sessions_covered: float
    keys_covered: float
    signatures_covered: float
    classical_only: Sequence[Dependence]
    since: datetime
    until: datetime


def coverage_of(counts: Counts, *, since: datetime, until: datetime) -> Coverage:
    """The report on what was counted between two times."""
    sessions = _group_shares(counts.sessions)
    certificate_keys = _shares(_summed(counts.certificates, 0), safety.of_certificate)
    keys = _shares(counts.keys, safety.of_key)
    signatures = _shares(counts.signatures, safety.of_key)
    return Coverage(
        sessions=sessions,
        tls_versions=_shares(_summed(counts.sessions, 0), safety.of_tls_version),
        certificate_keys=certificate_keys,
        certificate_signatures=_shares(_summed(counts.certificates, 1), safety.of_certificate),
        keys=keys,
        signatures=signatures,
        sessions_covered=_covered(sessions),
        keys_covered=_covered(keys),
        signatures_covered=_covered(signatures),
        classical_only=dependences(
            sessions=_classical(sessions),
            certificates=_classical(certificate_keys),
            token_sessions=counts.token_sessions,
            keys=_classical(keys),
            service_keys=_classical(_shares(counts.service_keys, safety.of_key)),
            signatures=_classical(signatures),
            devices=counts.devices,
            approvals=counts.approvals,
            checkpoints=counts.checkpoints,
            receipt_keys=counts.receipt_keys,
        ),
        since=since,
        until=until,
    )


def _group_shares(sessions: Mapping[tuple[str, str], int]) -> Sequence[Share]:
    """By group; one that TLS 1.3 and an older version both had is said with the older one's version."""
    total = sum(sessions.values())
    found = [
        Share(group if version == "TLSv1.3" else f"{group} ({version})", safety.of_group(version, group), count, 0.0)
        for (version, group), count in sessions.items()
    ]
    return _ordered([Share(each.algorithm, each.safety, each.count, each.count / total) for each in found])


def _shares(counts: Mapping[str, int], safety_of: Callable[[str], QuantumSafety]) -> Sequence[Share]:
    total = sum(counts.values())
    return _ordered([Share(name, safety_of(name), count, count / total) for name, count in counts.items() if count])


def _ordered(shares: Sequence[Share]) -> Sequence[Share]:
    """The most first."""
    return tuple(sorted(shares, key=lambda share: (-share.count, share.algorithm)))


def _summed(counts: Mapping[tuple[str, str], int], place: int) -> Mapping[str, int]:
    summed: dict[str, int] = {}
    for names, count in counts.items():
        summed[names[place]] = summed.get(names[place], 0) + count
    return summed


def _covered(shares: Sequence[Share]) -> float:
    total = sum(share.count for share in shares)
    return sum(share.count for share in shares if share.safety.is_covered) / total if total else 1.0


def _classical(shares: Sequence[Share]) -> Mapping[str, int]:
    return {share.algorithm: share.count for share in shares if share.safety is QuantumSafety.CLASSICAL}
