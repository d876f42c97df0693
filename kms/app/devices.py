"""What devices are judged by: settings, extra trust anchors, the vendor's status list."""

from datetime import timedelta
from pathlib import Path

from kms.config import Config, ConfigError
from kms.core.clock import Clock
from kms.devices.anchors import android_anchor
from kms.devices.settings import DevicesSettings
from kms.devices.status import StatusFeed


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
        android_status_source=devices.android_status,
        status_max_age=timedelta(seconds=devices.android_status_max_age_seconds),
        status_refresh=timedelta(seconds=devices.android_status_refresh_seconds),
        trust_anchors=tuple(anchors),
    )


def status_feed(source: str, config: Config, settings: DevicesSettings, clock: Clock) -> StatusFeed:
    """Not started. Raises ConfigError for a source that is not allowed."""
    folder = config.path("android-status")
    try:
        return StatusFeed(source, folder=folder, refresh=settings.status_refresh, clock=clock)
    except ValueError as error:
        raise ConfigError(f"devices.android_status: {error}") from error
