"""One device: its vault, and its life with the service.

    with Device.enrol("vault", bootstrap=Profile.load("factory"), root=root, attester=SoftwareAttester()) as device:
        device.start()
        device.vault.put(Path("voice.bin"), name="voice", kind=ArtifactKind.BIOMETRIC_TEMPLATE, needs_permission=True)
        device.vault.read("voice", caller=Caller(application="assistant"))     # ArtifactSuspended without a lease

Later, also without a network: `Device.open("vault", root=root)`.
"""

import functools
import os
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from hallmark_client.client import Client
from hallmark_client.device.policy import VaultPolicy
from hallmark_client.device.roots.port import RootOfTrust, RootPower
from hallmark_client.device.vault import Vault
from hallmark_client.model.enums import ChallengePurpose
from hallmark_client.profile import Profile
from hallmark_release.source import ReleaseSource
from hallmark_release.trust import ReleaseTrust

from .artifact_keys import NONCE_BYTES, opened
from .attester import Attester
from .bootstrap import keep_bootstrap, kept_bootstrap
from .errors import NotEnrolled
from .feeds import Feeds
from .ground import Ground
from .keys import device_key, hpke_key
from .link import Link, keep_registration, kept_registration, told_registration
from .living import Living
from .model import DeviceFacts, DeviceStatus, KeyPlace, Registration
from .registration import attest, registration_of
from .settings import LifeSettings
from .software import SoftwareAttester
from .store import FILE, LifeStore
from .trust import Trust

if TYPE_CHECKING:
    from hallmark_client.device.updates import Installed, OnProgress, Updater, UpdateSettings


class Device:
    """Made by `enrol` or `open`; a context manager. Calls are for any thread; none of `vault` waits for the network."""

    vault: Vault
    """Its artifacts, which ask for permission here."""

    def __init__(self, ground: Ground, registration: Registration, link: Link, feeds: Feeds) -> None:
        """Not for callers: see `enrol` and `open`."""
        self.vault = ground.vault
        self._ground = ground
        self._link = link
        self._living = Living(
            vault=ground.vault,
            root=ground.root,
            store=ground.store,
            feeds=feeds,
            standing=ground.standing,
            link=link,
            settings=ground.settings,
        )
        ground.on_shred, ground.feeds = self._living.look, feeds
        ground.standing.attach(feeds, device=registration.device, doomed=ground.store.doomed)

    @classmethod
    def enrol(
        cls,
        folder: str | os.PathLike[str],
        *,
        bootstrap: Profile,
        root: RootOfTrust,
        attester: Attester | None = None,
        trust: Trust | None = None,
        policy: VaultPolicy | None = None,
        settings: LifeSettings | None = None,
    ) -> Self:
        """First boot: makes the vault and the keys, gives evidence, and gets a certificate. After a crash in the middle
        call it again with the same folder: nothing is made twice. An enrolled device gives evidence again.

        bootstrap: an identity that may ask for challenges; it is kept in the vault. attester: default SoftwareAttester,
        for which nothing vouches. Raises EnrolmentRefused, DeviceError, HallmarkError.
        """
        vouching = attester or SoftwareAttester()
        made_with = settings or LifeSettings()
        with Ground(folder, tenant=bootstrap.tenant, root=root, policy=policy, settings=made_with) as ground:
            key, place = device_key(vouching, ground.vault)
            hpke = hpke_key(ground.vault, ground.settings.system).public_key
            keep_bootstrap(bootstrap, ground.vault)
            with ground.settings.connect(bootstrap) as client:
                believed = (trust or Trust()).learnt(client)
                keys = believed.keys(client)
                answer = attest(client, vouching, key, hpke_public=hpke, trusted_keys=keys)
            made = registration_of(answer, bootstrap, key=key, place=place, purpose=vouching.purpose)
            believed.keep(ground.vault)
            keep_registration(ground.store, ground.vault, made)
            return cls._assembled(ground, made, vouching, bootstrap)

    @classmethod
    def open(
        cls,
        folder: str | os.PathLike[str],
        *,
        root: RootOfTrust,
        attester: Attester | None = None,
        bootstrap: Profile | None = None,
        policy: VaultPolicy | None = None,
        settings: LifeSettings | None = None,
    ) -> Self:
        """An enrolled device, at once and without the network. attester: as at enrolment, where it was not in software.

        Raises NotEnrolled, DeviceError.
        """
        known = _registration_in(Path(folder))
        if attester is None and not _is_software(known):
            raise NotEnrolled("ATTESTER_MISSING", f"give the attester that {known.device} was enrolled with")
        made_with = settings or LifeSettings()
        with Ground(folder, tenant=known.tenant, root=root, policy=policy, settings=made_with) as ground:
            kept = kept_registration(ground.vault)
            return cls._assembled(ground, kept, attester or SoftwareAttester(), bootstrap)

    @classmethod
    def _assembled(
        cls, ground: Ground, registration: Registration, attester: Attester, bootstrap: Profile | None
    ) -> Self:
        key, _ = device_key(attester, ground.vault)
        if key.spki != registration.key_spki:
            sentence = f"this attester's key is not the one that {registration.device} was enrolled with"
            raise NotEnrolled("KEY_MISMATCH", sentence)
        feeds = Feeds(
            ground.folder,
            parent=f"tenants/{registration.tenant}",
            device_id=registration.device_id,
            system=ground.settings.system,
            clock=ground.settings.clock,
            settings=ground.settings.feeds,
        )
        link = Link(
            store=ground.store,
            secrets=ground.vault,
            registration=registration,
            trust=Trust.kept(ground.vault),
            key=key,
            hpke_public=registration.hpke_key,
            attester=attester,
            bootstrap=bootstrap or kept_bootstrap(ground.vault),
            connect=ground.settings.connect,
            system=ground.settings.system,
            now=lambda: feeds.now()[0].time,
        )
        device = cls(ground, registration, link, feeds)
        ground.stays()
        return device

    @property
    def name(self) -> str:
        """tenants/{tenant}/devices/{device}."""
        return self._link.registration.device

    @property
    def client(self) -> Client:
        """Over the device's own certificate. Ask for it each time: a new certificate brings another one."""
        return self._link.client

    def start(self) -> None:
        """Follows both feeds, acts on them, gives receipts, renews: in threads of its own. Starting twice is fine."""
        self._living.start()

    def work(self) -> float:
        """All that is due, here and now, for programs that have no threads to spare. Returns seconds until there is
        more to do. What fails is tried again later, and told by `status`.
        """
        return self._living.work()

    def renew(self) -> None:
        """A new certificate now: evidence is given again. Raises EnrolmentRefused, HallmarkError, RootFailed."""
        self._living.renew()

    def request_key(self, artifact: str, *, consent: str = "", epoch: int | None = None) -> bytearray:
        """The content key of a release, 32 bytes: the caller's to wipe; `vault.adopt` takes it.

        artifact: SHA-256 of its statement, or full name. consent: to acquire a lease from. epoch: that it must have.
        Raises VerificationFailed for a key that is not for this device and request, and what the service refuses with:
        FailedPrecondition (ARTIFACT_REVOKED, ARTIFACT_SUPERSEDED, LEASE_REQUIRED, VERDICT_REFUSED...), NotFound.
        """
        system, tenant = self._ground.settings.system, self._link.registration.tenant
        full = artifact if artifact.startswith("tenants/") else f"tenants/{tenant}/artifacts/{artifact}"
        nonce = system.random_bytes(NONCE_BYTES)
        answer = self.client.releases.request_key(full, nonce=nonce, consent=consent or None)
        own = hpke_key(self.vault, system)
        key = opened(answer, own, device=self.name, artifact=full, nonce=nonce, epoch=epoch)
        try:
            self._living.key_received(full, answer)
        except BaseException:
            key[:] = bytes(len(key))
            raise
        return key

    def updater(
        self,
        source: ReleaseSource | str | Path,
        trust: ReleaseTrust,
        *,
        consent: str = "",
        settings: "UpdateSettings | None" = None,
    ) -> "Updater":
        """Keeps models of a repository current here, by this device's permissions, minimum epochs, time and keys.

        source: or a URL, or a folder. consent: to acquire leases from.
        """
        from hallmark_client.device.updates import Updater  # python-tuf, for those who update

        return Updater(
            self.vault,
            source,
            trust,
            key_source=functools.partial(self.request_key, consent=consent),
            folder=self._ground.folder / "updates",
            permissions=self._ground.permissions,
            minimum_epoch=lambda model: self._ground.standing.told().minimums.get(model, 0),
            now=self._ground.now,
            settings=settings,
            system=self._ground.settings.system,
            clock=self._ground.settings.clock,
        )

    def update(
        self,
        model: str,
        source: ReleaseSource | str | Path,
        trust: ReleaseTrust,
        *,
        consent: str = "",
        progress: "OnProgress | None" = None,
    ) -> "Installed":
        """The current release of the model is in the vault when this returns. Raises as `Updater.update`."""
        return self.updater(source, trust, consent=consent).update(model, progress=progress)

    def facts(self) -> DeviceFacts:
        registration, root = self._link.registration, self._ground.root.facts
        return DeviceFacts(
            device=registration.device,
            key_place=registration.key_place,
            purpose=registration.purpose,
            root=root,
            certificate_expire_time=registration.expire_time,
            has_evidence=RootPower.EVIDENCE in root.powers,
        )

    def status(self) -> DeviceStatus:
        return self._living.status()

    def close(self) -> None:
        """Ends the threads, the connection and the vault. What was not sent goes out the next time."""
        self._living.close()
        self._ground.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


update: Final = Device.update
"""hallmark_client.device.update(device, model, source, trust)."""


def _registration_in(folder: Path) -> Registration:
    """Raises NotEnrolled."""
    known = None
    if (folder / FILE).exists():
        store = LifeStore(folder)
        try:
            known = told_registration(store)
        finally:
            store.close()
    if known is None:
        raise NotEnrolled("NOT_ENROLLED", f"{folder} is no enrolled device's folder; begin with Device.enrol")
    return known


def _is_software(registration: Registration) -> bool:
    return registration.purpose is ChallengePurpose.SOFTWARE_SEALED and registration.key_place is KeyPlace.VAULT
