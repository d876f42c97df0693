"""`hallmark serve`: runs the service until it is told to stop."""

import asyncio
import signal
import sys
from pathlib import Path

import click

from kms.config import Config, load_config
from kms.core.telemetry import configure_logging


@click.command()
@click.option(
    "--home",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="HALLMARK_HOME",
    help="Folder of everything the server keeps; made on first run. Default: hallmark-data",
)
@click.option("--config", "file", type=click.Path(path_type=Path, dir_okay=False), help="Settings, a TOML file.")
@click.option("--port", type=int, help="gRPC port; 0 takes a free one. Default: 7443")
@click.option("--public-port", type=int, help="HTTP port of the public files; 0 takes a free one. Default: 7480")
@click.option("--require-pq-tls", is_flag=True, default=None, help="Refuse clients without post-quantum TLS.")
@click.option("--log-level", default="INFO", show_default=True, help="DEBUG, INFO, WARNING or ERROR.")
def serve(
    home: Path | None,
    file: Path | None,
    port: int | None,
    public_port: int | None,
    require_pq_tls: bool | None,
    log_level: str,
) -> None:
    """Run the service: gRPC with mutual TLS, and the public files of the log over HTTP.

    The first run needs no settings: it makes a SoftHSM token, keys, a local certificate authority and certificates
    for four clients (admin, backend, auditor, device) in the home folder.

    \b
    Example:  hallmark serve --home ./hallmark-data
    Then, in another terminal:  hallmark keys create manifest

    Settings come from defaults, the --config file, HALLMARK__SECTION__KEY variables and these options, in this order.
    Stop it with Ctrl-C or SIGTERM: running calls are finished first.
    """
    overrides = {
        "home": home,
        "server.port": port,
        "server.public_port": public_port,
        "server.require_pq_tls": require_pq_tls,
    }
    config = load_config(file, overrides=overrides)
    configure_logging(log_level.upper())
    _run(config)


def _run(config: Config) -> None:
    import uvloop

    uvloop.run(_serve(config))


async def _serve(config: Config) -> None:
    from kms.app import Application

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    application = Application(config)
    try:
        await application.start()
        sys.stderr.write(
            f"Hallmark serves gRPC on {application.address} and the public log on {application.public_url}. "
            f"Client identities are in {config.home / 'clients'}. Ctrl-C stops it.\n"
        )
        await stop.wait()
    finally:
        await application.stop()
