"""Risks that stand in the settings. Pure: nothing is asked, nothing is started."""

import ipaddress
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from kms.cli.doctor.finding import Finding, ok, problem, warning
from kms.config import Config

_ACTS: Final = ("destroy", "export", "policy_change", "trust_root_change")


def check_settings(config: Config, *, replicas: int = 1) -> Iterator[Finding]:
    """`replicas`: how many servers run with them."""
    found = [
        *_approvals(config),
        *_identities(config),
        *_database(config, replicas),
        *_log(config),
        *_ports(config),
        *_probes(config),
    ]
    yield from found or [ok("settings", "nothing in the settings is a known risk")]


def _approvals(config: Config) -> Iterator[Finding]:
    """An export asks one other person whatever the settings say."""
    least = {"export": 1}
    alone = [act for act in _ACTS if max(getattr(config.approvals.required, act), least.get(act, 0)) == 0]
    if alone:
        yield warning(
            "settings.approvals",
            f"one person alone may do this: {', '.join(alone)}",
            "set approvals.required.* to 2 or more, and name the people in server.admins",
        )
    elif len(config.server.admins) < max(getattr(config.approvals.required, act) for act in _ACTS):
        yield warning(
            "settings.approvals",
            "approvals ask for more people than server.admins names",
            "name everybody who may approve in server.admins, or see that they have certificates of your own authority",
        )


def _identities(config: Config) -> Iterator[Finding]:
    if config.identity.client_authorities is None:
        yield warning(
            "settings.authority",
            "the server's own authority issues all identities, and its key lies in the home folder",
            "in production bring your own: identity.server_certificate, client_authorities (docs/identity.md)",
        )
    if not config.server.require_pq_tls:
        yield warning(
            "settings.pq-tls",
            "sessions without a post-quantum group are taken (server.require_pq_tls is off)",
            "set server.require_pq_tls = true, or see that each tenant's channel rules say what classical sessions may "
            "do (docs/channels.md)",
        )


def _database(config: Config, replicas: int) -> Iterator[Finding]:
    try:
        url = sa.make_url(config.database_url)
    except sa.exc.ArgumentError:
        yield problem("settings.database", "database.url is not a URL", "such as postgresql+psycopg://user@host/name")
        return
    is_sqlite = url.get_backend_name() == "sqlite"
    if is_sqlite and (replicas > 1 or config.edge.enabled):
        yield problem(
            "settings.database",
            "SQLite serves one process, and several are to share this database",
            "use PostgreSQL: database.url = postgresql+psycopg://...",
        )
    if not is_sqlite and url.password:
        yield warning(
            "settings.database",
            "database.url holds a password",
            "leave it out and set PGPASSFILE, or give the whole URL as HALLMARK__DATABASE__URL from a secret",
        )
    if not is_sqlite and not _is_local(url.host) and url.query.get("sslmode") not in {"verify-full", "verify-ca"}:
        yield warning(
            "settings.database",
            "the connection to the database is not verified (sslmode)",
            "add ?sslmode=verify-full&sslrootcert=FILE to database.url",
        )


def _log(config: Config) -> Iterator[Finding]:
    guard = config.path(config.log.guard_file)
    beside = [config.home, *_sqlite_folder(config)]
    if any(_device(guard.parent) == _device(folder) for folder in beside if _device(folder) is not None):
        yield warning(
            "settings.guard-file",
            f"{guard} is on the same volume as home or database: a restored backup takes it along",
            "put log.guard_file on another volume, and never restore it",
        )
    if config.log.witness_policy is None:
        yield warning(
            "settings.witnesses",
            "nobody witnesses the log: who has this server's keys could show two logs",
            "name witnesses in log.witness_policy (docs/log.md)",
        )


def _ports(config: Config) -> Iterator[Finding]:
    if config.observing.enabled and not _is_local(config.observing.address):
        yield warning(
            "settings.observing",
            f"metrics and health pages are open on {config.observing.address} to everybody who can reach it",
            "let only the scraper and the kubelet reach that port (a network policy)",
        )
    if config.ssf.enabled and not _is_local(config.ssf.address):
        yield warning(
            "settings.ssf",
            f"the SSF port on {config.ssf.address} speaks plain HTTP",
            "let it listen on 127.0.0.1 behind a proxy that has TLS",
        )
    if not _is_local(config.server.address) and set(config.server.host_names) <= {"localhost", "127.0.0.1", "::1"}:
        yield problem(
            "settings.host-names",
            f"the server listens on {config.server.address}, and its certificate names this machine only",
            "put the names clients use into server.host_names",
        )


def _probes(config: Config) -> Iterator[Finding]:
    if config.server.drain_notice_seconds == 0 and not _is_local(config.server.address):
        yield warning(
            "settings.drain",
            "a server that stops refuses calls before a load balancer has looked away (drain_notice_seconds is 0)",
            "set server.drain_notice_seconds to more than the probe's period, such as 5",
        )


def _is_local(host: str | None) -> bool:
    """Of this machine only. A Unix socket is."""
    if not host or host == "localhost" or host.startswith("/"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _sqlite_folder(config: Config) -> list[Path]:
    try:
        url = sa.make_url(config.database_url)
    except sa.exc.ArgumentError:
        return []
    return [Path(url.database).parent] if url.get_backend_name() == "sqlite" and url.database else []


def _device(folder: Path) -> int | None:
    """Of the nearest folder that is there: the others will be made in it."""
    for place in (folder.absolute(), *folder.absolute().parents):
        try:
            return place.stat().st_dev
        except OSError:
            continue
    return None
