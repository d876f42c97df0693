from datetime import timedelta
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from hallmark_client.device.life.errors import EnrolmentRefused
from hallmark_client.device.life.keys import SoftwareKey
from hallmark_client.device.life.link import Link, keep_registration, kept_registration, told_registration
from hallmark_client.device.life.model import KeyPlace
from hallmark_client.device.life.registration import attest, registration_of
from hallmark_client.device.life.software import SoftwareAttester
from hallmark_client.device.life.store import LifeStore
from hallmark_client.errors import TransportRefused, Unavailable
from hallmark_client.model.enums import ChallengePurpose
from hallmark_client.profile import Profile
from hallmark_client.system import System
from unit.hallmark_client.device.life.conftest import Drawer
from unit.hallmark_client.device.life.service import AUTHORITY, LIFE, Registrar

KEY = SoftwareKey(ec.generate_private_key(ec.SECP256R1()))
PURPOSE = ChallengePurpose.SOFTWARE_SEALED


class Given:
    """A trust that was pinned."""

    def __init__(self, registrar: Registrar) -> None:
        self._registrar = registrar

    def keys(self, client):
        return self._registrar.keys


class Connection(SimpleNamespace):
    def __enter__(self):
        return self

    def __exit__(self, *error) -> None:
        self.close()


class Bench:
    """The service over two connections: the device's own, and the one that it was enrolled with."""

    def __init__(self, folder) -> None:
        self.own, self.first = Registrar(), Registrar()
        self.first.pair = self.own.pair
        self.connections: list[tuple[str, Connection]] = []
        self.closed: list[int] = []
        identity = AUTHORITY.client("backend")
        self.bootstrap = Profile(
            address="localhost:1", ca_pem=AUTHORITY.pem, cert_pem=identity.cert_pem, key_pem=identity.key_pem
        )
        answer = attest(self.first.client(), SoftwareAttester(), KEY, hpke_public=b"hpke", trusted_keys=self.first.keys)
        made = registration_of(answer, self.bootstrap, key=KEY, place=KeyPlace.VAULT, purpose=PURPOSE)
        self.store = LifeStore(folder)
        self.secrets = Drawer()
        keep_registration(self.store, self.secrets, made)
        self.now = self.own.now
        self.link = self.linked()

    def linked(self, bootstrap=True, jitter: float = 0.5) -> Link:
        return Link(
            store=self.store,
            secrets=self.secrets,
            registration=kept_registration(self.secrets),
            trust=Given(self.own),  # type: ignore[arg-type]
            key=KEY,
            hpke_public=b"hpke",
            attester=SoftwareAttester(),
            bootstrap=self.bootstrap if bootstrap else None,
            connect=self._connect,
            system=System(jitter=lambda: jitter),
            now=lambda: self.now,
        )

    def _connect(self, profile: Profile):
        which = "first" if profile.cert_pem == self.bootstrap.cert_pem else "own"
        number = len(self.connections)
        devices = self.first if which == "first" else self.own
        found = Connection(devices=devices, close=lambda: self.closed.append(number))
        self.connections.append((which, found))
        return found


@pytest.fixture
def bench(tmp_path):
    bench = Bench(tmp_path)
    yield bench
    bench.store.close()


@pytest.mark.parametrize("jitter", [0.0, 0.5, 0.999])
def test_due_at_about_two_thirds_of_its_life(bench, jitter) -> None:
    due = bench.linked(jitter=jitter).due_in()
    assert 0.6 * LIFE < due < 0.75 * LIFE


def test_renewed_over_the_devices_own_certificate(bench) -> None:
    before = bench.link.client
    bench.own.now = bench.now = bench.now + timedelta(hours=6)
    assert bench.link.due_in() < timedelta()
    bench.link.renew()
    assert bench.link.due_in() > timedelta(hours=4)
    assert [which for which, _ in bench.connections] == ["own", "own"]
    assert bench.link.client is not before
    assert bench.closed == [], "calls under way come to their end"
    bench.link.renew()
    assert bench.closed == [0]
    assert kept_registration(bench.secrets) == told_registration(bench.store) == bench.link.registration
    bench.link.close()
    assert sorted(bench.closed) == [0, 1, 2]


def test_a_clock_that_is_ahead_does_not_make_it_ask_all_the_time(bench) -> None:
    bench.now += timedelta(days=365)
    assert bench.link.due_in() < timedelta()
    bench.link.renew()
    assert timedelta(hours=1.9) < bench.link.due_in() <= timedelta(hours=2)


def test_a_certificate_that_is_over_is_renewed_by_the_first_identity(bench) -> None:
    bench.own.refusal = TransportRefused("TRANSPORT_REFUSED", "it has expired")
    bench.first.now = bench.own.now + timedelta(days=3)
    bench.link.renew()
    assert [which for which, _ in bench.connections] == ["own", "first", "own"]
    assert bench.link.registration.expire_time == bench.first.now + LIFE
    alone = bench.linked(bootstrap=False)
    with pytest.raises(TransportRefused):
        alone.renew()


@pytest.mark.parametrize("refusal", [Unavailable("UNREACHABLE", "nobody"), None])
def test_what_fails_leaves_the_one_before(bench, refusal) -> None:
    before = bench.link.registration
    bench.own.refusal, bench.own.reasons = refusal, () if refusal else ("DEVICE_REVOKED",)
    with pytest.raises(type(refusal) if refusal else EnrolmentRefused):
        bench.link.renew()
    assert bench.link.registration == kept_registration(bench.secrets) == before
    assert [which for which, _ in bench.connections] == ["own"], "who is refused does not ask as somebody else"


def test_another_name_for_the_same_key_is_refused(bench) -> None:
    bench.own.device = "tenants/default/devices/0b8f5b0e-0000-4000-8000-000000000002"
    with pytest.raises(EnrolmentRefused, match="was named"):
        bench.link.renew()
