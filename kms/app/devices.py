"""Devices put together: what they are judged by, who signs their results and certificates."""

from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path

from attestation.ear import VerifierId
from kms.app.collateral import fail_modes
from kms.app.tenants import device_quota
from kms.collateral.anchors import android_anchor
from kms.config import Config, ConfigError
from kms.core.clock import Clock
from kms.core.randomness import Randomness
from kms.devices.reading import DeviceReader
from kms.devices.reappraisal import Reappraisal
from kms.devices.rejudging import Rejudging
from kms.devices.results import CLASSICAL_ALGORITHM, CLASSICAL_KEY_ID, SIGNING_KEY_ID, ResultSigner
from kms.devices.rpc import DeviceServicer
from kms.devices.service import DeviceService
from kms.devices.settings import DevicesSettings
from kms.devices.verification import CollateralSource, PolicySource, Verifier
from kms.keys.service import KeyService
from kms.keys.signing import SigningService
from kms.server.device_certificates import DeviceAuthority
from kms.server.local_ca import LocalAuthority


@dataclass(frozen=True, slots=True)
class DeviceParts:
    """`verifier` is to be closed."""

    servicer: DeviceServicer
    verifier: Verifier
    reappraisal: Reappraisal


async def ensure_result_keys(keys: KeyService, clock: Clock) -> None:
    """The service keys that sign attestation results, made at first start."""
    await keys.ensure_service_key(SIGNING_KEY_ID, clock.now())
    await keys.ensure_service_key(CLASSICAL_KEY_ID, clock.now(), algorithm=CLASSICAL_ALGORITHM)


def make_devices(
    config: Config,
    settings: DevicesSettings,
    *,
    signing: SigningService,
    authority: LocalAuthority,
    policies: PolicySource,
    collateral: CollateralSource,
    randomness: Randomness,
    clock: Clock,
) -> DeviceParts:
    verifier = Verifier(policies=policies, collateral=collateral)
    database, log = signing.database, signing.log
    results = _result_signer(config, settings, signing)
    rejudging = Rejudging(database=database, verifier=verifier, policies=policies, collateral=collateral)
    service = DeviceService(
        database=database,
        verifier=verifier,
        rejudging=rejudging,
        results=results,
        certificates=DeviceAuthority(authority, config.server.trust_domain, settings.certificate_lifetime),
        log=log,
        randomness=randomness,
        challenge_lifetime=timedelta(seconds=settings.challenge_lifetime_seconds),
        quota=device_quota(config.tenants, clock),
    )
    reader = DeviceReader(database=database, verifier=verifier, collateral=collateral)
    reappraisal = Reappraisal(
        database=database,
        rejudging=rejudging,
        results=results,
        policies=policies,
        log=log,
        randomness=randomness,
    )
    return DeviceParts(DeviceServicer(service, reader), verifier, reappraisal)


def _result_signer(config: Config, settings: DevicesSettings, signing: SigningService) -> ResultSigner:
    return ResultSigner(
        signing=signing,
        issuer=f"spiffe://{config.server.trust_domain}/server",
        verifier=VerifierId("Hallmark", version("hallmark")),
        lifetime=settings.result_lifetime,
    )


def devices_settings(config: Config) -> DevicesSettings:
    """Raises ConfigError when an extra root can not be read."""
    devices = config.devices
    try:
        anchors = [android_anchor(Path(root).read_bytes(), root) for root in devices.extra_android_roots]
    except OSError as error:
        raise ConfigError(f"devices.extra_android_roots: can not read {error.filename}: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"devices.extra_android_roots: {error}") from error
    return DevicesSettings(
        challenge_lifetime_seconds=devices.challenge_lifetime_seconds,
        certificate_lifetime=timedelta(seconds=devices.certificate_lifetime_seconds),
        result_lifetime=timedelta(seconds=devices.result_lifetime_seconds),
        android_status_source=devices.android_status,
        status_max_age=timedelta(seconds=devices.android_status_max_age_seconds),
        status_refresh=timedelta(seconds=devices.android_status_refresh_seconds),
        trust_anchors=tuple(anchors),
        fail_modes=fail_modes(config),
    )
