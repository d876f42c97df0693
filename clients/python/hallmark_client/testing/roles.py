"""Who may call what. The service has the same table (kms/server/policy.py); the contract suite compares the two."""

from typing import Final, Literal, TypeAlias

import grpc

from hallmark_client.testing.refusals import refusal

Role: TypeAlias = Literal["admin", "backend", "auditor", "device"]

_EVERYBODY: Final = frozenset({"admin", "backend", "auditor", "device"})
_READERS: Final = frozenset({"admin", "backend", "auditor"})
_OPERATORS: Final = frozenset({"admin"})
_KEY_USERS: Final = frozenset({"admin", "backend", "device"})  # devices: of keys that are open to them, see gates.py

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
    "Sign": _KEY_USERS,
    "BatchSign": frozenset({"admin", "backend"}),
    "SignStream": frozenset({"admin", "backend"}),
    "Verify": _EVERYBODY,
    "BatchVerify": _EVERYBODY,
    "GetEnvelopeKey": _EVERYBODY,
    "OpenEnvelope": _KEY_USERS,
    "OpenEnvelopes": frozenset({"admin", "backend"}),
    "GenerateDataKey": _KEY_USERS,
    "ShredEpoch": _OPERATORS,
    "CreateProposal": _OPERATORS,
    "GetProposal": _READERS,
    "ListProposals": _READERS,
    "ApproveProposal": _OPERATORS,
    "RejectProposal": _OPERATORS,
    "SetPolicy": _OPERATORS,
    "GetPolicy": _READERS,
    "ListPolicies": _READERS,
    "DryRunPolicy": _OPERATORS,
    "ActivatePolicy": _OPERATORS,
    "PutCollateral": _OPERATORS,
    "ListCollateral": _READERS,
    "RemoveCollateral": _OPERATORS,
    "AddAnchor": _OPERATORS,
    "GetAnchor": _READERS,
    "ListAnchors": _READERS,
    "RemoveAnchor": _OPERATORS,
    "CreateChallenge": _EVERYBODY - {"auditor"},
    "AttestDevice": _EVERYBODY - {"auditor"},
    "GetDevice": _READERS,
    "ListDevices": _READERS,
    "GetVerdict": _READERS,
    "ReplayVerdict": _READERS,
    "Revoke": _OPERATORS,
    "ListRevocations": _READERS,
    "WatchRevocations": _READERS,
    "WatchEvents": _EVERYBODY,
    "PollEvents": _EVERYBODY,
    "AcknowledgeEvents": frozenset({"device"}),
    "SetArtifactStatus": _OPERATORS,
    "SetMinimumVersion": _OPERATORS,
    "ListArtifactStatuses": _READERS,
    "GrantConsent": frozenset({"admin", "backend"}),
    "RenewConsent": frozenset({"admin", "backend"}),
    "WithdrawConsent": frozenset({"admin", "backend"}),
    "GetConsent": _READERS,
    "ListConsents": _READERS,
    "GetConsentReceipt": _READERS,
    "AcquireLease": _KEY_USERS,
    "ListLeases": _READERS,
    "RequestDeletion": frozenset({"admin", "backend"}),
    "SubmitDeletionReceipt": frozenset({"device"}),
    "GetRemoval": _READERS,
    "ListRemovals": _READERS,
    "GetRemovalReport": _READERS,
    "CreateSsfReceiver": _OPERATORS,
    "ListSsfReceivers": _READERS,
    "DeleteSsfReceiver": _OPERATORS,
    "GetCheckpoint": _EVERYBODY,
    "GetInclusionProof": _EVERYBODY,
    "GetConsistencyProof": _EVERYBODY,
    "GetCoseReceipt": _EVERYBODY,
    "AppendEntry": frozenset({"admin", "backend"}),
    "BatchAppendEntries": frozenset({"admin", "backend"}),
    "AppendStream": frozenset({"admin", "backend"}),
    "GetEntry": _READERS,
    "StreamEntries": _READERS,
    "ListEntries": _READERS,
    "OpenCommitments": _READERS,
    "EraseCommitments": _OPERATORS,
    "ListLogKeys": _EVERYBODY,
    "RotateLogKey": _OPERATORS,
    "CreateTenant": _OPERATORS,
    "GetTenant": _READERS,
    "ListTenants": _READERS,
    "UpdateTenant": _OPERATORS,
    "ChangeTenantState": _OPERATORS,
    "SetAccessPolicy": _OPERATORS,
    "GetAccessPolicy": _READERS,
    "ListAccessPolicies": _READERS,
    "DryRunAccessPolicy": _OPERATORS,
    "ActivateAccessPolicy": _OPERATORS,
    "CreateGrant": _OPERATORS,
    "GetGrant": _READERS,
    "ListGrants": _READERS,
    "RevokeGrant": _OPERATORS,
    "TestAccess": _READERS,
    "ListEffectiveGrants": _READERS,
    "GetCoverageReport": _READERS,
    "ListSessions": frozenset({"admin", "auditor"}),
}
"""Roles by method name."""


def check_role(method: str, role: str) -> None:
    """Raises PermissionDenied (ROLE_NOT_ALLOWED)."""
    allowed = ROLES[method]
    if role not in allowed:
        sentence = f"role {role} may not call {method}; it is for {', '.join(sorted(allowed))}"
        raise refusal(grpc.StatusCode.PERMISSION_DENIED, "ROLE_NOT_ALLOWED", sentence)
