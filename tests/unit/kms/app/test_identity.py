"""Settings of who may call, and what they become."""

from pathlib import Path
from typing import Any

import pytest

from kms.app.identity import start_identity
from kms.config import ConfigError, load_config
from kms.core.identity import Role
from kms.server.identity_files import file_bytes
from kms.server.local_ca import LocalAuthority
from support.authorities import OtherAuthority
from support.clock import START, FakeClock
from support.oidc_issuer import AUDIENCE, OidcIssuer

ISSUER = {
    "name": "corp",
    "issuer": "https://issuer.example",
    "audiences": [AUDIENCE],
    "tenant": "acme",
    "role": "admin",
}
RULE = {"path": "/ns/*", "tenant": "acme", "role": "backend", "name": "x-{1}"}


def _config(home: Path, **identity: Any):
    return load_config(environment={}, overrides={"home": home, "identity": identity})


async def _started(home: Path, **identity: Any):
    config, clock = _config(home, **identity), FakeClock()
    return await start_identity(config, clock, LocalAuthority(home, trust_domain="hallmark.local", now=clock.now()))


async def test_without_settings_the_local_authority_is_all(tmp_path: Path) -> None:
    identity = await _started(tmp_path)
    pem = (tmp_path / "clients" / "admin" / "cert.pem").read_bytes()
    assert identity.door.certificates.identify({"x509_pem_cert": [pem]}, START).caller.role is Role.ADMIN
    assert identity.door.tokens is None
    assert identity.keeper.current.certificate == file_bytes(tmp_path / "tls" / "server.pem")
    assert identity.keeper.current.client_authority == file_bytes(tmp_path / "tls" / "ca.pem")


async def test_an_issuer_with_its_keys_in_a_file_of_the_home_folder(tmp_path: Path) -> None:
    issuer = OidcIssuer()
    issuer.add_key()
    (tmp_path / "keys.json").write_bytes(issuer.key_set())
    identity = await _started(tmp_path, issuers=[ISSUER | {"jwks": "keys.json"}])
    assert identity.door.tokens is not None
    caller = identity.door.tokens.verify(issuer.token(now=START), START).caller
    assert (caller.tenant, caller.role) == ("acme", Role.ADMIN)


async def test_beside_other_authorities_the_local_one_is_for_devices(tmp_path: Path) -> None:
    mine, other = OtherAuthority("mine", START), OtherAuthority("other", START)
    (tmp_path / "mine.pem").write_bytes(mine.pem)
    (tmp_path / "other.pem").write_bytes(other.pem)
    federated = {"trust_domain": "other.example", "bundle": "other.pem", "rules": [RULE]}
    identity = await _started(tmp_path, client_authorities="mine.pem", spiffe=[federated])
    callers = [
        mine.workload("spiffe://hallmark.local/tenants/default/admin/alice"),
        other.workload("spiffe://other.example/ns/api"),
    ]
    found = [identity.door.certificates.identify({"x509_pem_cert": [each.pem]}, START).caller for each in callers]
    assert [(caller.tenant, caller.name) for caller in found] == [("default", "alice"), ("acme", "x-api")]
    local = (tmp_path / "clients" / "device" / "cert.pem").read_bytes()
    assert identity.door.certificates.identify({"x509_pem_cert": [local]}, START).caller.role is Role.DEVICE


@pytest.mark.parametrize(
    ("identity", "said"),
    [
        ({"token_port": 0}, "token_port needs issuers"),
        ({"server_key": "k"}, "go together"),
        ({"issuers": [ISSUER, ISSUER]}, "twice"),
        ({"issuers": [ISSUER | {"name": "a--b"}]}, "name"),
        ({"issuers": [ISSUER | {"audiences": []}]}, "audiences"),
        ({"issuers": [ISSUER | {"algorithms": ["none"]}]}, "algorithms"),
        ({"issuers": [ISSUER | {"algorithms": ["HS256"]}]}, "algorithms"),
        ({"issuers": [ISSUER | {"role": "device"}]}, "role"),
        ({"issuers": [ISSUER | {"role": "edge"}]}, "role"),
        ({"issuers": [ISSUER | {"role_claim": "r", "roles": {"x": "admin"}}]}, "either role or role_claim"),
        ({"issuers": [ISSUER | {"tenant_claim": "t"}]}, "either tenant or tenant_claim"),
        ({"issuers": [ISSUER | {"tenants": ["acme"]}]}, "tenant_claim"),
        ({"issuers": [ISSUER | {"leeway_seconds": 61}]}, "leeway_seconds"),
        ({"spiffe": [{"trust_domain": "x", "bundle": "b", "rules": []}]}, "rules"),
        ({"spiffe": [{"trust_domain": "x", "bundle": "b", "rules": [RULE | {"role": "device"}]}]}, "role"),
    ],
    ids=str,
)
def test_settings_that_make_no_sense(tmp_path: Path, identity: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        _config(tmp_path, **identity)


@pytest.mark.parametrize(
    ("identity", "said"),
    [
        ({"issuers": [ISSUER | {"issuer": "http://issuer.example"}]}, "https"),
        ({"issuers": [ISSUER | {"jwks": "http://issuer.example/keys"}]}, "https"),
        ({"spiffe": [{"trust_domain": "hallmark.local", "bundle": "b", "rules": [RULE]}]}, "our own trust domain"),
        ({"spiffe": [{"trust_domain": "x", "bundle": "none.pem", "rules": [RULE]}]}, r"none\.pem can not be read"),
        ({"client_authorities": "none.pem"}, r"none\.pem can not be read"),
        ({"crls": ["none.crl"]}, r"none\.crl can not be read"),
        ({"server_certificate": "a", "server_key": "b"}, "can not be read"),
    ],
    ids=str,
)
async def test_what_can_not_be_used_is_said_at_the_start(tmp_path: Path, identity: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        await _started(tmp_path, **identity)


async def test_a_name_with_stars_there_are_not(tmp_path: Path) -> None:
    (tmp_path / "b.pem").write_bytes(OtherAuthority("b", START).pem)
    rules = [RULE | {"name": "x-{2}"}]
    with pytest.raises(ConfigError, match="stars of"):
        await _started(tmp_path, spiffe=[{"trust_domain": "x", "bundle": "b.pem", "rules": rules}])


async def test_the_local_certificate_is_renewed_while_the_service_runs(tmp_path: Path) -> None:
    config, clock = _config(tmp_path), FakeClock()
    identity = await start_identity(
        config, clock, LocalAuthority(tmp_path, trust_domain="hallmark.local", now=clock.now())
    )
    before, client = identity.keeper.current, (tmp_path / "clients" / "admin" / "cert.pem").read_bytes()
    clock.advance(300 * 86400)
    assert not await identity.keeper.look()
    clock.advance(40 * 86400)
    assert await identity.keeper.look()
    assert identity.keeper.current.certificate != before.certificate
    assert (tmp_path / "clients" / "admin" / "cert.pem").read_bytes() != client
