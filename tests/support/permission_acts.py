"""Callers that give permission and take it back: consents, leases, artifacts, devices."""

import hashlib
import random
import time
import uuid
from datetime import timedelta
from typing import Final

from hallmark_client import Client, FailedPrecondition, LeaseTerms
from support.kill_act import Act, fresh_id
from support.kill_book import Answered, Ask, Caller
from support.permission_book import GivenConsent, PermissionBook
from support.permission_phones import PARENT, LivePhone

REMOVAL_TIME: Final = timedelta(minutes=10)
LEASE_TIME: Final = timedelta(seconds=60)
CONTROLLER: Final = "https://bank.example"
_HEARD_SECONDS: Final = 60.0


class PermissionAct(Act):
    """Knows the phones."""

    book: PermissionBook

    def __init__(self, caller: Caller, randomness: random.Random, phones: list[LivePhone]) -> None:
        super().__init__(caller, randomness)
        self.phones = phones

    def grant(self, devices: tuple[str, ...]) -> GivenConsent:
        request_id, subject = fresh_id(), fresh_id()
        artifacts = tuple(_artifact() for _ in range(self.randomness.randint(1, 2)))

        def make(client: Client) -> Answered:
            change = client.consents.grant(
                subject,
                controller=CONTROLLER,
                purposes=["dpv:FraudPreventionAndDetection"],
                artifacts=artifacts,
                devices=devices,
                removal_time=REMOVAL_TIME,
                lease_terms=LeaseTerms(duration=LEASE_TIME),
                request_id=request_id,
            )
            return Answered((change.consent.name, change.consent.pii_principal_id), change.log.leaf_hash)

        (name, _) = self.do(Ask("consent", request_id, subject, make, self.role)).facts
        consent = GivenConsent(str(name), artifacts, devices)
        with self.book.lock:
            self.book.consents[consent.name] = consent
        return consent

    def revoke(self, subject: str, reason: str) -> None:
        request_id = fresh_id()

        def make(client: Client) -> Answered:
            event = client.revocations.revoke(subject, reason, request_id=request_id)
            return Answered((event.name, event.payload), event.log.leaf_hash)

        self.do(Ask("revocation", request_id, subject, make))


class GivesConsents(PermissionAct):
    """Grants to some phones or to whoever asks, renews, and withdraws."""

    role = "backend"
    pause_seconds = 0.15

    def __init__(self, caller: Caller, randomness: random.Random, phones: list[LivePhone]) -> None:
        super().__init__(caller, randomness, phones)
        self.mine: list[GivenConsent] = []

    def once(self) -> None:
        if self.asks_again():
            return
        mine = [each for each in self.mine if not each.is_ending]
        kind = self.randomness.random()
        if len(mine) < 3 or kind < 0.4:
            count = self.randomness.randint(0, len(self.phones))
            devices = tuple(phone.name for phone in self.randomness.sample(self.phones, count))
            self.mine.append(self.grant(devices))
        elif kind < 0.6:
            self._renew(self.randomness.choice(mine))
        else:
            self._withdraw(self.randomness.choice(mine))

    def _renew(self, consent: GivenConsent) -> None:
        request_id = fresh_id()

        def make(client: Client) -> Answered:
            change = client.consents.renew(consent.name, validity=timedelta(days=400), request_id=request_id)
            return Answered((change.consent.name,), change.log.leaf_hash)

        self.do(Ask("renewal", request_id, consent.name, make, self.role))
        with self.book.lock:
            consent.state, consent.revision = "RENEWED", consent.revision + 1

    def _withdraw(self, consent: GivenConsent) -> None:
        request_id, consent.is_ending = fresh_id(), True

        def make(client: Client) -> Answered:
            done = client.consents.withdraw(consent.name, reason="no more", request_id=request_id)
            return Answered((done.consent.name, done.deadline, tuple(sorted(done.removals))), done.log.leaf_hash)

        removals = self.do(Ask("withdrawal", request_id, consent.name, make, self.role)).facts[2]
        assert isinstance(removals, tuple)
        with self.book.lock:
            consent.state, consent.revision, consent.removals = "WITHDRAWN", consent.revision + 1, removals


class AcquiresLeases(PermissionAct):
    """A phone, with its own certificate, for consents that name no device or name it."""

    role = "device"
    pause_seconds = 0.3

    def once(self) -> None:
        (phone,) = self.phones
        open_to_it = [each for each in self.book.given() if not each.devices or phone.name in each.devices]
        if not open_to_it or self.asks_again():
            return
        consent = self.randomness.choice(open_to_it)
        self._acquire(phone, consent, self.randomness.choice(consent.artifacts))

    def _acquire(self, phone: LivePhone, consent: GivenConsent, artifact: str) -> None:
        request_id = fresh_id()

        def make(client: Client) -> Answered:
            lease = client.consents.acquire_lease(consent.name, artifact, request_id=request_id)
            return Answered((lease.name, lease.consent, lease.device, lease.artifact), b"")

        ask = Ask("lease", request_id, consent.name, make, self.role)
        refusals: list[str] = []

        def attempt(client: Client) -> Answered | None:
            try:
                return make(client)
            except FailedPrecondition as refusal:
                refusals[:] = [str(refusal)]
                return None

        answered = self.caller.until_answered(attempt, what=f"lease of {consent.name}")
        with self.book.lock:
            excused = consent.is_ending or artifact in self.book.touched
        if answered is not None:
            self.book.note(ask, answered)
            self.own.append(ask)
            with self.book.lock:
                self.book.leases[consent.name, phone.name, artifact] = str(answered.facts[0])
        elif not excused:
            self.book.find(f"no lease of {consent.name}, which holds: {refusals}")


class ChangesArtifacts(PermissionAct):
    """Suspends, resumes and revokes what consents let phones hold."""

    pause_seconds = 0.3

    def once(self) -> None:
        if self.asks_again():
            return
        with self.book.lock:
            suspended = sorted(name for name, (state, _) in self.book.artifacts.items() if state == "SUSPENDED")
            known = set(self.book.artifacts)
        fresh = sorted({artifact for each in self.book.given() for artifact in each.artifacts} - known)
        if suspended and (len(suspended) > 2 or self.randomness.random() < 0.5):
            artifact = self.randomness.choice(suspended)
            self._set(artifact, "REVOKED" if self.randomness.random() < 0.3 else "VALID")
        elif fresh:
            self._set(self.randomness.choice(fresh), "SUSPENDED")

    def _set(self, artifact: str, state: str) -> None:
        with self.book.lock:
            self.book.touched.add(artifact)
            revision = self.book.artifacts.get(artifact, ("VALID", 0))[1] + 1
        if state == "REVOKED":
            self.revoke(artifact, "POLICY_VIOLATION")
        else:
            request_id = fresh_id()

            def make(client: Client) -> Answered:
                change = client.artifacts.resume if state == "VALID" else client.artifacts.suspend
                done = change(artifact, request_id=request_id)
                return Answered((done.status.name, str(done.status.state), done.status.revision), done.log.leaf_hash)

            self.do(Ask(f"artifact {state.lower()}", request_id, artifact, make))
        with self.book.lock:
            self.book.artifacts[artifact] = (state, revision)


class RevokesDevices(PermissionAct):
    """Each of the doomed phones gets leases first, and hears of them."""

    pause_seconds = 2.0

    def once(self) -> None:
        if not self.phones:
            return
        phone = self.phones.pop()
        consent = self.grant((phone.name,))
        with self.book.lock:
            consent.is_ending = True  # nobody else takes it back
        until = time.monotonic() + _HEARD_SECONDS
        while consent.name not in phone.memory.allowed:
            if time.monotonic() > until:
                self.book.find(f"{phone.name} did not hear of {consent.name}")
                return
            time.sleep(0.2)
        self.revoke(phone.name, "DEVICE_LOST")
        with self.book.lock:
            self.book.revoked_devices.add(phone.name)


def _artifact() -> str:
    return f"{PARENT}/artifacts/{hashlib.sha256(uuid.uuid4().bytes).hexdigest()}"
