"""client.consents: record what people consented to, take it back, and see what devices may hold because of it."""

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import TypeVar

from hallmark.v1 import consent_pb2, keys_pb2
from hallmark_client import permission_rpc, rpc
from hallmark_client.calls import Calls
from hallmark_client.model.consents import (
    SIGNING_KEY,
    ArtifactKind,
    Consent,
    ConsentArtifact,
    ConsentChange,
    ConsentReceipt,
    ConsentState,
    Lease,
    LeaseTerms,
    Withdrawal,
)
from hallmark_client.model.enums import LogWait
from hallmark_client.model.signed import TrustedKeys
from hallmark_client.wire import consents as wire
from hallmark_client.wire.keys import public_key_of
from hallmark_client.wire.scalars import log_wait_argument

_Item = TypeVar("_Item")


class Consents:
    """Reached as `client.consents`. Names may be short: a consent's or device's id, an artifact's SHA-256.

    change = client.consents.grant(
        "alice", controller="https://bank.example", purposes=["dpv:IdentityVerification"], artifacts=[sha256]
    )
    Path("receipt.html").write_text(client.consents.receipt(change.consent.name).html)
    client.consents.withdraw(change.consent.name)
    """

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def grant(
        self,
        subject: str,
        *,
        controller: str,
        purposes: Sequence[str],
        artifacts: Sequence[ConsentArtifact | str],
        devices: Sequence[str] = (),
        lawful_basis: str = "",
        validity: timedelta | None = None,
        removal_time: timedelta | None = None,
        lease_terms: LeaseTerms | None = None,
        withdrawal_method: str = "",
        storage_locations: Sequence[str] = (),
        request_id: str | None = None,
        wait: LogWait = "committed",
    ) -> ConsentChange:
        """Record a consent, and give leases to its devices. Lengths of time in whole seconds.

        subject: who consents, 1 to 256 bytes: made into a pseudonym for this controller, and kept nowhere. purposes:
        DPV terms such as "dpv:ServiceProvision", or IRIs. validity: default one year. removal_time: the promise, 1
        minute to 30 days, default 24 h. Raises InvalidArgument, NotFound, FailedPrecondition (DEVICE_REVOKED).
        """
        request = consent_pb2.GrantConsentRequest(
            parent=self._calls.names.parent,
            subject=subject,
            controller=controller,
            purposes=purposes,
            lawful_basis=lawful_basis,
            artifacts=[self._artifact(each) for each in artifacts],
            devices=[self._calls.names.device(each) for each in devices],
            withdrawal_method=withdrawal_method,
            storage_locations=storage_locations,
            request_id=self._calls.request_id(request_id),
            log_wait=log_wait_argument(wait),
        )
        wire.set_lengths(request, validity=validity, removal_time=removal_time, lease_terms=lease_terms)
        return self._calls(permission_rpc.GRANT_CONSENT, request, wire.change_of)

    def renew(
        self,
        name: str,
        *,
        validity: timedelta | None = None,
        request_id: str | None = None,
        wait: LogWait = "committed",
    ) -> ConsentChange:
        """Let it hold for longer; validity counts from now, default one year. Raises NotFound, FailedPrecondition
        (STATE_TRANSITION_INVALID: it has ended), InvalidArgument when it would end earlier than before.
        """
        request = consent_pb2.RenewConsentRequest(
            name=self._name(name, "consents"),
            request_id=self._calls.request_id(request_id),
            log_wait=log_wait_argument(wait),
        )
        wire.set_span(request, "validity_duration", validity)
        return self._calls(permission_rpc.RENEW_CONSENT, request, wire.change_of)

    def withdraw(
        self, name: str, *, reason: str = "", request_id: str | None = None, wait: LogWait = "committed"
    ) -> Withdrawal:
        """Take it back for the person, for ever. Withdrawing again answers with the first withdrawal.

        reason: in words, nothing personal. Raises NotFound, FailedPrecondition (it ended in another way).
        """
        request = consent_pb2.WithdrawConsentRequest(
            name=self._name(name, "consents"),
            reason=reason,
            request_id=self._calls.request_id(request_id),
            log_wait=log_wait_argument(wait),
        )
        return self._calls(permission_rpc.WITHDRAW_CONSENT, request, wire.withdrawal_of)

    def get(self, name: str) -> Consent:
        """Raises NotFound."""
        request = consent_pb2.GetConsentRequest(name=self._name(name, "consents"))
        return self._calls(permission_rpc.GET_CONSENT, request, wire.consent_of)

    def list(
        self,
        *,
        subject: str = "",
        controller: str = "",
        state: ConsentState | str | None = None,
        device: str = "",
        page_size: int = 0,
    ) -> Iterator[Consent]:
        """Oldest first, fetched page by page; only those of a person with a controller (give both), in a state, given
        to a device.
        """
        request = consent_pb2.ListConsentsRequest(
            parent=self._calls.names.parent,
            page_size=page_size,
            subject=subject,
            controller=controller,
            state=None if state is None else wire.state_argument(state),
            device=self._calls.names.device_or_none(device),
        )

        def page(token: str) -> tuple[Sequence[Consent], str]:
            request.page_token = token
            return self._calls(permission_rpc.LIST_CONSENTS, request, wire.consents_of)

        return _all(page)

    def receipt(self, name: str) -> ConsentReceipt:
        """The newest signed receipt, as JSON and as a page for people. Raises NotFound."""
        request = consent_pb2.GetConsentReceiptRequest(name=self._name(name, "consents"))
        return self._calls(permission_rpc.GET_CONSENT_RECEIPT, request, wire.receipt_of)

    def acquire_lease(self, consent: str, artifact: str, *, device: str = "", request_id: str | None = None) -> Lease:
        """What the device may hold, and until when. A device asks for itself; others name it.

        It learns of the lease by its own feed. Raises NotFound, InvalidArgument, FailedPrecondition
        (VERDICT_REFUSED, DEVICE_REVOKED, STATE_TRANSITION_INVALID).
        """
        request = consent_pb2.AcquireLeaseRequest(
            consent=self._name(consent, "consents"),
            artifact=self._name(artifact, "artifacts"),
            device=self._calls.names.device_or_none(device),
            request_id=self._calls.request_id(request_id),
        )
        return self._calls(permission_rpc.ACQUIRE_LEASE, request, wire.lease_of)

    def leases(self, *, consent: str = "", device: str = "", page_size: int = 0) -> Iterator[Lease]:
        """Oldest first, fetched page by page; only those of a consent, of a device."""
        request = consent_pb2.ListLeasesRequest(
            parent=self._calls.names.parent,
            page_size=page_size,
            consent=self._name(consent, "consents") if consent else "",
            device=self._calls.names.device_or_none(device),
        )

        def page(token: str) -> tuple[Sequence[Lease], str]:
            request.page_token = token
            return self._calls(permission_rpc.LIST_LEASES, request, wire.leases_of)

        return _all(page)

    def service_keys(self) -> TrustedKeys:
        """The key that signs receipts now, as this connection tells it, for `ConsentReceipt.verify`."""
        request = keys_pb2.GetPublicKeyRequest(name=SIGNING_KEY)
        key = self._calls(rpc.GET_PUBLIC_KEY, request, public_key_of)
        return {key.name: key.composite()}

    def _artifact(self, given: ConsentArtifact | str) -> consent_pb2.ConsentArtifact:
        found = ConsentArtifact(artifact=given) if isinstance(given, str) else given
        return consent_pb2.ConsentArtifact(
            artifact=self._name(found.artifact, "artifacts"),
            kind=wire.number_argument(ArtifactKind, found.kind, "kind"),
        )

    def _name(self, name: str, collection: str) -> str:
        """A whole resource name of a short one."""
        if name.startswith("tenants/"):
            return name
        return f"{self._calls.names.parent}/{collection}/{name.removeprefix(collection + '/')}"


def _all(page: Callable[[str], tuple[Sequence[_Item], str]]) -> Iterator[_Item]:
    token = ""
    while True:
        items, token = page(token)
        yield from items
        if not token:
            return
