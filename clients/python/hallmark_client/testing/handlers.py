"""Which method of the fake answers which RPC."""

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from google.protobuf.message import Message

from hallmark_client.testing.aliases import FakeAliases
from hallmark_client.testing.appending import FakeAppending
from hallmark_client.testing.approvals import FakeApprovals
from hallmark_client.testing.artifacts import FakeArtifacts
from hallmark_client.testing.batches import FakeBatches
from hallmark_client.testing.capabilities import capabilities
from hallmark_client.testing.collateral import FakeCollateral
from hallmark_client.testing.consents import FakeConsents
from hallmark_client.testing.devices import FakeDevices
from hallmark_client.testing.envelopes import FakeEnvelopes
from hallmark_client.testing.events import FakeEvents
from hallmark_client.testing.feed import FakeFeed
from hallmark_client.testing.key_life import FakeKeyLife
from hallmark_client.testing.keys import FakeKeys
from hallmark_client.testing.log_entries import FakeEntries
from hallmark_client.testing.log_keys import FakeLogKeys
from hallmark_client.testing.policies import FakePolicies
from hallmark_client.testing.releases import FakeReleases
from hallmark_client.testing.removals import FakeRemovals
from hallmark_client.testing.signing import FakeSigning
from hallmark_client.testing.ssf import FakeSsf
from hallmark_client.testing.state import State
from hallmark_client.testing.transfer import FakeTransfer
from hallmark_client.testing.trust import FakeTrust

Handlers: TypeAlias = dict[str, Callable[[Any], Message]]
"""By method name; request in, answer out."""

# Leases are issued by an entry of their own, and each removal is asked for by one; a second withdrawal is the first.
# A rehearsal is no act, its readiness may bring a bundle; a compromise revokes each version and may rotate.
_SEVERAL: Final = {
    "PutCollateral": {1, 2},
    "RemoveCollateral": {1, 2},
    "AddAnchor": {1, 2},
    "RemoveAnchor": {1, 2},
    "RotateKey": {0, 1, 2, 3},
    "ChangeKeyVersionState": {1, 2},
    "UpdateKey": {0, 1, 2},
    "ExportKey": {2},
    "ReportKeyCompromise": set(range(1, 1000)),
    "GrantConsent": {1, 2},
    "WithdrawConsent": set(range(1000)),
    "AcquireLease": {0, 1},
    "CreateRelease": {1, 2},
    "RequestArtifactKey": {1, 2},
}
REMEMBERED_BY_THE_LOG: Final = frozenset({"AppendEntry"})
"""Whose repetitions are found in the log itself, for ever."""
# Log entries of one act. A challenge is no act of trust; a subject is revoked once, however often it is asked for.
LEAVES: Final = {"CreateChallenge": {0}, "Revoke": {0, 1}, "ShredEpoch": {1, 2}, "ActivatePolicy": {1, 2}, **_SEVERAL}


def basic_handlers(
    state: State, keys: FakeKeys, feed: FakeFeed, signing: FakeSigning, batches: FakeBatches
) -> Handlers:
    log, now = state.log, state.now
    return {
        "CreateKey": keys.create,
        "GetKey": keys.get,
        "ListKeys": keys.list,
        "GetPublicKey": keys.get_public_key,
        "GetCapabilities": lambda _: capabilities(log, ""),
        "Sign": signing.sign,
        "BatchSign": batches.sign,
        "SignStream": signing.sign,
        "Verify": signing.verify,
        "BatchVerify": batches.verify,
        "Revoke": feed.revoke,
        "ListRevocations": feed.list,
        "GetCheckpoint": lambda _: log.get_checkpoint(now()),
        "GetInclusionProof": lambda request: log.get_inclusion_proof(request, now()),
        "GetConsistencyProof": lambda request: log.get_consistency_proof(request, now()),
    }


def log_handlers(entries: FakeEntries, keys: FakeLogKeys, appending: FakeAppending) -> Handlers:
    return {
        "AppendEntry": appending.append,
        "BatchAppendEntries": appending.append_many,
        "GetEntry": entries.get,
        "ListEntries": entries.list,
        "OpenCommitments": entries.open,
        "EraseCommitments": entries.erase,
        "GetCoseReceipt": entries.receipt,
        "ListLogKeys": keys.list,
        "RotateLogKey": keys.rotate,
    }


def key_life_handlers(life: FakeKeyLife, aliases: FakeAliases, trust: FakeTrust) -> Handlers:
    return {
        "RotateKey": life.rotate,
        "UpdateKey": life.update,
        "ChangeKeyVersionState": life.change_state,
        "ReportKeyCompromise": life.report_compromise,
        "SetAlias": aliases.set,
        "DeleteAlias": aliases.delete,
        "ListAliases": aliases.list,
        "GetTrustBundle": trust.get,
        "AcknowledgeTrustBundle": trust.acknowledge,
        "GetRotationReadiness": trust.readiness,
    }


def event_handlers(events: FakeEvents) -> Handlers:
    return {"PollEvents": events.poll, "AcknowledgeEvents": events.acknowledge}


def ssf_handlers(ssf: FakeSsf) -> Handlers:
    return {"CreateSsfReceiver": ssf.create, "ListSsfReceivers": ssf.list, "DeleteSsfReceiver": ssf.delete}


def removal_handlers(removals: FakeRemovals) -> Handlers:
    return {
        "RequestDeletion": removals.request,
        "SubmitDeletionReceipt": removals.submit,
        "GetRemoval": removals.get,
        "ListRemovals": removals.list,
        "GetRemovalReport": removals.report,
    }


def consent_handlers(consents: FakeConsents) -> Handlers:
    return {
        "GrantConsent": consents.grant,
        "RenewConsent": consents.renew,
        "WithdrawConsent": consents.withdraw,
        "GetConsent": consents.get,
        "ListConsents": consents.list,
        "GetConsentReceipt": consents.receipt,
        "AcquireLease": consents.acquire,
        "ListLeases": consents.leases,
    }


def release_handlers(releases: FakeReleases) -> Handlers:
    return {
        "CreateRelease": releases.create,
        "GetRelease": releases.get,
        "ListReleases": releases.list,
        "RequestArtifactKey": releases.request_key,
        "AnchorDeviceAudit": releases.anchor,
    }


def permission_handlers(
    state: State, events: FakeEvents, artifacts: FakeArtifacts, consents: FakeConsents, removals: FakeRemovals
) -> Handlers:
    """What is told to devices and other servers, beside revocations."""
    return {
        "SetArtifactStatus": artifacts.set_status,
        "SetMinimumVersion": artifacts.set_minimum,
        "ListArtifactStatuses": artifacts.list,
        **event_handlers(events),
        **ssf_handlers(FakeSsf(state)),
        **consent_handlers(consents),
        **removal_handlers(removals),
    }


def policy_handlers(policies: FakePolicies) -> Handlers:
    return {
        "SetPolicy": policies.set,
        "GetPolicy": policies.get,
        "ListPolicies": policies.list,
        "DryRunPolicy": policies.dry_run,
        "ActivatePolicy": policies.activate,
    }


def attestation_handlers(state: State, keys: FakeKeys, approvals: FakeApprovals, devices: FakeDevices) -> Handlers:
    """Devices, and what they are judged by."""
    return {
        **device_handlers(devices),
        **policy_handlers(FakePolicies(state, keys, approvals, devices)),
        **collateral_handlers(FakeCollateral(state, approvals)),
    }


def collateral_handlers(collateral: FakeCollateral) -> Handlers:
    return {
        "PutCollateral": collateral.put,
        "ListCollateral": collateral.list,
        "RemoveCollateral": collateral.remove,
        "AddAnchor": collateral.add_anchor,
        "GetAnchor": collateral.get_anchor,
        "ListAnchors": collateral.list_anchors,
        "RemoveAnchor": collateral.remove_anchor,
    }


def device_handlers(devices: FakeDevices) -> Handlers:
    return {
        "CreateChallenge": devices.create_challenge,
        "AttestDevice": devices.attest,
        "GetDevice": devices.get,
        "ListDevices": devices.list,
        "GetVerdict": devices.get_verdict,
        "ReplayVerdict": devices.replay,
    }


def people_handlers(approvals: FakeApprovals, envelopes: FakeEnvelopes, transfer: FakeTransfer) -> Handlers:
    return {
        "GetWrappingKey": transfer.get_wrapping_key,
        "ImportKey": transfer.import_key,
        "ExportKey": transfer.export_key,
        "GetEnvelopeKey": envelopes.get_key,
        "OpenEnvelope": envelopes.open,
        "OpenEnvelopes": envelopes.open_many,
        "GenerateDataKey": envelopes.generate_data_key,
        "ShredEpoch": envelopes.shred,
        "CreateProposal": approvals.create,
        "GetProposal": approvals.get,
        "ListProposals": approvals.list,
        "ApproveProposal": approvals.approve,
        "RejectProposal": approvals.reject,
    }
