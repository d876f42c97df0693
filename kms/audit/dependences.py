"""What still rests on classical cryptography only: what an attacker with a quantum computer could do with it, by when
that matters, and what to do. A closed table, so that the sentences are reviewed as a whole.

Confidentiality is at risk today: what is recorded now may be read later. A signature is at risk only once such a
computer exists, and then as long as somebody accepts the old algorithm.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Dependence:
    """`count`: of what `what` names, in this deployment and in the time asked for."""

    what: str
    risk: str
    advice: str
    count: int


_FORGED: Final = "No risk from recordings: a signature made now can not be forged before a quantum computer exists. "


def dependences(
    *,
    sessions: Mapping[str, int],
    certificates: Mapping[str, int],
    token_sessions: int,
    keys: Mapping[str, int],
    service_keys: Mapping[str, int],
    signatures: Mapping[str, int],
    devices: int,
    approvals: int,
    checkpoints: int,
    receipt_keys: int,
) -> Sequence[Dependence]:
    """Those that there are, what is at risk today first. Mappings: how many by algorithm, classical ones only."""
    found = (
        _sessions(sessions),
        _keys(keys),
        _signatures(signatures),
        _service_keys(service_keys),
        _certificates(certificates),
        _tokens(token_sessions),
        _devices(devices),
        _approvals(approvals),
        _checkpoints(checkpoints),
        _receipts(receipt_keys),
    )
    return tuple(each for each in found if each.count)


def _named(what: str, by_algorithm: Mapping[str, int]) -> str:
    return f"{what} ({', '.join(sorted(by_algorithm))})"


def _sessions(groups: Mapping[str, int]) -> Dependence:
    return Dependence(
        _named("TLS sessions with a classical key exchange", groups),
        "What went over them may be recorded now and read once a quantum computer exists: harvest now, decrypt later.",
        "Use clients that offer X25519MLKEM768 (grpcio 1.85 or newer), then require it: `hallmark tenants update` has "
        "the tenant's channel rules, server.require_pq_tls is for everybody.",
        sum(groups.values()),
    )


def _keys(algorithms: Mapping[str, int]) -> Dependence:
    return Dependence(
        _named("Versions of keys", algorithms),
        _FORGED + "After that, whoever still trusts the public key believes anything.",
        "Create a composite key (the default algorithm) and move signers and verifiers to it; then deactivate these.",
        sum(algorithms.values()),
    )


def _signatures(algorithms: Mapping[str, int]) -> Dependence:
    return Dependence(
        _named("Signatures that were made", algorithms),
        "They stop proving anything once a quantum computer exists, unless their place in the log, which is older, is "
        "shown with them.",
        "What must convince for years: sign it with a composite key, and keep the log's proof (`hallmark sign "
        "--proof`).",
        sum(algorithms.values()),
    )


def _service_keys(algorithms: Mapping[str, int]) -> Dependence:
    return Dependence(
        _named(
            "Service keys for tokens in standard formats: status lists, attestation results, security events",
            algorithms,
        ),
        _FORGED + "Such a token lives for minutes or hours, so nothing that was issued before is worth forging.",
        "The same facts also come with hybrid signatures (snapshots, results as composite EAR): use those where you "
        "write both sides. Standard receivers verify nothing else today.",
        sum(algorithms.values()),
    )


def _certificates(algorithms: Mapping[str, int]) -> Dependence:
    return Dependence(
        _named("Sessions whose client certificate is classical", algorithms),
        "Authentication only: a quantum computer could take part in new sessions as somebody else, but reads nothing "
        "that was recorded. The server's own certificate is classical as well.",
        "TLS libraries do not take ML-DSA certificates everywhere yet; keep lifetimes short, and issue ML-DSA ones as "
        "soon as both sides can.",
        sum(algorithms.values()),
    )


def _tokens(count: int) -> Dependence:
    return Dependence(
        "Sessions identified by an OIDC token (RSA, ECDSA or Ed25519)",
        "Authentication only, for the minutes that a token lives: no risk from recordings.",
        "Bind tokens to certificates (RFC 8705), keep them short, and ask the issuer about ML-DSA.",
        count,
    )


def _devices(count: int) -> Dependence:
    return Dependence(
        "Devices whose evidence chains to a vendor's root (ECDSA, RSA)",
        "A quantum computer could make up genuine-looking evidence for devices that do not exist: new enrolments only.",
        "Nobody but the vendors can change their roots. Until they do, let policies also ask for what you issued "
        "yourself, and look at devices that were enrolled lately.",
        count,
    )


def _approvals(count: int) -> Dependence:
    return Dependence(
        "Approvals, signed with ECDSA P-256",
        _FORGED + "An approval is used once, within days, and stands in the log.",
        "They are made with the key of the approver's client certificate: they change with the certificates.",
        count,
    )


def _checkpoints(count: int) -> Dependence:
    return Dependence(
        "Checkpoints of the log for readers that verify only their Ed25519 signature",
        "Each has an ML-DSA-44 signature beside it: a forged Ed25519 one is noticed by everybody who looks at both.",
        "Verify both: hallmark_tlog does, and `hallmark log verify --vkey` with both verifier keys.",
        count,
    )


def _receipts(count: int) -> Dependence:
    return Dependence(
        "Keys for COSE receipts with Ed25519",
        _FORGED + "Later, receipts could be made up for entries that the log does not have.",
        "Ask for receipts with ML-DSA-44, or check what they say against the public log.",
        count,
    )
