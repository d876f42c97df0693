"""The wire calls as a table: path, request and response type of every RPC this client makes."""

from typing import Any, Final

from hallmark.v1 import appraisal_pb2 as appraisal
from hallmark.v1 import approvals_pb2 as approvals
from hallmark.v1 import collateral_pb2 as collateral
from hallmark.v1 import devices_pb2 as devices
from hallmark.v1 import envelopes_pb2 as envelopes
from hallmark.v1 import keys_pb2 as keys
from hallmark.v1 import log_pb2 as log
from hallmark.v1 import revocation_pb2 as revocation
from hallmark_client.access_rpc import ACCESS_RPCS
from hallmark_client.audit_rpc import AUDIT_RPCS
from hallmark_client.permission_rpc import PERMISSION_RPCS
from hallmark_client.releases_rpc import RELEASE_RPCS
from hallmark_client.rpc_type import Request, Response, Rpc
from hallmark_client.tenants_rpc import TENANT_RPCS

__all__ = ["RPCS", "Request", "Response", "Rpc"]

_KEYS = "/hallmark.v1.KeyService/"
_TRUST = "/hallmark.v1.TrustService/"
_SIGNING = "/hallmark.v1.SigningService/"
_ENVELOPES = "/hallmark.v1.EnvelopeService/"
_APPROVALS = "/hallmark.v1.ApprovalService/"
_APPRAISAL = "/hallmark.v1.AppraisalService/"
_COLLATERAL = "/hallmark.v1.CollateralService/"
_DEVICES = "/hallmark.v1.DeviceService/"
_REVOCATION = "/hallmark.v1.RevocationService/"
_LOG = "/hallmark.v1.LogService/"

CREATE_KEY: Final = Rpc(f"{_KEYS}CreateKey", keys.CreateKeyRequest, keys.CreateKeyResponse)
GET_KEY: Final = Rpc(f"{_KEYS}GetKey", keys.GetKeyRequest, keys.Key)
LIST_KEYS: Final = Rpc(f"{_KEYS}ListKeys", keys.ListKeysRequest, keys.ListKeysResponse)
GET_PUBLIC_KEY: Final = Rpc(f"{_KEYS}GetPublicKey", keys.GetPublicKeyRequest, keys.PublicKey)
ROTATE_KEY: Final = Rpc(f"{_KEYS}RotateKey", keys.RotateKeyRequest, keys.RotateKeyResponse)
UPDATE_KEY: Final = Rpc(f"{_KEYS}UpdateKey", keys.UpdateKeyRequest, keys.UpdateKeyResponse)
CHANGE_KEY_VERSION_STATE: Final = Rpc(
    f"{_KEYS}ChangeKeyVersionState", keys.ChangeKeyVersionStateRequest, keys.ChangeKeyVersionStateResponse
)
REPORT_KEY_COMPROMISE: Final = Rpc(
    f"{_KEYS}ReportKeyCompromise", keys.ReportKeyCompromiseRequest, keys.ReportKeyCompromiseResponse
)
GET_WRAPPING_KEY: Final = Rpc(f"{_KEYS}GetWrappingKey", keys.GetWrappingKeyRequest, keys.WrappingKey)
IMPORT_KEY: Final = Rpc(f"{_KEYS}ImportKey", keys.ImportKeyRequest, keys.ImportKeyResponse)
EXPORT_KEY: Final = Rpc(f"{_KEYS}ExportKey", keys.ExportKeyRequest, keys.ExportKeyResponse)
SET_ALIAS: Final = Rpc(f"{_KEYS}SetAlias", keys.SetAliasRequest, keys.SetAliasResponse)
DELETE_ALIAS: Final = Rpc(f"{_KEYS}DeleteAlias", keys.DeleteAliasRequest, keys.DeleteAliasResponse)
LIST_ALIASES: Final = Rpc(f"{_KEYS}ListAliases", keys.ListAliasesRequest, keys.ListAliasesResponse)
GET_CAPABILITIES: Final = Rpc(f"{_KEYS}GetCapabilities", keys.GetCapabilitiesRequest, keys.Capabilities)

GET_TRUST_BUNDLE: Final = Rpc(f"{_TRUST}GetTrustBundle", keys.GetTrustBundleRequest, keys.TrustBundle)
ACKNOWLEDGE_TRUST_BUNDLE: Final = Rpc(
    f"{_TRUST}AcknowledgeTrustBundle", keys.AcknowledgeTrustBundleRequest, keys.AcknowledgeTrustBundleResponse
)
GET_ROTATION_READINESS: Final = Rpc(
    f"{_TRUST}GetRotationReadiness", keys.GetRotationReadinessRequest, keys.RotationReadiness
)

SIGN: Final = Rpc(f"{_SIGNING}Sign", keys.SignRequest, keys.SignResponse)
BATCH_SIGN: Final = Rpc(f"{_SIGNING}BatchSign", keys.BatchSignRequest, keys.BatchSignResponse)
SIGN_STREAM: Final = Rpc(f"{_SIGNING}SignStream", keys.SignStreamRequest, keys.SignResponse, uploads=True)
VERIFY: Final = Rpc(f"{_SIGNING}Verify", keys.VerifyRequest, keys.VerifyResponse)

GET_ENVELOPE_KEY: Final = Rpc(f"{_ENVELOPES}GetEnvelopeKey", envelopes.GetEnvelopeKeyRequest, envelopes.EnvelopeKey)
OPEN_ENVELOPE: Final = Rpc(f"{_ENVELOPES}OpenEnvelope", envelopes.OpenEnvelopeRequest, envelopes.OpenEnvelopeResponse)
OPEN_ENVELOPES: Final = Rpc(
    f"{_ENVELOPES}OpenEnvelopes", envelopes.OpenEnvelopesRequest, envelopes.OpenEnvelopesResponse
)
GENERATE_DATA_KEY: Final = Rpc(
    f"{_ENVELOPES}GenerateDataKey", envelopes.GenerateDataKeyRequest, envelopes.GenerateDataKeyResponse
)
SHRED_EPOCH: Final = Rpc(f"{_ENVELOPES}ShredEpoch", envelopes.ShredEpochRequest, envelopes.ShredEpochResponse)

CREATE_PROPOSAL: Final = Rpc(f"{_APPROVALS}CreateProposal", approvals.CreateProposalRequest, approvals.Proposal)
GET_PROPOSAL: Final = Rpc(f"{_APPROVALS}GetProposal", approvals.GetProposalRequest, approvals.Proposal)
LIST_PROPOSALS: Final = Rpc(
    f"{_APPROVALS}ListProposals", approvals.ListProposalsRequest, approvals.ListProposalsResponse
)
APPROVE_PROPOSAL: Final = Rpc(f"{_APPROVALS}ApproveProposal", approvals.ApproveProposalRequest, approvals.Proposal)
REJECT_PROPOSAL: Final = Rpc(f"{_APPROVALS}RejectProposal", approvals.RejectProposalRequest, approvals.Proposal)

SET_POLICY: Final = Rpc(f"{_APPRAISAL}SetPolicy", appraisal.SetPolicyRequest, appraisal.SetPolicyResponse)
GET_POLICY: Final = Rpc(f"{_APPRAISAL}GetPolicy", appraisal.GetPolicyRequest, appraisal.Policy)
LIST_POLICIES: Final = Rpc(f"{_APPRAISAL}ListPolicies", appraisal.ListPoliciesRequest, appraisal.ListPoliciesResponse)
DRY_RUN_POLICY: Final = Rpc(f"{_APPRAISAL}DryRunPolicy", appraisal.DryRunPolicyRequest, appraisal.DryRunPolicyResponse)
ACTIVATE_POLICY: Final = Rpc(
    f"{_APPRAISAL}ActivatePolicy", appraisal.ActivatePolicyRequest, appraisal.ActivatePolicyResponse
)

PUT_COLLATERAL: Final = Rpc(
    f"{_COLLATERAL}PutCollateral", collateral.PutCollateralRequest, collateral.PutCollateralResponse
)
LIST_COLLATERAL: Final = Rpc(
    f"{_COLLATERAL}ListCollateral", collateral.ListCollateralRequest, collateral.ListCollateralResponse
)
REMOVE_COLLATERAL: Final = Rpc(
    f"{_COLLATERAL}RemoveCollateral", collateral.RemoveCollateralRequest, collateral.RemoveCollateralResponse
)
ADD_ANCHOR: Final = Rpc(f"{_COLLATERAL}AddAnchor", collateral.AddAnchorRequest, collateral.AddAnchorResponse)
GET_ANCHOR: Final = Rpc(f"{_COLLATERAL}GetAnchor", collateral.GetAnchorRequest, collateral.Anchor)
LIST_ANCHORS: Final = Rpc(f"{_COLLATERAL}ListAnchors", collateral.ListAnchorsRequest, collateral.ListAnchorsResponse)
REMOVE_ANCHOR: Final = Rpc(
    f"{_COLLATERAL}RemoveAnchor", collateral.RemoveAnchorRequest, collateral.RemoveAnchorResponse
)

BATCH_VERIFY: Final = Rpc(f"{_SIGNING}BatchVerify", keys.BatchVerifyRequest, keys.BatchVerifyResponse)

CREATE_CHALLENGE: Final = Rpc(f"{_DEVICES}CreateChallenge", devices.CreateChallengeRequest, devices.Challenge)
ATTEST_DEVICE: Final = Rpc(f"{_DEVICES}AttestDevice", devices.AttestDeviceRequest, devices.AttestDeviceResponse)
GET_DEVICE: Final = Rpc(f"{_DEVICES}GetDevice", devices.GetDeviceRequest, devices.Device)
LIST_DEVICES: Final = Rpc(f"{_DEVICES}ListDevices", devices.ListDevicesRequest, devices.ListDevicesResponse)
GET_VERDICT: Final = Rpc(f"{_DEVICES}GetVerdict", devices.GetVerdictRequest, devices.Verdict)
REPLAY_VERDICT: Final = Rpc(f"{_DEVICES}ReplayVerdict", devices.ReplayVerdictRequest, devices.ReplayVerdictResponse)

REVOKE: Final = Rpc(f"{_REVOCATION}Revoke", revocation.RevokeRequest, revocation.RevokeResponse)
LIST_REVOCATIONS: Final = Rpc(
    f"{_REVOCATION}ListRevocations", revocation.ListRevocationsRequest, revocation.ListRevocationsResponse
)
WATCH_REVOCATIONS: Final = Rpc(
    f"{_REVOCATION}WatchRevocations",
    revocation.WatchRevocationsRequest,
    revocation.WatchRevocationsResponse,
    streaming=True,
)

GET_CHECKPOINT: Final = Rpc(f"{_LOG}GetCheckpoint", log.GetCheckpointRequest, log.Checkpoint)
GET_INCLUSION_PROOF: Final = Rpc(f"{_LOG}GetInclusionProof", log.GetInclusionProofRequest, log.InclusionProof)
GET_CONSISTENCY_PROOF: Final = Rpc(f"{_LOG}GetConsistencyProof", log.GetConsistencyProofRequest, log.ConsistencyProof)
GET_COSE_RECEIPT: Final = Rpc(f"{_LOG}GetCoseReceipt", log.GetCoseReceiptRequest, log.CoseReceipt)
GET_ENTRY: Final = Rpc(f"{_LOG}GetEntry", log.GetEntryRequest, log.EntryRecord)
APPEND_ENTRY: Final = Rpc(f"{_LOG}AppendEntry", log.AppendEntryRequest, log.AppendEntryResponse)
BATCH_APPEND_ENTRIES: Final = Rpc(
    f"{_LOG}BatchAppendEntries", log.BatchAppendEntriesRequest, log.BatchAppendEntriesResponse
)
APPEND_STREAM: Final = Rpc(
    f"{_LOG}AppendStream", log.AppendEntryRequest, log.AppendStreamResponse, streaming=True, uploads=True
)
STREAM_ENTRIES: Final = Rpc(f"{_LOG}StreamEntries", log.StreamEntriesRequest, log.StreamEntriesResponse, streaming=True)
LIST_ENTRIES: Final = Rpc(f"{_LOG}ListEntries", log.ListEntriesRequest, log.ListEntriesResponse)
OPEN_COMMITMENTS: Final = Rpc(f"{_LOG}OpenCommitments", log.OpenCommitmentsRequest, log.OpenCommitmentsResponse)
ERASE_COMMITMENTS: Final = Rpc(f"{_LOG}EraseCommitments", log.EraseCommitmentsRequest, log.EraseCommitmentsResponse)
LIST_LOG_KEYS: Final = Rpc(f"{_LOG}ListLogKeys", log.ListLogKeysRequest, log.ListLogKeysResponse)
ROTATE_LOG_KEY: Final = Rpc(f"{_LOG}RotateLogKey", log.RotateLogKeyRequest, log.RotateLogKeyResponse)

RPCS: Final[tuple[Rpc[Any, Any], ...]] = (
    CREATE_KEY,
    GET_KEY,
    LIST_KEYS,
    GET_PUBLIC_KEY,
    ROTATE_KEY,
    UPDATE_KEY,
    CHANGE_KEY_VERSION_STATE,
    REPORT_KEY_COMPROMISE,
    GET_WRAPPING_KEY,
    IMPORT_KEY,
    EXPORT_KEY,
    SET_ALIAS,
    DELETE_ALIAS,
    LIST_ALIASES,
    GET_CAPABILITIES,
    GET_TRUST_BUNDLE,
    ACKNOWLEDGE_TRUST_BUNDLE,
    GET_ROTATION_READINESS,
    SIGN,
    BATCH_SIGN,
    SIGN_STREAM,
    VERIFY,
    BATCH_VERIFY,
    GET_ENVELOPE_KEY,
    OPEN_ENVELOPE,
    OPEN_ENVELOPES,
    GENERATE_DATA_KEY,
    SHRED_EPOCH,
    CREATE_PROPOSAL,
    GET_PROPOSAL,
    LIST_PROPOSALS,
    APPROVE_PROPOSAL,
    REJECT_PROPOSAL,
    SET_POLICY,
    GET_POLICY,
    LIST_POLICIES,
    DRY_RUN_POLICY,
    ACTIVATE_POLICY,
    PUT_COLLATERAL,
    LIST_COLLATERAL,
    REMOVE_COLLATERAL,
    ADD_ANCHOR,
    GET_ANCHOR,
    LIST_ANCHORS,
    REMOVE_ANCHOR,
    CREATE_CHALLENGE,
    ATTEST_DEVICE,
    GET_DEVICE,
    LIST_DEVICES,
    GET_VERDICT,
    REPLAY_VERDICT,
    REVOKE,
    LIST_REVOCATIONS,
    WATCH_REVOCATIONS,
    GET_CHECKPOINT,
    GET_INCLUSION_PROOF,
    GET_CONSISTENCY_PROOF,
    GET_COSE_RECEIPT,
    APPEND_ENTRY,
    BATCH_APPEND_ENTRIES,
    APPEND_STREAM,
    GET_ENTRY,
    STREAM_ENTRIES,
    LIST_ENTRIES,
    OPEN_COMMITMENTS,
    ERASE_COMMITMENTS,
    LIST_LOG_KEYS,
    ROTATE_LOG_KEY,
    *PERMISSION_RPCS,
    *RELEASE_RPCS,
    *ACCESS_RPCS,
    *AUDIT_RPCS,
    *TENANT_RPCS,
)
"""Every RPC of hallmark.v1."""
