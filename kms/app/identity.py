"""Who may call, as settings want it: certificates, tokens, and the files they rest on."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509

from kms.app.approvals import client_folders
from kms.config import Config, ConfigError
from kms.config_identity import IssuerConfig, TrustDomainConfig
from kms.core.clock import Clock
from kms.core.identity import Role
from kms.server.identity_authorities import Authorities, FileInvalid, read_authorities, read_crl
from kms.server.identity_certificates import Certificates
from kms.server.identity_door import Identities
from kms.server.identity_files import (
    CertificateKeeper,
    ServerCertificate,
    Sources,
    Watched,
    file_bytes,
    server_certificate,
)
from kms.server.identity_jwks import IssuerKeys, KeyLocation
from kms.server.identity_mapping import ClaimPath, IssuerRules, PathRule
from kms.server.identity_tokens import Issuer, Tokens
from kms.server.local_ca import LOCAL_TENANT, LocalAuthority

_FIRST_READ_SECONDS: Final = 5.0
_OF_THE_SERVICE: Final = frozenset({Role.DEVICE, Role.EDGE})


@dataclass(frozen=True, slots=True)
class Identity:
    """`door` goes to the guard, `keeper.current` to the gRPC server."""

    door: Identities
    keeper: CertificateKeeper
    issuers: tuple[Issuer, ...]

    def run(self, spawn: Callable[[Coroutine[None, None, None]], None]) -> None:
        """What goes on until the server stops: files are looked at, keys of issuers are read again."""
        spawn(self.keeper.keep())
        for issuer in self.issuers:
            spawn(issuer.keys.keep())


async def start_identity(config: Config, clock: Clock, authority: LocalAuthority) -> Identity:
    """Reads every file, and the keys of issuers unless they take too long: one may be away. Raises ConfigError."""
    now, domain, roles = clock.now(), config.server.trust_domain, _local_roles(config)

    def renewed(now: datetime) -> ServerCertificate:
        fresh = LocalAuthority(config.home, trust_domain=domain, now=now)
        client_folders(fresh, config)
        return server_certificate(*fresh.server_credentials(config.server.host_names), "the local certificate", now)

    def sources() -> Sources:
        local = Authorities(domain, (authority.certificate,), roles=roles)
        return _sources(
            config,
            server=_own_certificate(config, now) or Watched("the server's certificate", (), renewed, now),
            local=Watched("the local authority", (), lambda _: local, now),
            now=now,
        )

    return await _start(config, clock, sources)


async def start_edge_identity(config: Config, clock: Clock) -> Identity:
    """The same at an edge, which has no authority of its own: its certificate, and the authority's, lie in its profile.
    Raises ConfigError.
    """
    now, domain, roles = clock.now(), config.server.trust_domain, _local_roles(config)
    folder = config.path(config.edge.profile)
    certificate, key, authority = folder / "cert.pem", folder / "key.pem", folder / "ca.pem"

    def carried(now: datetime) -> ServerCertificate:
        return server_certificate(file_bytes(key), file_bytes(certificate), str(certificate), now)

    def trusted(_: datetime) -> Authorities:
        return Authorities(domain, read_authorities(file_bytes(authority), str(authority)), roles=roles)

    def sources() -> Sources:
        return _sources(
            config,
            server=_own_certificate(config, now) or Watched("the edge's certificate", (certificate, key), carried, now),
            local=Watched(f"the authority in {authority}", (authority,), trusted, now),
            now=now,
        )

    return await _start(config, clock, sources)


async def _start(config: Config, clock: Clock, read: Callable[[], Sources]) -> Identity:
    certificates = Certificates(config.server.trust_domain)
    try:
        sources = read()
        keeper = CertificateKeeper(sources, certificates, clock, look_seconds=config.identity.reload_seconds)
        issuers = tuple(_issuer(config, each, clock) for each in config.identity.issuers)
    except (FileInvalid, ValueError) as error:
        raise ConfigError(f"identity: {error}") from error
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_FIRST_READ_SECONDS):
            await asyncio.gather(*(issuer.keys.refresh() for issuer in issuers))
    tokens = Tokens(issuers, trust_domain=config.server.trust_domain, operator_tenant=LOCAL_TENANT)
    return Identity(Identities(certificates, tokens if issuers else None), keeper, issuers)


def _local_roles(config: Config) -> frozenset[Role]:
    """Beside the operator's own authorities, the local one stands for what the service itself admits."""
    return frozenset(Role) if config.identity.client_authorities is None else _OF_THE_SERVICE


def _sources(
    config: Config, *, server: Watched[ServerCertificate], local: Watched[Authorities], now: datetime
) -> Sources:
    return Sources(
        server=server,
        authorities=(local, *_other_authorities(config, now)),
        crls=tuple(_crl(config.path(name), now) for name in config.identity.crls),
    )


def _own_certificate(config: Config, now: datetime) -> Watched[ServerCertificate] | None:
    """The operator's, where settings name one."""
    settings = config.identity
    if settings.server_certificate is None or settings.server_key is None:
        return None
    certificate, key = config.path(settings.server_certificate), config.path(settings.server_key)

    def own(now: datetime) -> ServerCertificate:
        return server_certificate(file_bytes(key), file_bytes(certificate), f"{certificate} and {key}", now)

    return Watched("the server's certificate", (certificate, key), own, now)


def _other_authorities(config: Config, now: datetime) -> Iterator[Watched[Authorities]]:
    domain, settings = config.server.trust_domain, config.identity
    if settings.client_authorities is not None:
        yield _bundle(config.path(settings.client_authorities), domain, (), now)
    for each in settings.spiffe:
        if each.trust_domain == domain:
            raise ValueError(f"spiffe: {domain} is our own trust domain; use client_authorities for its authorities")
        yield _bundle(config.path(each.bundle), each.trust_domain, _rules(each), now)


def _bundle(path: Path, domain: str, rules: tuple[PathRule, ...], now: datetime) -> Watched[Authorities]:
    def read(_: datetime) -> Authorities:
        return Authorities(domain, read_authorities(file_bytes(path), str(path)), rules)

    return Watched(f"the authorities in {path}", (path,), read, now)


def _crl(path: Path, now: datetime) -> Watched[x509.CertificateRevocationList]:
    return Watched(f"the CRL {path}", (path,), lambda _: read_crl(file_bytes(path), str(path)), now)


def _rules(settings: TrustDomainConfig) -> tuple[PathRule, ...]:
    return tuple(PathRule(rule.path, rule.tenant, Role(rule.role), rule.name) for rule in settings.rules)


def _issuer(config: Config, settings: IssuerConfig, clock: Clock) -> Issuer:
    jwks = settings.jwks
    if jwks is not None and "://" not in jwks:
        jwks = str(config.path(jwks))
    keys = IssuerKeys(
        settings.name,
        KeyLocation(settings.issuer, jwks).read,
        clock,
        refresh_seconds=config.identity.jwks_refresh_seconds,
        stale_seconds=config.identity.jwks_stale_seconds,
    )
    return Issuer(_issuer_rules(settings), keys)


def _issuer_rules(settings: IssuerConfig) -> IssuerRules:
    return IssuerRules(
        name=settings.name,
        issuer=settings.issuer,
        audiences=frozenset(settings.audiences),
        algorithms=frozenset(settings.algorithms),
        types=frozenset(kind.lower().removeprefix("application/") for kind in settings.types),
        tenant=settings.tenant,
        tenant_claim=_path(settings.tenant_claim),
        tenants=frozenset(settings.tenants),
        role=None if settings.role is None else Role(settings.role),
        role_claim=_path(settings.role_claim),
        roles={value: Role(role) for value, role in settings.roles.items()},
        name_claim=_path(settings.name_claim),
        required={claim: value if isinstance(value, tuple) else (value,) for claim, value in settings.required.items()},
        lifetime_seconds_max=settings.lifetime_seconds_max,
        leeway_seconds=settings.leeway_seconds,
    )


def _path(claim: str | tuple[str, ...] | None) -> ClaimPath:
    return () if claim is None else (claim,) if isinstance(claim, str) else claim
