"""ConsentService on the wire."""

from dataclasses import dataclass
from datetime import timedelta

from hallmark.v1 import consent_pb2, consent_pb2_grpc
from kms.consent import lease_store, requests, store, terms, wire
from kms.consent.acquiring import LeaseService, Wanted
from kms.consent.pseudonyms import Pseudonyms
from kms.consent.service import ConsentService
from kms.consent.withdrawing import WithdrawalService
from kms.core.call import Call
from kms.core.errors import InvalidArgument, PermissionDenied, Reason, not_found
from kms.core.idempotency import RequestKey
from kms.core.identity import Role, device_of
from kms.core.names import ChildName
from kms.keys.paging import page_size, page_token, read_page_token
from kms.log.wire import wants_published


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentServicer(consent_pb2_grpc.ConsentServiceServicer):
    """`removal_default`: the promise of a consent that names none."""

    consents: ConsentService
    withdrawals: WithdrawalService
    leases: LeaseService
    removal_default: timedelta

    async def GrantConsent(self, request: consent_pb2.GrantConsentRequest, call: Call) -> consent_pb2.ConsentResponse:
        outcome = await self.consents.grant(
            requests.grant_from_wire(request, call, self.removal_default),
            request=RequestKey.of_message(call.caller, call.method, request, without=["subject"]),
            transaction_id=call.id,
            now=call.now,
            published=wants_published(request.log_wait),
        )
        return wire.response_to_wire(outcome, call.now)

    async def RenewConsent(self, request: consent_pb2.RenewConsentRequest, call: Call) -> consent_pb2.ConsentResponse:
        outcome = await self.consents.renew(
            requests.own_child(request.name, "consents", call),
            requests.validity_from_wire(request),
            request=RequestKey.of_message(call.caller, call.method, request),
            transaction_id=call.id,
            now=call.now,
            published=wants_published(request.log_wait),
        )
        return wire.response_to_wire(outcome, call.now)

    async def WithdrawConsent(
        self, request: consent_pb2.WithdrawConsentRequest, call: Call
    ) -> consent_pb2.WithdrawConsentResponse:
        outcome = await self.withdrawals.withdraw(
            requests.own_child(request.name, "consents", call),
            terms.check_text(request.reason, "reason"),
            request=RequestKey.of_message(call.caller, call.method, request),
            transaction_id=call.id,
            now=call.now,
            published=wants_published(request.log_wait),
        )
        return wire.withdrawal_to_wire(outcome, call.now)

    async def GetConsent(self, request: consent_pb2.GetConsentRequest, call: Call) -> consent_pb2.Consent:
        name = requests.own_child(request.name, "consents", call)
        return wire.consent_to_wire(await self.consents.get(name), call.now)

    async def ListConsents(
        self, request: consent_pb2.ListConsentsRequest, call: Call
    ) -> consent_pb2.ListConsentsResponse:
        tenant, size = requests.own_tenant(request.parent, call), page_size(request.page_size)
        filters = store.Filters(
            pii_principal_id=_person(request, tenant, self.consents.pseudonyms),
            state=requests.state_from_wire(request.state),
            device=requests.own_child(request.device, "devices", call, "device") if request.device else None,
        )
        after = read_page_token(request.page_token)
        found = await self.consents.list(tenant, filters, now=call.now, after=after, limit=size + 1)
        return consent_pb2.ListConsentsResponse(
            consents=[wire.consent_to_wire(consent, call.now) for consent in found[:size]],
            next_page_token=page_token(found[size - 1].name.id) if len(found) > size else "",
        )

    async def GetConsentReceipt(
        self, request: consent_pb2.GetConsentReceiptRequest, call: Call
    ) -> consent_pb2.ConsentReceipt:
        consent, receipt, promise = await self.consents.receipt(requests.own_child(request.name, "consents", call))
        return wire.receipt_to_wire(consent, receipt, promise, call.now)

    async def AcquireLease(self, request: consent_pb2.AcquireLeaseRequest, call: Call) -> consent_pb2.Lease:
        wanted = Wanted(
            consent=requests.own_child(request.consent, "consents", call, "consent"),
            artifact=requests.own_artifact(request.artifact, call),
            device=_holder(request, call),
            for_itself=call.caller.role is Role.DEVICE,
        )
        key = RequestKey.of_message(call.caller, call.method, request)
        lease = await self.leases.acquire(wanted, request=key, now=call.now)
        return wire.lease_to_wire(lease, self.leases.giving.issuer.status_uri, call.now)

    async def ListLeases(self, request: consent_pb2.ListLeasesRequest, call: Call) -> consent_pb2.ListLeasesResponse:
        tenant, size = requests.own_tenant(request.parent, call), page_size(request.page_size)
        filters = lease_store.Filters(
            consent=requests.own_child(request.consent, "consents", call, "consent") if request.consent else None,
            device=requests.own_child(request.device, "devices", call, "device") if request.device else None,
        )
        after = read_page_token(request.page_token)
        found = await self.leases.list(tenant, filters, after=after, limit=size + 1)
        status_uri = self.leases.giving.issuer.status_uri
        return consent_pb2.ListLeasesResponse(
            leases=[wire.lease_to_wire(lease, status_uri, call.now) for lease in found[:size]],
            next_page_token=page_token(found[size - 1].name.id) if len(found) > size else "",
        )


def _person(request: consent_pb2.ListConsentsRequest, tenant: str, pseudonyms: Pseudonyms) -> str:
    """Whose consents; empty for everybody's. A pseudonym is of one person with one controller."""
    if bool(request.subject) != bool(request.controller):
        raise InvalidArgument(
            Reason.FIELD_INVALID,
            "subject and controller go together: a person has another pseudonym with each controller",
            field="controller" if request.subject else "subject",
        )
    if not request.subject:
        return ""
    subject, controller = terms.check_subject(request.subject), terms.check_controller(request.controller)
    return pseudonyms.of(tenant, controller, subject)


def _holder(request: consent_pb2.AcquireLeaseRequest, call: Call) -> ChildName:
    """A device asks for itself, everybody else names it."""
    if call.caller.role is not Role.DEVICE:
        return requests.own_child(request.device, "devices", call, "device")
    device = device_of(call.caller)
    if device is None:
        raise PermissionDenied(
            Reason.ROLE_NOT_ALLOWED, "leases are for attested devices: use the certificate that attesting gave"
        )
    if request.device and request.device != str(device):
        raise not_found(request.device)
    return device
