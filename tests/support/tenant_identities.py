"""Identities of other tenants at a running service, from the local authority in its home folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import grpc

from hallmark_client import Client, Profile
from kms.core.identity import Role
from kms.server.local_ca import LocalAuthority
from rpc.wire import credentials
from support.service import RunningService


def identity(service: RunningService, tenant: str, role: Role = Role.ADMIN, name: str = "") -> Path:
    """Its folder."""
    authority = LocalAuthority(service.home, trust_domain="hallmark.local", now=datetime.now(UTC))
    return authority.ensure_client(tenant, role, name or role.value)


@contextmanager
def tenant_channel(
    service: RunningService,
    tenant: str,
    role: Role = Role.ADMIN,
    name: str = "",
    options: tuple[tuple[str, int], ...] = (),
) -> Iterator[grpc.Channel]:
    address = str(service.facts["address"])
    with grpc.secure_channel(address, credentials(identity(service, tenant, role, name)), options) as channel:
        yield channel


def tenant_client(service: RunningService, tenant: str, role: Role = Role.ADMIN, name: str = "") -> Client:
    folder = identity(service, tenant, role, name)
    profile = Profile(
        address=str(service.facts["address"]),
        ca_pem=(folder / "ca.pem").read_bytes(),
        cert_pem=(folder / "cert.pem").read_bytes(),
        key_pem=(folder / "key.pem").read_bytes(),
        tenant=tenant,
    )
    return Client(profile, timeout_seconds=20)
