"""Collateral, anchors and the re-appraisal of stored evidence, put together."""

from dataclasses import dataclass
from datetime import timedelta

from attestation.model import Anchors
from kms.appraisal.source import TenantPolicies
from kms.approvals.service import ApprovalService
from kms.collateral.anchor_service import AnchorService
from kms.collateral.anchors import BUILT_IN
from kms.collateral.fail_modes import FailMode
from kms.collateral.feeds import CollateralFeeds, Source
from kms.collateral.model import CollateralKind
from kms.collateral.rpc import CollateralServicer
from kms.collateral.service import CollateralService
from kms.collateral.shelf import CollateralShelf
from kms.config import Config, ConfigError
from kms.core.clock import Clock
from kms.devices.reappraisal import Reappraisal
from kms.devices.reappraiser import AssuranceNotes, Reappraiser
from kms.devices.settings import DevicesSettings
from kms.removal.overdue import OverdueDevices
from kms.revocation.assurance import AssuranceService
from kms.revocation.service import RevocationService


@dataclass(frozen=True, slots=True)
class CollateralParts:
    """`shelf` is what devices ask; `feeds` is not started."""

    shelf: CollateralShelf
    servicer: CollateralServicer
    feeds: CollateralFeeds


def make_collateral(
    config: Config, settings: DevicesSettings, approvals: ApprovalService, clock: Clock
) -> CollateralParts:
    """Raises ConfigError for a source or a fail mode that can not be."""
    database, log, randomness = approvals.database, approvals.log, approvals.randomness
    shelf = CollateralShelf(database, Anchors((*BUILT_IN.items, *settings.trust_anchors)))
    service = CollateralService(
        database=database,
        log=log,
        randomness=randomness,
        approvals=approvals,
        shelf=shelf,
        max_age=settings.status_max_age,
    )
    anchors = AnchorService(database=database, log=log, randomness=randomness, approvals=approvals, shelf=shelf)
    folder = config.collateral.folder
    feeds = CollateralFeeds(
        service, sources=_sources(config, settings), folder=config.path(folder) if folder else None, clock=clock
    )
    return CollateralParts(shelf, CollateralServicer(service, anchors), feeds)


def make_reappraiser(
    reappraisal: Reappraisal,
    parts: CollateralParts,
    policies: TenantPolicies,
    revocations: RevocationService,
    clock: Clock,
) -> Reappraiser:
    """Whoever changes collateral or anchors wakes it. Its `run` is not started."""

    async def refresh(owner: str) -> None:
        await parts.shelf.load_if_changed()
        policies.forget(owner)

    reappraisal.in_transaction = AssuranceNotes(randomness=revocations.events.randomness)
    reappraiser = Reappraiser(
        database=revocations.database,
        clock=clock,
        reappraisal=reappraisal,
        assurance=AssuranceService(revocations, OverdueDevices()),
        refresh=refresh,
    )
    parts.servicer.collateral.changed = reappraiser.wake
    parts.servicer.anchors.changed = reappraiser.wake
    parts.servicer.anchors.events = revocations.events
    return reappraiser


def fail_modes(config: Config) -> dict[CollateralKind, FailMode]:
    """Raises ConfigError for a kind that has no mode."""
    return {_kind(kind, "collateral.fail_mode"): FailMode(mode) for kind, mode in config.collateral.fail_mode.items()}


def _sources(config: Config, settings: DevicesSettings) -> tuple[Source, ...]:
    found = []
    if settings.android_status_source is not None:
        found.append(
            _source(
                CollateralKind.ANDROID_STATUS, settings.android_status_source, settings.status_refresh, "", "devices"
            )
        )
    refresh = timedelta(seconds=config.collateral.refresh_seconds)
    for wanted in config.collateral.sources:
        kind = _kind(wanted.kind, "collateral.sources")
        found.append(_source(kind, wanted.location, refresh, wanted.label, "collateral.sources"))
    return tuple(found)


def _source(kind: CollateralKind, location: str, refresh: timedelta, label: str, section: str) -> Source:
    try:
        return Source(kind=kind, location=location, refresh=refresh, label=label)
    except ValueError as error:
        raise ConfigError(f"{section}, {kind}: {error}") from error


def _kind(name: str, setting: str) -> CollateralKind:
    try:
        return CollateralKind(name)
    except ValueError as error:
        raise ConfigError(f"{setting}: {name!r} is none of {', '.join(CollateralKind)}") from error
