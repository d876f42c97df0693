"""`hallmark doctor`: is a deployment well, and what is to be done about it."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kms.cli.connection import Server, server_options
from kms.cli.failure import ExitCode, explain
from kms.cli.invocation import json_option
from kms.cli.output import print_json
from kms.config import load_config

if TYPE_CHECKING:
    from kms.cli.doctor.finding import Finding

_PAGE_BYTES_MAX = 64 * 1024


@click.command()
@click.option(
    "--config",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Look at this settings file too, and at disks and database as seen from here.",
)
@click.option("--offline", is_flag=True, help="Only settings, disks and database: no server is asked.")
@click.option("--replica", "replicas", metavar="HOST:PORT", multiple=True, help="Another replica; may be repeated.")
@click.option("--pages", metavar="URL", help="Health and metrics pages. Default: what the home folder's server says.")
@click.option("--public", metavar="URL", help="The log's public files. Default: what the server says.")
@click.option(
    "--seconds", type=click.FloatRange(1, 120), default=10, show_default=True, help="Patience with each thing."
)
@server_options("auditor")
@json_option
def doctor(
    file: Path | None,
    offline: bool,
    replicas: tuple[str, ...],
    pages: str | None,
    public: str | None,
    seconds: float,
    server: Server,
    as_json: bool,
) -> None:
    """Check a deployment from the operator's chair: what is well, what is not, and what to do.

    Asks the API (TLS, post-quantum group, certificates, identity, HSM, health), the log (signed, fresh, witnessed, the
    same for everybody), the feeds (a fresh signed heartbeat), clocks, and the health pages. With --config, or beside a
    home folder, also settings that are a risk, room on disks, and the database's schema. Nothing is changed.

    Ends with 0 when there is no problem (warnings are none), with 1 when there is.

    \b
    Example:     hallmark doctor --config hallmark.toml
    Replicas:    hallmark doctor --profile ./auditor --replica kms-1.example:7443 --replica kms-2.example:7443
    Before use:  hallmark doctor --config new.toml --offline
    """
    from kms.cli.doctor.finding import Level, worst

    found: list[Finding] = []
    for finding in _findings(file, offline, replicas, pages, public, seconds, server):
        found.append(finding)
        if not as_json:
            _tell(finding)
    level = worst(found)
    if as_json:
        print_json(_document(found))
    else:
        click.echo(_summary(found))
    if level is Level.PROBLEM:
        click.get_current_context().exit(ExitCode.NOT_SO)


def _findings(
    file: Path | None,
    offline: bool,
    replicas: tuple[str, ...],
    pages: str | None,
    public: str | None,
    seconds: float,
    server: Server,
) -> "Iterator[Finding]":
    if file is not None or offline or (server.profile_folder is None and server.home.is_dir()):
        yield from _surviving(_of_settings(file, server.home, replicas=1 + len(replicas)))
    if not offline:
        yield from _surviving(_of_server(server, replicas, pages or _pages(server), public, seconds))


def _surviving(findings: "Iterator[Finding]") -> "Iterator[Finding]":
    """A doctor who falls ill says so, after what was found before."""
    from kms.cli.doctor.finding import problem

    try:
        yield from findings
    except Exception as error:  # whatever it is, the operator gets a sentence, and the other checks go on
        failure = explain(error)
        advice = failure.advice or "run it again with --debug, and report what it shows"
        yield problem("doctor", f"a check broke off: {failure.message}", advice)


def _of_settings(file: Path | None, home: Path, *, replicas: int) -> "Iterator[Finding]":
    """A file may name its own home."""
    from kms.cli.doctor.finding import problem
    from kms.cli.doctor.places_check import check_places
    from kms.cli.doctor.settings_check import check_settings
    from kms.config import ConfigError

    try:
        config = load_config(file)
        if "home" not in config.model_fields_set:
            config = load_config(file, overrides={"home": home})
    except ConfigError as error:
        yield problem("settings", str(error), "`hallmark serve` refuses them too: docs/settings.md tells every key")
        return
    yield from check_settings(config, replicas=replicas)
    yield from check_places(config)


def _of_server(
    server: Server, replicas: tuple[str, ...], pages: str | None, public: str | None, seconds: float
) -> "Iterator[Finding]":
    from hallmark_client.errors import ProfileInvalid
    from kms.cli.doctor.finding import problem
    from kms.cli.doctor.live import Asked, check_server
    from kms.core.clock import SystemClock

    try:
        profile = server.profile()
    except ProfileInvalid as error:
        yield problem("profile", str(error), "--profile names a folder that a server wrote (HOME/clients/NAME)")
        return
    asked = Asked(profile=profile, replicas=replicas, pages=pages and pages.rstrip("/"), public=public, seconds=seconds)
    yield from check_server(asked, SystemClock())


def _pages(server: Server) -> str | None:
    """Of the server of a home folder on this machine."""
    if server.profile_folder is not None:
        return None
    try:
        with (server.home / "server.json").open("rb") as opened:
            found = json.loads(opened.read(_PAGE_BYTES_MAX))["observing_url"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, str) else None


def _tell(finding: "Finding") -> None:
    click.echo(f"{finding.level.value:<8} {finding.check:<20} {finding.says}")
    if finding.advice:
        click.echo(f"{'':<8} {'':<20} -> {finding.advice}")


def _summary(found: "Sequence[Finding]") -> str:
    counts = {level: sum(finding.level == level for finding in found) for level in ("problem", "warning")}
    if not any(counts.values()):
        return "All is well."
    return ", ".join(f"{count} {name}{'' if count == 1 else 's'}" for name, count in counts.items()) + "."


def _document(found: "Sequence[Finding]") -> dict[str, object]:
    from kms.cli.doctor.finding import worst

    return {
        "status": worst(found).value,
        "findings": [
            {"check": each.check, "level": each.level.value, "says": each.says, "advice": each.advice} for each in found
        ],
    }
