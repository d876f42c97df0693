"""The key provider: made from settings, started, and waited for when it is away."""

import asyncio
import logging
from pathlib import Path

from hsm.errors import HsmError
from hsm.pkcs11.provider import Pkcs11KeyProvider
from hsm.pkcs11.settings import Pkcs11Settings
from hsm.provider import KeyProvider
from kms.app.measured_hsm import MeasuredKeyProvider
from kms.config import Config
from kms.metrics.hsm import HsmMetrics

_logger = logging.getLogger(__name__)
_RETRY_SECONDS = 5.0


def pkcs11_settings(config: Config) -> Pkcs11Settings:
    hsm = config.hsm
    return Pkcs11Settings(
        data_folder=config.path("hsm"),
        module=Path(hsm.module) if hsm.module else None,
        pin_file=config.path(hsm.pin_file) if hsm.pin_file else None,
        pin_env=hsm.pin_variable,
        token_label=hsm.token_label,
        token_serial=hsm.token_serial,
        workers=hsm.signers or None,
        engine=hsm.engine,
    )


def make_provider(config: Config, metrics: HsmMetrics | None = None) -> Pkcs11KeyProvider:
    """Not started."""
    settings = pkcs11_settings(config)
    return Pkcs11KeyProvider(settings) if metrics is None else MeasuredKeyProvider(settings, metrics)


def has_token(config: Config) -> bool:
    """A token was set up for this home (hsm.pkcs11.setup writes the record last)."""
    return (config.path("hsm") / "token.json").exists()


async def start_or_say_why(provider: KeyProvider) -> HsmError | None:
    """None when it is usable; otherwise the error, logged."""
    try:
        await provider.start()
    except HsmError as error:
        _logger.error("the HSM is not usable: %s", error)  # noqa: TRY400 - its text says all
        return error
    return None


async def keep_trying(provider: KeyProvider) -> None:
    """Until the token is back. A refused PIN ends it at once: it is never tried twice."""
    while True:
        await asyncio.sleep(_RETRY_SECONDS)
        error = await start_or_say_why(provider)
        if error is None:
            _logger.info("the HSM is usable again")
        if error is None or not error.retryable:
            return
