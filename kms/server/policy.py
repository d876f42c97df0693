"""A row for every RPC: who may call it, how long it may take, what it costs. An RPC without a row is refused.

tests/architecture checks that every RPC in protos/ stands here.
"""

from dataclasses import dataclass

from kms.core.identity import Role
from kms.core.resources import Sensitivity

_SERVICE = "hallmark.v1"
_EVERYBODY = frozenset({Role.ADMIN, Role.BACKEND, Role.AUDITOR, Role.DEVICE})
_OPERATORS = frozenset({Role.ADMIN})
_SIGNERS = frozenset({Role.ADMIN, Role.BACKEND})
# Devices may use keys whose attestation gate is open to them, each for itself. That is decided where the key is known
# (kms.keys.verdict_gate): for every other key they are refused there.
_KEY_USERS = _SIGNERS | {Role.DEVICE}
_READERS = frozenset({Role.ADMIN, Role.BACKEND, Role.AUDITOR})
# What the classes mean, and the table of all calls: docs/channels.md.
_LOW, _STANDARD, _HIGH, _MAXIMUM = Sensitivity


@dataclass(frozen=True, slots=True)
class Row:
    """`deadline_seconds`: the server's own limit (None for streams). `cost`: tokens taken from the caller's bucket.

    `is_batch`: the cost is that of each of its `requests`. `ends_revoked`: a stream whose servicer ends it itself when
    the device is revoked, after telling it so; others end before the next answer. `sensitivity`: of the call, whatever
    it is about; that of the resource counts where it is more.
    """

    roles: frozenset[Role]
    deadline_seconds: float | None = 30
    cost: float = 1
    is_batch: bool = False
    ends_revoked: bool = False
    sensitivity: Sensitivity = Sensitivity.LOW


POLICY: dict[str, Row] = {
    f"/{_SERVICE}.KeyService/CreateKey": Row(_OPERATORS, cost=20, sensitivity=_HIGH),
    f"/{_SERVICE}.KeyService/GetKey": Row(_READERS, sensitivity=_STANDARD),
    f"/{_SERVICE}.KeyService/ListKeys": Row(_READERS, sensitivity=_STANDARD),
    f"/{_SERVICE}.KeyService/GetPublicKey": Row(_EVERYBODY, sensitivity=_LOW),
    f"/{_SERVICE}.KeyService/RotateKey": Row(_OPERATORS, cost=20, sensitivity=_HIGH),
    f"/{_SERVICE}.KeyService/UpdateKey": Row(_OPERATORS, cost=5, sensitivity=_HIGH),
    f"/{_SERVICE}.KeyService/ChangeKeyVersionState": Row(_OPERATORS, cost=5, sensitivity=_MAXIMUM),
    f"/{_SERVICE}.KeyService/ReportKeyCompromise": Row(_OPERATORS, cost=20, sensitivity=_HIGH),
    f"/{_SERVICE}.KeyService/GetWrappingKey": Row(_OPERATORS, cost=5, sensitivity=_HIGH),
    f"/{_SERVICE}.KeyService/ImportKey": Row(_OPERATORS, cost=20, sensitivity=_MAXIMUM),
    f"/{_SERVICE}.KeyService/ExportKey": Row(_OPERATORS, cost=20, sensitivity=_MAXIMUM),
    f"/{_SERVICE}.KeyService/SetAlias": Row(_OPERATORS, cost=5, sensitivity=_HIGH),
    f"/{_SERVICE}.KeyService/DeleteAlias": Row(_OPERATORS, cost=5, sensitivity=_HIGH),
    f"/{_SERVICE}.KeyService/ListAliases": Row(_READERS, sensitivity=_STANDARD),
    f"/{_SERVICE}.TrustService/GetTrustBundle": Row(_EVERYBODY, cost=5, sensitivity=_LOW),
    f"/{_SERVICE}.TrustService/AcknowledgeTrustBundle": Row(_EVERYBODY, sensitivity=_STANDARD),
    f"/{_SERVICE}.TrustService/GetRotationReadiness": Row(_READERS, cost=5, sensitivity=_STANDARD),
    f"/{_SERVICE}.KeyService/GetCapabilities": Row(_EVERYBODY, cost=5, sensitivity=_LOW),
    f"/{_SERVICE}.SigningService/Sign": Row(_KEY_USERS, sensitivity=_STANDARD),
    f"/{_SERVICE}.SigningService/BatchSign": Row(_SIGNERS, is_batch=True, sensitivity=_STANDARD),
    f"/{_SERVICE}.SigningService/SignStream": Row(_SIGNERS, deadline_seconds=600, cost=20, sensitivity=_STANDARD),
    f"/{_SERVICE}.SigningService/Verify": Row(_EVERYBODY, sensitivity=_LOW),
    f"/{_SERVICE}.SigningService/BatchVerify": Row(_EVERYBODY, is_batch=True, sensitivity=_LOW),
    f"/{_SERVICE}.EnvelopeService/GetEnvelopeKey": Row(_EVERYBODY, sensitivity=_LOW),
    f"/{_SERVICE}.EnvelopeService/OpenEnvelope": Row(_KEY_USERS, sensitivity=_STANDARD),
    f"/{_SERVICE}.EnvelopeService/OpenEnvelopes": Row(_SIGNERS, cost=20, sensitivity=_STANDARD),
    f"/{_SERVICE}.EnvelopeService/GenerateDataKey": Row(_KEY_USERS, sensitivity=_STANDARD),
    f"/{_SERVICE}.EnvelopeService/ShredEpoch": Row(_OPERATORS, sensitivity=_MAXIMUM),
    f"/{_SERVICE}.ApprovalService/CreateProposal": Row(_OPERATORS, cost=5, sensitivity=_MAXIMUM),
    f"/{_SERVICE}.ApprovalService/GetProposal": Row(_READERS, sensitivity=_STANDARD),
    f"/{_SERVICE}.ApprovalService/ListProposals": Row(_READERS, cost=5, sensitivity=_STANDARD),
    f"/{_SERVICE}.ApprovalService/ApproveProposal": Row(_OPERATORS, cost=5, sensitivity=_MAXIMUM),
    f"/{_SERVICE}.ApprovalService/RejectProposal": Row(_OPERATORS, cost=5, sensitivity=_MAXIMUM),
    f"/{_SERVICE}.DeviceService/CreateChallenge": Row(_EVERYBODY - {Role.AUDITOR}, sensitivity=_LOW),
    f"/{_SERVICE}.DeviceService/AttestDevice": Row(_EVERYBODY - {Role.AUDITOR}, cost=5, sensitivity=_STANDARD),
    f"/{_SERVICE}.DeviceService/GetDevice": Row(_READERS, sensitivity=_STANDARD),
    f"/{_SERVICE}.DeviceService/ListDevices": Row(_READERS, cost=5, sensitivity=_STANDARD),
    f"/{_SERVICE}.DeviceService/GetVerdict": Row(_READERS, sensitivity=_STANDARD),
    f"/{_SERVICE}.DeviceService/ReplayVerdict": Row(_READERS, cost=10, sensitivity=_STANDARD),
    f"/{_SERVICE}.AppraisalService/SetPolicy": Row(_OPERATORS, cost=20, sensitivity=_HIGH),
    f"/{_SERVICE}.AppraisalService/GetPolicy": Row(_READERS, sensitivity=_STANDARD),
    f"/{_SERVICE}.AppraisalService/ListPolicies": Row(_READERS, cost=5, sensitivity=_STANDARD),
    f"/{_SERVICE}.AppraisalService/DryRunPolicy": Row(_OPERATORS, deadline_seconds=60, cost=50, sensitivity=_HIGH),
    f"/{_SERVICE}.AppraisalService/ActivatePolicy": Row(_OPERATORS, cost=20, sensitivity=_HIGH),
    f"/{_SERVICE}.CollateralService/PutCollateral": Row(_OPERATORS, cost=20, sensitivity=_HIGH),
    f"/{_SERVICE}.CollateralService/ListCollateral": Row(_READERS, cost=5, sensitivity=_STANDARD),
    f"/{_SERVICE}.CollateralService/RemoveCollateral": Row(_OPERATORS, cost=5, sensitivity=_HIGH),
    f"/{_SERVICE}.CollateralService/AddAnchor": Row(_OPERATORS, cost=5, sensitivity=_MAXIMUM),
    f"/{_SERVICE}.CollateralService/GetAnchor": Row(_READERS, sensitivity=_STANDARD),
    f"/{_SERVICE}.CollateralService/ListAnchors": Row(_READERS, cost=5, sensitivity=_STANDARD),
    f"/{_SERVICE}.CollateralService/RemoveAnchor": Row(_OPERATORS, cost=5, sensitivity=_MAXIMUM),
    f"/{_SERVICE}.RevocationService/Revoke": Row(_OPERATORS, sensitivity=_HIGH),
    f"/{_SERVICE}.RevocationService/ListRevocations": Row(_READERS, sensitivity=_STANDARD),
    f"/{_SERVICE}.RevocationService/WatchRevocations": Row(_READERS, deadline_seconds=None, sensitivity=_STANDARD),
    f"/{_SERVICE}.EventService/WatchEvents": Row(
        _EVERYBODY, deadline_seconds=None, ends_revoked=True, sensitivity=_STANDARD
    ),
    f"/{_SERVICE}.EventService/PollEvents": Row(_EVERYBODY, deadline_seconds=30, sensitivity=_STANDARD),
    f"/{_SERVICE}.EventService/AcknowledgeEvents": Row(frozenset({Role.DEVICE}), sensitivity=_STANDARD),
    f"/{_SERVICE}.ArtifactService/SetArtifactStatus": Row(_OPERATORS, cost=5, sensitivity=_HIGH),
    f"/{_SERVICE}.ArtifactService/SetMinimumVersion": Row(_OPERATORS, cost=5, sensitivity=_HIGH),
    f"/{_SERVICE}.ArtifactService/ListArtifactStatuses": Row(_READERS, cost=5, sensitivity=_STANDARD),
    f"/{_SERVICE}.ConsentService/GrantConsent": Row(_SIGNERS, cost=5, sensitivity=_STANDARD),
    f"/{_SERVICE}.ConsentService/RenewConsent": Row(_SIGNERS, cost=5, sensitivity=_STANDARD),
    f"/{_SERVICE}.ConsentService/WithdrawConsent": Row(_SIGNERS, cost=5, sensitivity=_STANDARD),
    f"/{_SERVICE}.ConsentService/GetConsent": Row(_READERS, sensitivity=_STANDARD),
    f"/{_SERVICE}.ConsentService/ListConsents": Row(_READERS, cost=5, sensitivity=_STANDARD),
    f"/{_SERVICE}.ConsentService/GetConsentReceipt": Row(_READERS, sensitivity=_STANDARD),
    f"/{_SERVICE}.ConsentService/AcquireLease": Row(_KEY_USERS, sensitivity=_STANDARD),
    f"/{_SERVICE}.ConsentService/ListLeases": Row(_READERS, cost=5, sensitivity=_STANDARD),
    f"/{_SERVICE}.RemovalService/RequestDeletion": Row(_SIGNERS, cost=5, sensitivity=_HIGH),
    f"/{_SERVICE}.RemovalService/SubmitDeletionReceipt": Row(frozenset({Role.DEVICE}), cost=5, sensitivity=_STANDARD),
    f"/{_SERVICE}.RemovalService/GetRemoval": Row(_READERS, sensitivity=_STANDARD),
    f"/{_SERVICE}.RemovalService/ListRemovals": Row(_READERS, cost=5, sensitivity=_STANDARD),
    f"/{_SERVICE}.RemovalService/GetRemovalReport": Row(_READERS, cost=20, sensitivity=_STANDARD),
    f"/{_SERVICE}.SsfService/CreateSsfReceiver": Row(_OPERATORS, cost=5, sensitivity=_HIGH),
    f"/{_SERVICE}.SsfService/ListSsfReceivers": Row(_READERS, cost=5, sensitivity=_STANDARD),
    f"/{_SERVICE}.SsfService/DeleteSsfReceiver": Row(_OPERATORS, cost=5, sensitivity=_HIGH),
    f"/{_SERVICE}.LogService/GetCheckpoint": Row(_EVERYBODY, sensitivity=_LOW),
    f"/{_SERVICE}.LogService/GetInclusionProof": Row(_EVERYBODY, sensitivity=_LOW),
    f"/{_SERVICE}.LogService/GetConsistencyProof": Row(_EVERYBODY, sensitivity=_LOW),
    f"/{_SERVICE}.LogService/GetCoseReceipt": Row(_EVERYBODY, cost=2, sensitivity=_LOW),
    f"/{_SERVICE}.LogService/AppendEntry": Row(_SIGNERS, sensitivity=_STANDARD),
    f"/{_SERVICE}.LogService/BatchAppendEntries": Row(_SIGNERS, is_batch=True, sensitivity=_STANDARD),
    f"/{_SERVICE}.LogService/AppendStream": Row(_SIGNERS, deadline_seconds=None, sensitivity=_STANDARD),
    f"/{_SERVICE}.LogService/GetEntry": Row(_READERS, sensitivity=_STANDARD),
    f"/{_SERVICE}.LogService/StreamEntries": Row(_READERS, deadline_seconds=None, sensitivity=_STANDARD),
    f"/{_SERVICE}.LogService/ListEntries": Row(_READERS, cost=5, sensitivity=_STANDARD),
    f"/{_SERVICE}.LogService/OpenCommitments": Row(_READERS, cost=5, sensitivity=_HIGH),
    f"/{_SERVICE}.LogService/EraseCommitments": Row(_OPERATORS, cost=5, sensitivity=_MAXIMUM),
    f"/{_SERVICE}.LogService/ListLogKeys": Row(_EVERYBODY, sensitivity=_LOW),
    f"/{_SERVICE}.LogService/RotateLogKey": Row(_OPERATORS, cost=20, sensitivity=_MAXIMUM),
    f"/{_SERVICE}.TenantService/CreateTenant": Row(_OPERATORS, cost=20, sensitivity=_MAXIMUM),
    f"/{_SERVICE}.TenantService/GetTenant": Row(_READERS, sensitivity=_STANDARD),
    f"/{_SERVICE}.TenantService/ListTenants": Row(_READERS, cost=5, sensitivity=_STANDARD),
    f"/{_SERVICE}.TenantService/UpdateTenant": Row(_OPERATORS, cost=5, sensitivity=_MAXIMUM),
    f"/{_SERVICE}.TenantService/ChangeTenantState": Row(_OPERATORS, cost=5, sensitivity=_MAXIMUM),
    f"/{_SERVICE}.AccessService/SetAccessPolicy": Row(_OPERATORS, cost=20, sensitivity=_MAXIMUM),
    f"/{_SERVICE}.AccessService/GetAccessPolicy": Row(_READERS, sensitivity=_STANDARD),
    f"/{_SERVICE}.AccessService/ListAccessPolicies": Row(_READERS, cost=5, sensitivity=_STANDARD),
    f"/{_SERVICE}.AccessService/DryRunAccessPolicy": Row(_OPERATORS, deadline_seconds=60, cost=50, sensitivity=_HIGH),
    f"/{_SERVICE}.AccessService/ActivateAccessPolicy": Row(_OPERATORS, cost=20, sensitivity=_MAXIMUM),
    f"/{_SERVICE}.AccessService/CreateGrant": Row(_OPERATORS, cost=5, sensitivity=_MAXIMUM),
    f"/{_SERVICE}.AccessService/GetGrant": Row(_READERS, sensitivity=_STANDARD),
    f"/{_SERVICE}.AccessService/ListGrants": Row(_READERS, cost=5, sensitivity=_STANDARD),
    f"/{_SERVICE}.AccessService/RevokeGrant": Row(_OPERATORS, cost=5, sensitivity=_MAXIMUM),
    f"/{_SERVICE}.AccessService/TestAccess": Row(_READERS, cost=5, sensitivity=_STANDARD),
    f"/{_SERVICE}.AccessService/ListEffectiveGrants": Row(_READERS, cost=20, sensitivity=_STANDARD),
    f"/{_SERVICE}.AuditService/GetCoverageReport": Row(_READERS, cost=20, sensitivity=_STANDARD),
    f"/{_SERVICE}.AuditService/ListSessions": Row(frozenset({Role.ADMIN, Role.AUDITOR}), cost=5, sensitivity=_HIGH),
    f"/{_SERVICE}.ReleaseService/CreateRelease": Row(_SIGNERS, cost=20, sensitivity=_HIGH),
    f"/{_SERVICE}.ReleaseService/GetRelease": Row(_READERS, sensitivity=_STANDARD),
    f"/{_SERVICE}.ReleaseService/ListReleases": Row(_READERS, cost=5, sensitivity=_STANDARD),
    f"/{_SERVICE}.ReleaseService/RequestArtifactKey": Row(frozenset({Role.DEVICE}), cost=2, sensitivity=_HIGH),
    f"/{_SERVICE}.ReleaseService/AnchorDeviceAudit": Row(frozenset({Role.DEVICE}), sensitivity=_STANDARD),
    f"/{_SERVICE}.EdgeService/SignHeartbeats": Row(frozenset({Role.EDGE}), cost=20, sensitivity=_HIGH),
    "/grpc.health.v1.Health/Check": Row(frozenset(Role), sensitivity=_LOW),
    "/grpc.health.v1.Health/Watch": Row(frozenset(Role), deadline_seconds=None, sensitivity=_LOW),
}
