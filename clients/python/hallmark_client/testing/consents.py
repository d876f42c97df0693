"""Consents and leases of the fake, by the rules of the service. Its feeds do not tell of them."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from hallmark.v1 import common_pb2, consent_pb2, devices_pb2
from hallmark_client.errors import HallmarkError
from hallmark_client.model.consents import RECEIPT_CONTEXT
from hallmark_client.testing import consent_rules as rules
from hallmark_client.testing.refusals import invalid, not_found, precondition
from hallmark_client.testing.removals import FakeRemovals
from hallmark_client.testing.state import State

_SCHEMA: Final = "ISO/IEC TS 27560:2023"
_OPEN: Final = frozenset({consent_pb2.CONSENT_STATE_GIVEN, consent_pb2.CONSENT_STATE_RENEWED})
_EXPIRED: Final = consent_pb2.CONSENT_STATE_EXPIRED


@dataclass(slots=True)
class _Kept:
    """One consent; `receipt` is the newest, `ended` the answer to its withdrawal."""

    consent: consent_pb2.Consent
    receipt: consent_pb2.ConsentReceipt = field(default_factory=consent_pb2.ConsentReceipt)
    ended: consent_pb2.WithdrawConsentResponse | None = None
    leases: dict[tuple[str, str], consent_pb2.Lease] = field(default_factory=dict)


class FakeConsents:
    """The ConsentService. find_device raises NotFound for a device that is not enrolled; sign: payload and context, by
    the key of events. `caller`: the SPIFFE ID, or the role, of who calls.
    """

    def __init__(
        self,
        state: State,
        find_device: Callable[[str], devices_pb2.Device],
        sign: Callable[[bytes, str], common_pb2.ServiceSignature],
        removals: FakeRemovals,
    ) -> None:
        self._state = state
        self._find_device = find_device
        self._sign = sign
        self._removals = removals
        self._key = state.random_bytes(32)
        self._kept: dict[str, _Kept] = {}
        self._used = 0
        self.caller = ""

    def grant(self, request: consent_pb2.GrantConsentRequest) -> consent_pb2.ConsentResponse:
        rules.check_grant(self._state, request)
        now, removal = self._state.now(), rules.removal_of(request)
        consent = consent_pb2.Consent(
            name=f"{self._state.parent}/consents/{self._state.new_id()}",
            schema_version=_SCHEMA,
            pii_principal_id=self._pseudonym(request.controller, request.subject),
            controller=request.controller,
            purposes=request.purposes,
            lawful_basis=request.lawful_basis or "dpv:Consent",
            artifacts=[
                consent_pb2.ConsentArtifact(artifact=each.artifact, kind=each.kind or consent_pb2.ARTIFACT_KIND_OTHER)
                for each in request.artifacts
            ],
            devices=request.devices,
            state=consent_pb2.CONSENT_STATE_GIVEN,
            revision=1,
            removal_time=rules.span(removal),
            lease_terms=rules.terms_of(request.lease_terms, removal),
            withdrawal_method=request.withdrawal_method,
            storage_locations=request.storage_locations,
        )
        validity = rules.validity_of(request)
        for device in request.devices:
            self._check_device(device)
        consent.create_time.FromDatetime(now)
        kept = self._kept[consent.name] = _Kept(consent)
        answer = self._changed(kept, "consent.granted", now + validity, request.log_wait)
        pairs = [(device, each.artifact) for device in consent.devices for each in consent.artifacts]
        self._give(kept, [pair for pair in pairs if self._is_trusted(pair[0])])
        return answer

    def renew(self, request: consent_pb2.RenewConsentRequest) -> consent_pb2.ConsentResponse:
        kept = self._find(request.name)
        self._check_open(kept.consent)
        expire_time = self._state.now() + rules.validity_of(request)
        if expire_time < rules.moment(kept.consent.expire_time):
            raise invalid("validity_duration", "counts from now, and would end the consent earlier than before")
        kept.consent.state = consent_pb2.CONSENT_STATE_RENEWED
        kept.consent.revision += 1
        return self._changed(kept, "consent.renewed", expire_time, request.log_wait)

    def withdraw(self, request: consent_pb2.WithdrawConsentRequest) -> consent_pb2.WithdrawConsentResponse:
        kept = self._find(request.name)
        rules.check_text(request.reason, "reason")
        if kept.ended is not None:
            again = consent_pb2.WithdrawConsentResponse()
            again.CopyFrom(kept.ended)
            again.replayed = True
            return again
        self._check_open(kept.consent)
        now, consent = self._state.now(), kept.consent
        consent.state = consent_pb2.CONSENT_STATE_WITHDRAWN
        consent.revision += 1
        consent.end_reason = request.reason
        for stamp in (consent.update_time, consent.end_time):
            stamp.FromDatetime(now)
        deadline = now + consent.removal_time.ToTimedelta()
        for lease in kept.leases.values():
            lease.live = False
        kept.ended = consent_pb2.WithdrawConsentResponse(
            consent=consent,
            log=self._record("consent.ended", consent, request.log_wait),
            removals=[
                self._removals.ask(device, artifact, now, deadline, consent=consent.name).name
                for device, artifact in sorted(kept.leases)
            ],
        )
        kept.ended.deadline.FromDatetime(deadline)
        return kept.ended

    def get(self, request: consent_pb2.GetConsentRequest) -> consent_pb2.Consent:
        return self._shown(self._find(request.name).consent)

    def list(self, request: consent_pb2.ListConsentsRequest) -> consent_pb2.ListConsentsResponse:
        self._state.check_parent(request.parent)
        if bool(request.subject) != bool(request.controller):
            raise invalid("subject", "needs controller, and controller needs subject")
        person = self._pseudonym(request.controller, request.subject) if request.subject else ""
        found = [
            each
            for each in (self._shown(kept.consent) for kept in self._kept.values())
            if person in {"", each.pii_principal_id}
            and request.state in {0, each.state}
            and (not request.device or request.device in each.devices)
        ]
        page, token = rules.page(found, request.page_size, request.page_token)
        return consent_pb2.ListConsentsResponse(consents=page, next_page_token=token)

    def receipt(self, request: consent_pb2.GetConsentReceiptRequest) -> consent_pb2.ConsentReceipt:
        return self._find(request.name).receipt

    def acquire(self, request: consent_pb2.AcquireLeaseRequest) -> consent_pb2.Lease:
        kept = self._find(request.consent)
        rules.check_artifact(self._state, request.artifact)
        device = request.device or self._calling_device()
        consent = kept.consent
        if not request.device and consent.devices and device not in consent.devices:
            raise not_found(consent.name)
        self._check_open(consent)
        if request.artifact not in {each.artifact for each in consent.artifacts}:
            raise invalid("artifact", "is not one that the consent names")
        self._check_device(device)
        if not self._is_trusted(device):
            raise precondition("VERDICT_REFUSED", f"the newest verdict about {device} is a refusal")
        pair, now = (device, request.artifact), self._state.now()
        known = kept.leases.get(pair)
        if known is None or now >= rules.renewed_at(known):
            self._give(kept, [pair])
        return self._lease_shown(kept.leases[pair])

    def leases(self, request: consent_pb2.ListLeasesRequest) -> consent_pb2.ListLeasesResponse:
        self._state.check_parent(request.parent)
        found = sorted(
            (
                self._lease_shown(lease)
                for kept in self._kept.values()
                for lease in kept.leases.values()
                if request.consent in {"", lease.consent} and request.device in {"", lease.device}
            ),
            key=lambda lease: lease.name,
        )
        page, token = rules.page(found, request.page_size, request.page_token)
        return consent_pb2.ListLeasesResponse(leases=page, next_page_token=token)

    def _changed(self, kept: _Kept, kind: str, expire_time: datetime, wait: int) -> consent_pb2.ConsentResponse:
        consent = kept.consent
        consent.update_time.FromDatetime(self._state.now())
        consent.expire_time.FromDatetime(expire_time)
        log = self._record(kind, consent, wait)
        record = {"record_id": consent.name, "pii_principal_id": consent.pii_principal_id, "schema_version": _SCHEMA}
        payload = json.dumps({"record": record}, sort_keys=True, separators=(",", ":")).encode()
        kept.receipt = consent_pb2.ConsentReceipt(
            payload=payload,
            signature=self._sign(payload, RECEIPT_CONTEXT),
            log=log,
            html=f"<!doctype html><title>Consent</title><p>{consent.name}</p>",
        )
        return consent_pb2.ConsentResponse(consent=consent, log=log)

    def _give(self, kept: _Kept, pairs: Sequence[tuple[str, str]]) -> None:
        if not pairs:
            return
        now, consent = self._state.now(), kept.consent
        kinds = {each.artifact: each.kind for each in consent.artifacts}
        for device, artifact in pairs:
            lease = kept.leases.setdefault(
                (device, artifact), self._new_lease(consent, device, artifact, kinds[artifact])
            )
            lease.revision += 1
            lease.not_before.FromDatetime(now)
            until = min(now + consent.lease_terms.duration.ToTimedelta(), rules.moment(consent.expire_time))
            lease.expire_time.FromDatetime(until)
        details = {"tree_size": len(pairs)}
        self._state.record("leases.issued", f"{self._state.parent}/leases", details, wait=0)

    def _new_lease(
        self, consent: consent_pb2.Consent, device: str, artifact: str, kind: consent_pb2.ArtifactKind
    ) -> consent_pb2.Lease:
        terms, self._used = consent.lease_terms, self._used + 1
        uri = f"https://hallmark.example/status/{self._state.tenant}/lists/0.jwt"
        return consent_pb2.Lease(
            name=f"{self._state.parent}/leases/{self._state.new_id()}",
            consent=consent.name,
            device=device,
            artifact=artifact,
            kind=kind,
            max_staleness=rules.span(rules.staleness_of(terms, kind)),
            offline_grace=terms.offline_grace,
            on_silence=terms.on_silence,
            on_expiry=terms.on_expiry,
            status=consent_pb2.StatusReference(uri=uri, idx=self._used),
            live=True,
        )

    def _record(self, kind: str, consent: consent_pb2.Consent, wait: int) -> common_pb2.LogPromise:
        return self._state.record(kind, consent.name, {"revision": consent.revision}, wait=wait)

    def _find(self, name: str) -> _Kept:
        self._state.check_child_name(name, "consents")
        if name not in self._kept:
            raise not_found(name)
        return self._kept[name]

    def _shown(self, consent: consent_pb2.Consent) -> consent_pb2.Consent:
        """As it is now: time alone ends it."""
        shown = consent_pb2.Consent()
        shown.CopyFrom(consent)
        if consent.state in _OPEN and rules.moment(consent.expire_time) <= self._state.now():
            shown.state = _EXPIRED
            shown.end_time.CopyFrom(consent.expire_time)
        return shown

    def _lease_shown(self, lease: consent_pb2.Lease) -> consent_pb2.Lease:
        shown = consent_pb2.Lease()
        shown.CopyFrom(lease)
        shown.live = lease.live and self._state.now() < rules.moment(lease.expire_time)
        return shown

    def _check_open(self, consent: consent_pb2.Consent) -> None:
        if self._shown(consent).state not in _OPEN:
            raise _ended(consent.name)

    def _check_device(self, name: str) -> None:
        self._state.check_child_name(name, "devices")
        if self._find_device(name).state == devices_pb2.DEVICE_STATE_REVOKED:
            raise precondition("DEVICE_REVOKED", f"{name} was revoked")

    def _is_trusted(self, device: str) -> bool:
        return self._find_device(device).latest_verdict.appraised

    def _calling_device(self) -> str:
        return f"{self._state.parent}/devices/{self.caller.rpartition('/')[2]}"

    def _pseudonym(self, controller: str, subject: str) -> str:
        """Another one for each controller, as the service makes them."""
        told = json.dumps([self._state.tenant, controller, subject]).encode()
        return base64.urlsafe_b64encode(hmac.digest(self._key, told, hashlib.sha256)).decode().rstrip("=")


def _ended(name: str) -> HallmarkError:
    sentence = f"{name} has ended, and that is for ever; a new permission takes a new consent"
    return precondition("STATE_TRANSITION_INVALID", sentence)
