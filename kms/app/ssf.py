"""The transmitter of shared signals put together: its gRPC calls, and, when it is switched on, its HTTP port."""

import asyncio
import ssl
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from urllib.parse import urlsplit

from kms.config import Config, ConfigError
from kms.core.clock import Clock
from kms.core.randomness import Randomness
from kms.devices.results import CLASSICAL_ALGORITHM
from kms.keys.service import KeyService
from kms.keys.signing import SigningService
from kms.public.http import PublicServer
from kms.ssf.asgi import ssf_app
from kms.ssf.endpoints import TransmitterEndpoints
from kms.ssf.feeder import Feeder
from kms.ssf.model import SIGNING_KEY_ID, SsfSettings
from kms.ssf.polling import PollService
from kms.ssf.push import Pusher
from kms.ssf.push_http import PushClient
from kms.ssf.rpc import SsfServicer
from kms.ssf.service import ReceiverService
from kms.ssf.sets import SetMaker, SetSigner
from kms.ssf.streams import StreamService


@dataclass(frozen=True, slots=True)
class Transmitter:
    """`start` gives the URL it listens on; `run` goes on until cancelled; `close` answers who waits."""

    server: PublicServer
    polling: PollService
    feeder: Feeder
    pusher: Pusher

    async def start(self) -> str:
        """Raises OSError when the port is taken."""
        return await self.server.start()

    async def run(self) -> None:
        await asyncio.gather(self.feeder.run(), self.pusher.run())

    async def close(self) -> None:
        self.polling.end_waits()
        await self.server.close()


@dataclass(frozen=True, slots=True)
class SsfParts:
    """`transmitter` is None when the settings do not switch it on."""

    servicer: SsfServicer
    transmitter: Transmitter | None


async def make_ssf(
    config: Config, *, keys: KeyService, signing: SigningService, clock: Clock, randomness: Randomness
) -> SsfParts:
    """Makes its signing key at the first start. Raises ConfigError."""
    receivers = ReceiverService(database=signing.database, log=signing.log, randomness=randomness)
    servicer = SsfServicer(receivers)
    if not config.ssf.enabled:
        return SsfParts(servicer, None)
    settings = ssf_settings(config)
    await keys.ensure_service_key(SIGNING_KEY_ID, clock.now(), algorithm=CLASSICAL_ALGORITHM)
    return SsfParts(servicer, _transmitter(config, settings, signing, clock=clock, randomness=randomness))


def ssf_settings(config: Config) -> SsfSettings:
    """Raises ConfigError."""
    return SsfSettings(
        issuer=_issuer(config.ssf.issuer),
        networks=_networks(config.ssf.push_networks),
        push_interval=timedelta(seconds=config.ssf.push_interval_seconds),
    )


def _transmitter(
    config: Config, settings: SsfSettings, signing: SigningService, *, clock: Clock, randomness: Randomness
) -> Transmitter:
    database, maker, signer = signing.database, SetMaker(settings.issuer, randomness), SetSigner(signing)
    streams = StreamService(database=database, settings=settings, maker=maker)
    polling = PollService(database=database, streams=streams, signer=signer, clock=clock)
    endpoints = TransmitterEndpoints(database=database, streams=streams, polling=polling, clock=clock)
    pusher = Pusher(
        database=database,
        settings=settings,
        maker=maker,
        signer=signer,
        client=PushClient(networks=settings.networks, tls=ssl.create_default_context()),
        clock=clock,
        randomness=randomness,
    )
    return Transmitter(
        PublicServer(ssf_app(endpoints), host=config.ssf.address, port=config.ssf.port),
        polling,
        Feeder(database=database, settings=settings, maker=maker, clock=clock),
        pusher,
    )


def _issuer(url: str | None) -> str:
    """SSF 1.0, section 7.1: https, no query or fragment. A path would move /.well-known, so there is none either."""
    issuer = (url or "").removesuffix("/")
    if not _is_origin(issuer):
        raise ConfigError("ssf.issuer must be an https URL without a path, such as https://signals.example.com")
    return issuer


def _is_origin(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return bool(parts.netloc) and url == f"https://{parts.netloc}"


def _networks(names: tuple[str, ...]) -> tuple[IPv4Network | IPv6Network, ...]:
    try:
        return tuple(ip_network(name) for name in names)
    except ValueError as error:
        raise ConfigError(f"ssf.push_networks: {error}") from error
