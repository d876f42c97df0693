"""The device's connection: its certificate, the client that shows it, and its renewal in time.

The certificate is renewed at about two thirds of its life, by giving evidence again. While it holds, the device asks by
itself; when it is over, with the identity that it was enrolled with.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from hallmark_client.client import Client
from hallmark_client.device.errors import ArtifactUnknown
from hallmark_client.errors import PermissionDenied, TransportRefused, Unauthenticated
from hallmark_client.profile import Profile
from hallmark_client.system import System
from hallmark_events.canonical import canonical_json

from .attester import Attester, DeviceKey
from .errors import EnrolmentRefused, LifeStoreFailed, NotEnrolled
from .keys import Secrets
from .model import Registration
from .registration import attest, registration_from_json, registration_of, registration_to_json
from .signing_profile import device_profile
from .store import LifeStore
from .trust import Trust

REGISTRATION: Final = "registration"
_RENEW_AT: Final = 0.62
_RENEW_SPREAD: Final = 0.1
"""Of its life: a fleet that was enrolled in one hour does not come back in one minute."""
_REST: Final = 0.25
_TURNED_AWAY: Final = (TransportRefused, Unauthenticated, PermissionDenied)


@dataclass(slots=True, kw_only=True)
class Link:
    """connect: makes clients. now: trusted time. Renewals come from one thread; `client` is for any."""

    store: LifeStore
    secrets: Secrets
    registration: Registration
    trust: Trust
    key: DeviceKey
    hpke_public: bytes
    attester: Attester
    bootstrap: Profile | None
    connect: Callable[[Profile], Client]
    system: System
    now: Callable[[], datetime]
    client: Client = field(init=False)
    _before: Client | None = None
    _renew_at: datetime = field(init=False)
    _rests_until: float = 0.0

    def __post_init__(self) -> None:
        self.client = self._connected()
        self._renew_at = self._chosen()

    def due_in(self) -> timedelta:
        """Until the certificate is to be renewed; not above zero when it is time.

        Never soon after the last renewal: a device whose clock is a year ahead would ask all the time.
        """
        rest = max(0.0, self._rests_until - self.system.monotonic())
        return max(self._renew_at - self.now(), timedelta(seconds=rest)) if rest else self._renew_at - self.now()

    def renew(self) -> None:
        """A new certificate, over the device's own connection or, where that is refused, over the first one.

        Raises EnrolmentRefused, HallmarkError, RootFailed; then the one before stays.
        """
        try:
            self._attest(self.client)
        except EnrolmentRefused:
            raise
        except _TURNED_AWAY:
            if self.bootstrap is None:
                raise
            with self.connect(self.bootstrap) as first:
                self._attest(first)

    def close(self) -> None:
        for client in (self._before, self.client):
            if client is not None:
                client.close()

    def _attest(self, client: Client) -> None:
        keys = self.trust.keys(client)
        answer = attest(client, self.attester, self.key, hpke_public=self.hpke_public, trusted_keys=keys)
        before = self.registration
        own = device_profile(before, self.key)
        made = registration_of(answer, own, key=self.key, place=before.key_place, purpose=self.attester.purpose)
        if made.device != before.device:
            raise EnrolmentRefused("ANSWER_INVALID", f"this is {before.device}, and was named {made.device}")
        keep_registration(self.store, self.secrets, made)
        self.registration = made
        self._renew_at = self._chosen()
        life = made.expire_time - made.issue_time
        self._rests_until = self.system.monotonic() + _REST * life.total_seconds()
        if self._before is not None:
            self._before.close()
        # Calls that are on their way over the one before come to their end.
        self._before, self.client = self.client, self._connected()

    def _connected(self) -> Client:
        return self.connect(device_profile(self.registration, self.key))

    def _chosen(self) -> datetime:
        life = self.registration.expire_time - self.registration.issue_time
        return self.registration.issue_time + life * (_RENEW_AT + _RENEW_SPREAD * self.system.jitter())


def keep_registration(store: LifeStore, secrets: Secrets, registration: Registration) -> None:
    """In the vault, where nobody edits it unnoticed; and in life.db, for what is asked before the vault is open."""
    value = registration_to_json(registration)
    secrets.keep_secret(REGISTRATION, canonical_json(value))
    store.keep_fact(REGISTRATION, value)


def told_registration(store: LifeStore) -> Registration | None:
    """What life.db says: whoever can write to the folder can write there. Raises LifeStoreFailed."""
    found = store.fact(REGISTRATION)
    try:
        return None if found is None else registration_from_json(found)
    except (ValueError, TypeError, LookupError) as error:
        raise LifeStoreFailed("LIFE_STORE", f"life.db is damaged ({error!r}): put it back, or enrol again") from error


def kept_registration(secrets: Secrets) -> Registration:
    """Where and whom this device asks, as it was kept. Raises NotEnrolled."""
    try:
        return registration_from_json(json.loads(secrets.secret(REGISTRATION)))
    except ArtifactUnknown:
        raise NotEnrolled("NOT_ENROLLED", "this vault was never enrolled; begin with Device.enrol") from None
