"""What takes permission back, and what gives it: events, artifacts, consent, removal, status files, shared signals."""

from dataclasses import dataclass

from hallmark.v1 import (
    artifacts_pb2_grpc,
    consent_pb2_grpc,
    events_pb2_grpc,
    releases_pb2_grpc,
    removal_pb2_grpc,
    revocation_pb2_grpc,
    ssf_pb2_grpc,
)
from kms.app.artifacts import make_artifacts
from kms.app.consent import make_consent
from kms.app.events import satisfied_by, start_events
from kms.app.ground import Add, Ground
from kms.app.log_settings import witness_settings
from kms.app.releases import make_releases
from kms.app.removal import make_orders, make_removal
from kms.app.ssf import make_ssf
from kms.app.status import ensure_status_key, make_status, make_status_place
from kms.appraisal.revocable import RevocablePolicies
from kms.artifacts.revocable import RevocableArtifacts
from kms.collateral.revocable import RevocableAnchors
from kms.consent.given import GivenLeases, RevocableHolders
from kms.consent.promised import removal_times
from kms.consent.revocable import RevocableConsents
from kms.devices.revocable_verdicts import RevocableVerdicts
from kms.devices.service import DeviceService
from kms.envelopes.opening import EnvelopeOpener
from kms.events.cursor import open_cursor_codec
from kms.events.ports import EventObservers
from kms.keys.service import KeyService
from kms.public.files import FolderPublicFiles
from kms.releases.holding import HeldKeys, RevocableReleases
from kms.removal.observing import RemovalObserver
from kms.removal.overdue import OverdueDevices
from kms.revocation.rpc import RevocationServicer
from kms.revocation.service import RevocationService
from kms.revocation.watch import WatchService
from kms.status.model import list_uri
from kms.status.place import StatusPlace


@dataclass(frozen=True, slots=True)
class Permission:
    """Everything above revocation. `add` takes each servicer."""

    ground: Ground
    revocations: RevocationService
    add: Add

    async def start(self, keys: KeyService, devices: DeviceService, opener: EnvelopeOpener) -> None:
        """Raises ConfigError, HsmError, OSError."""
        ground, subjects = self.ground, self.revocations.subjects
        subjects["devices"] = RevocableHolders(subjects["devices"])
        subjects["artifacts"] = RevocableReleases(RevocableArtifacts())
        subjects["consents"] = RevocableConsents(ground.clock)
        subjects["verdicts"] = RevocableVerdicts(ground.randomness)
        subjects["policies"] = RevocablePolicies()
        subjects["anchors"] = RevocableAnchors()
        self.add(artifacts_pb2_grpc.add_ArtifactServiceServicer_to_server, make_artifacts(self.revocations.events))
        place = make_status_place(ground.config, ground.database, ground.public_url)
        await self._status(keys, place)
        await self._consent_and_removal(devices, opener, await place.base())
        observer, standing = RemovalObserver(ground.database), ground.walls.standing
        await self._events(
            EventObservers(
                delivered=observer,
                acknowledged=observer,
                grown=standing.forget,
                revoked=standing.revoked,
            )
        )
        await self._shared_signals(keys)

    async def _consent_and_removal(self, devices: DeviceService, opener: EnvelopeOpener, base: str) -> None:
        ground, events = self.ground, self.revocations.events
        orders = make_orders(ground.config, events, HeldKeys(GivenLeases()))
        consent = await make_consent(
            ground.config.consent,
            events,
            clock=ground.clock,
            status_uri=lambda tenant, at: list_uri(base, tenant, at.list),
            removals=orders,
            blocked=OverdueDevices(),
        )
        removal = make_removal(
            ground.config, orders=orders, revocations=self.revocations, devices=devices, clock=ground.clock
        )
        self.add(consent_pb2_grpc.add_ConsentServiceServicer_to_server, consent.servicer)
        self.add(removal_pb2_grpc.add_RemovalServiceServicer_to_server, removal.servicer)
        releases = make_releases(
            events,
            opener=opener,
            leases=consent.servicer.leases,
            orders=orders,
            clock=ground.clock,
            interval_seconds=ground.config.removal.check_interval_seconds,
        )
        self.add(releases_pb2_grpc.add_ReleaseServiceServicer_to_server, releases.servicer)
        ground.spawn(releases.upkeep.run())
        ground.spawn(consent.run())
        ground.spawn(removal.keeper.run())

    async def _status(self, keys: KeyService, place: StatusPlace) -> None:
        ground = self.ground
        await ensure_status_key(keys, ground.clock)
        schedule = make_status(
            ground.config,
            self.revocations.events,
            files=FolderPublicFiles(ground.config.path(ground.config.log.public_folder)),
            place=place,
            satisfies=satisfied_by(ground.log, witness_settings(ground.config).policy),
            clock=ground.clock,
            removal_times=removal_times,
        )
        ground.spawn(schedule.run())

    async def _events(self, observers: EventObservers) -> None:
        ground, events = self.ground, self.revocations.events
        codec = await open_cursor_codec(ground.database, ground.randomness)
        parts = start_events(
            events,
            clock=ground.clock,
            codec=codec,
            witnesses=witness_settings(ground.config).policy,
            observers=observers,
        )
        ground.observing.watch_feeds(lambda: parts.hub.subscribers)
        watching = WatchService(
            database=ground.database,
            signing=events.signing,
            clock=ground.clock,
            signal=events.signal,
            revocations=self.revocations,
        )
        self.add(events_pb2_grpc.add_EventServiceServicer_to_server, parts.servicer)
        self.add(
            revocation_pb2_grpc.add_RevocationServiceServicer_to_server,
            RevocationServicer(self.revocations, watching, codec),
        )
        ground.spawn(parts.run())

    async def _shared_signals(self, keys: KeyService) -> None:
        ground = self.ground
        parts = await make_ssf(
            ground.config,
            keys=keys,
            signing=self.revocations.events.signing,
            clock=ground.clock,
            randomness=ground.randomness,
        )
        self.add(ssf_pb2_grpc.add_SsfServiceServicer_to_server, parts.servicer)
        if parts.transmitter is not None:
            ground.places["ssf_url"] = await parts.transmitter.start()
            ground.closing.push_async_callback(parts.transmitter.close)
            ground.spawn(parts.transmitter.run())
