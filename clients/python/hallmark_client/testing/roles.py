"""Who may call what. The service has the same table (kms/server/policy.py); the contract suite compares the two."""

from typing import Final, Literal, TypeAlias

import grpc

from hallmark_client.testing.refusals import refusal

Role: TypeAlias = Literal["admin", "backend", "auditor", "device"]

_EVERYBODY: Final = frozenset({"admin", "backend", "auditor", "device"})
_READERS: Final = frozenset({"admin", "backend", "auditor"})
_OPERATORS: Final = frozenset({"admin"})

ROLES: Final[dict[str, frozenset[str]]] = {
    "CreateKey": _OPERATORS,
    "GetKey": _READERS,
    "ListKeys": _READERS,
    "GetPublicKey": _EVERYBODY,
    "RotateKey": _OPERATORS,
    "UpdateKey": _OPERATORS,
    "ChangeKeyVersionState": _OPERATORS,
    "ReportKeyCompromise": _OPERATORS,
    "GetWrappingKey": _OPERATORS,
    "ImportKey": _OPERATORS,
    "ExportKey": _OPERATORS,
    "SetAlias": _OPERATORS,
    "DeleteAlias": _OPERATORS,
    "ListAliases": _READERS,
    "GetCapabilities": _EVERYBODY,
    "GetTrustBundle": _EVERYBODY,
    "AcknowledgeTrustBundle": _EVERYBODY,
    "GetRotationReadiness": _READERS,
    "Sign": frozenset({"admin", "backend"}),
    "BatchSign": frozenset({"admin", "backend"}),
    "SignStream": frozenset({"admin", "backend"}),
    "Verify": _EVERYBODY,
    "BatchVerify": _EVERYBODY,
    "GetEnvelopeKey": _EVERYBODY,
    "OpenEnvelope": frozenset({"admin", "backend"}),
    "OpenEnvelopes": frozenset({"admin", "backend"}),
    "GenerateDataKey": frozenset({"admin", "backend"}),
    "ShredEpoch": _OPERATORS,
    "CreateProposal": _OPERATORS,
    "GetProposal": _READERS,
    "ListProposals": _READERS,
    "ApproveProposal": _OPERATORS,
    "RejectProposal": _OPERATORS,
    "CreateChallenge": _EVERYBODY - {"auditor"},
    "AttestDevice": _EVERYBODY - {"auditor"},
    "GetDevice": _READERS,
    "Revoke": _OPERATORS,
    "ListRevocations": _EVERYBODY,
    "WatchRevocations": _EVERYBODY,
    "GetCheckpoint": _EVERYBODY,
    "GetInclusionProof": _EVERYBODY,
    "GetConsistencyProof": _EVERYBODY,
}
"""Roles by method name."""


def check_role(method: str, role: str) -> None:
    """Raises PermissionDenied (ROLE_NOT_ALLOWED)."""
    allowed = ROLES[method]
    if role not in allowed:
        sentence = f"role {role} may not call {method}; it is for {', '.join(sorted(allowed))}"
        raise refusal(grpc.StatusCode.PERMISSION_DENIED, "ROLE_NOT_ALLOWED", sentence)
