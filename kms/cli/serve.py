"""`hallmark serve`: runs the service until it is told to stop."""

import asyncio
import os
import resource
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kms.cli.invocation import json_option
from kms.cli.output import print_json_line
from kms.config import Config, load_config
from kms.core.telemetry import configure_logging

_SIGNALS = (signal.SIGTERM, signal.SIGINT)

if TYPE_CHECKING:
    from kms.app import Application
    from kms.app.edge import EdgeApplication


@click.command()
@click.option(
    "--home",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="HALLMARK_HOME",
    help="Folder of everything the server keeps; made on first run. Default: hallmark-data",
)
@click.option(
    "--config",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Settings, a TOML file; `hallmark settings show` tells every key.",
)
@click.option("--port", type=int, help="gRPC port; 0 takes a free one. Default: 7443")
@click.option("--public-port", type=int, help="HTTP port of the public files; 0 takes a free one. Default: 7480")
@click.option("--edge", is_flag=True, default=None, help="Serve streams and reads only, without an HSM.")
@click.option("--require-pq-tls", is_flag=True, default=None, help="Refuse clients without post-quantum TLS.")
@click.option(
    "--log-level",
    type=click.Choice(["DEBUG", "INFO", "WARNING", "ERROR"], case_sensitive=False),
    default="INFO",
    show_default=True,
    help="What is written to standard error, one JSON object a line.",
)
@json_option
def serve(
    home: Path | None,
    file: Path | None,
    port: int | None,
    public_port: int | None,
    edge: bool | None,
    require_pq_tls: bool | None,
    log_level: str,
    as_json: bool,
) -> None:
    """Run the service: gRPC with mutual TLS, and the public files of the log over HTTP.

    The first run needs no settings: it makes a SoftHSM token, keys, a local certificate authority and certificates
    for four clients (admin, backend, auditor, device) in the home folder.

    \b
    Example:  hallmark serve --home ./hallmark-data
    Then, in another terminal:  hallmark keys create manifest

    Standard output gets one line when the server is ready (a JSON object with --json), standard error the log.
    Settings come from defaults, the --config file, HALLMARK__SECTION__KEY variables and these options, in this order.
    Stop it with Ctrl-C or SIGTERM: running calls are finished first. A second one ends it at once.

    With --edge it is a process without an HSM, for streams and reads beside API replicas on PostgreSQL; see [edge] in
    the settings and docs/operations.md.
    """
    overrides = {
        "home": home,
        "server.port": port,
        "server.public_port": public_port,
        "server.require_pq_tls": require_pq_tls,
        "edge.enabled": edge,
    }
    config = load_config(file, overrides=overrides)
    _set_limits()
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # strangers' handshakes would stand between our JSON lines, as text
    configure_logging(log_level.upper(), for_people=sys.stderr.isatty())
    _run(config, as_json=as_json)


def _set_limits() -> None:
    """Each stream is a descriptor: take what the system allows. No core files: opened data keys pass through here."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _run(config: Config, *, as_json: bool) -> None:
    import uvloop

    uvloop.run(_serve(config, as_json=as_json))


async def _serve(config: Config, *, as_json: bool) -> None:
    from kms.server.interpreter import hold_little_memory, tune_interpreter

    stop = _stop_signal()
    hold_little_memory()
    application = _application(config)
    try:
        await application.start()
        tune_interpreter()
        _tell_ready(application, config, as_json=as_json)
        await stop.wait()
        if not as_json:
            click.echo("Stopping: finishing what is running.")
    finally:
        await application.stop()


def _application(config: Config) -> "Application | EdgeApplication":
    if config.edge.enabled:
        from kms.app.edge import EdgeApplication

        return EdgeApplication(config)
    from kms.app import Application

    return Application(config)


def _stop_signal() -> asyncio.Event:
    """Set by the first SIGTERM or Ctrl-C; the next one ends the process as the system does by itself."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def first() -> None:
        stop.set()
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)

    for number in _SIGNALS:
        loop.add_signal_handler(number, first)
    return stop


def _tell_ready(application: "Application | EdgeApplication", config: Config, *, as_json: bool) -> None:
    clients = str((config.home / "clients").resolve())
    if as_json:
        ready = {"address": application.address, "public_url": application.public_url, "clients": clients}
        print_json_line({**ready, "pid": os.getpid()})
        return
    click.echo(
        f"Hallmark serves gRPC on {application.address} and the public log on {application.public_url}. "
        f"Client identities are in {clients}. Ctrl-C stops it."
    )
