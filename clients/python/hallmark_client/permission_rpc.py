"""The wire calls that give permission and take it back, as in hallmark_client.rpc."""

from typing import Any, Final

from hallmark.v1 import artifacts_pb2 as artifacts
from hallmark.v1 import consent_pb2 as consent
from hallmark.v1 import events_pb2 as events
from hallmark.v1 import removal_pb2 as removal
from hallmark.v1 import ssf_pb2 as ssf
from hallmark_client.rpc_type import Rpc

_EVENTS = "/hallmark.v1.EventService/"
_ARTIFACTS = "/hallmark.v1.ArtifactService/"
_CONSENT = "/hallmark.v1.ConsentService/"
_REMOVAL = "/hallmark.v1.RemovalService/"
_SSF = "/hallmark.v1.SsfService/"

WATCH_EVENTS: Final = Rpc(
    f"{_EVENTS}WatchEvents", events.WatchEventsRequest, events.WatchEventsResponse, streaming=True
)
POLL_EVENTS: Final = Rpc(f"{_EVENTS}PollEvents", events.PollEventsRequest, events.PollEventsResponse)
ACKNOWLEDGE_EVENTS: Final = Rpc(
    f"{_EVENTS}AcknowledgeEvents", events.AcknowledgeEventsRequest, events.AcknowledgeEventsResponse
)

SET_ARTIFACT_STATUS: Final = Rpc(
    f"{_ARTIFACTS}SetArtifactStatus", artifacts.SetArtifactStatusRequest, artifacts.ArtifactStatusResponse
)
SET_MINIMUM_VERSION: Final = Rpc(
    f"{_ARTIFACTS}SetMinimumVersion", artifacts.SetMinimumVersionRequest, artifacts.ArtifactStatusResponse
)
LIST_ARTIFACT_STATUSES: Final = Rpc(
    f"{_ARTIFACTS}ListArtifactStatuses", artifacts.ListArtifactStatusesRequest, artifacts.ListArtifactStatusesResponse
)

GRANT_CONSENT: Final = Rpc(f"{_CONSENT}GrantConsent", consent.GrantConsentRequest, consent.ConsentResponse)
RENEW_CONSENT: Final = Rpc(f"{_CONSENT}RenewConsent", consent.RenewConsentRequest, consent.ConsentResponse)
WITHDRAW_CONSENT: Final = Rpc(
    f"{_CONSENT}WithdrawConsent", consent.WithdrawConsentRequest, consent.WithdrawConsentResponse
)
GET_CONSENT: Final = Rpc(f"{_CONSENT}GetConsent", consent.GetConsentRequest, consent.Consent)
LIST_CONSENTS: Final = Rpc(f"{_CONSENT}ListConsents", consent.ListConsentsRequest, consent.ListConsentsResponse)
GET_CONSENT_RECEIPT: Final = Rpc(
    f"{_CONSENT}GetConsentReceipt", consent.GetConsentReceiptRequest, consent.ConsentReceipt
)
ACQUIRE_LEASE: Final = Rpc(f"{_CONSENT}AcquireLease", consent.AcquireLeaseRequest, consent.Lease)
LIST_LEASES: Final = Rpc(f"{_CONSENT}ListLeases", consent.ListLeasesRequest, consent.ListLeasesResponse)

REQUEST_DELETION: Final = Rpc(f"{_REMOVAL}RequestDeletion", removal.RequestDeletionRequest, removal.Removal)
SUBMIT_DELETION_RECEIPT: Final = Rpc(
    f"{_REMOVAL}SubmitDeletionReceipt", removal.SubmitDeletionReceiptRequest, removal.DeletionReceiptResponse
)
GET_REMOVAL: Final = Rpc(f"{_REMOVAL}GetRemoval", removal.GetRemovalRequest, removal.Removal)
LIST_REMOVALS: Final = Rpc(f"{_REMOVAL}ListRemovals", removal.ListRemovalsRequest, removal.ListRemovalsResponse)
GET_REMOVAL_REPORT: Final = Rpc(f"{_REMOVAL}GetRemovalReport", removal.GetRemovalReportRequest, removal.RemovalReport)

CREATE_SSF_RECEIVER: Final = Rpc(
    f"{_SSF}CreateSsfReceiver", ssf.CreateSsfReceiverRequest, ssf.CreateSsfReceiverResponse
)
LIST_SSF_RECEIVERS: Final = Rpc(f"{_SSF}ListSsfReceivers", ssf.ListSsfReceiversRequest, ssf.ListSsfReceiversResponse)
DELETE_SSF_RECEIVER: Final = Rpc(f"{_SSF}DeleteSsfReceiver", ssf.DeleteSsfReceiverRequest, ssf.SsfReceiver)

PERMISSION_RPCS: Final[tuple[Rpc[Any, Any], ...]] = (
    WATCH_EVENTS,
    POLL_EVENTS,
    ACKNOWLEDGE_EVENTS,
    SET_ARTIFACT_STATUS,
    SET_MINIMUM_VERSION,
    LIST_ARTIFACT_STATUSES,
    GRANT_CONSENT,
    RENEW_CONSENT,
    WITHDRAW_CONSENT,
    GET_CONSENT,
    LIST_CONSENTS,
    GET_CONSENT_RECEIPT,
    ACQUIRE_LEASE,
    LIST_LEASES,
    REQUEST_DELETION,
    SUBMIT_DELETION_RECEIPT,
    GET_REMOVAL,
    LIST_REMOVALS,
    GET_REMOVAL_REPORT,
    CREATE_SSF_RECEIVER,
    LIST_SSF_RECEIVERS,
    DELETE_SSF_RECEIVER,
)
