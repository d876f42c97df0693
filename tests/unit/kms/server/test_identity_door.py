"""Certificate, token, or both: which counts where."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from kms.core.call import Channel
from kms.core.errors import Reason, ServiceError
from kms.core.identity import Caller, Role
from kms.server.identity_authorities import Authorities
from kms.server.identity_certificates import Certificates
from kms.server.identity_door import Identities
from kms.server.identity_jose import read_key_set
from kms.server.identity_jwks import IssuerKeys
from kms.server.identity_mapping import IssuerRules
from kms.server.identity_tokens import Issuer, Tokens
from kms.server.local_ca import LocalAuthority
from support.clock import START, FakeClock
from support.oidc_issuer import AUDIENCE, OidcIssuer, jwk_of, new_key, thumbprint

CHANNEL = Channel("ipv4:127.0.0.1:1", "TLSv1.3", "X25519MLKEM768")


class World:
    def __init__(self, home: Path) -> None:
        self.issuer = OidcIssuer()
        self.issuer.add_key()
        local = LocalAuthority(home, trust_domain="hallmark.test", now=START)
        self.pems = {role: (folder / "cert.pem").read_bytes() for role, folder in local.ensure_clients().items()}
        certificates = Certificates("hallmark.test")
        certificates.replace([Authorities("hallmark.test", (local.certificate,))], frozenset())
        rules = IssuerRules(
            name="corp",
            issuer=self.issuer.url,
            audiences=frozenset({AUDIENCE}),
            algorithms=frozenset({"ES256"}),
            tenant="acme",
            role=Role.AUDITOR,
        )
        self.keys = IssuerKeys("corp", lambda: read_key_set(self.issuer.key_set()), FakeClock())
        tokens = Tokens([Issuer(rules, self.keys)], trust_domain="hallmark.test", operator_tenant="default")
        self.door = Identities(certificates, tokens)

    async def caller(self, *, role: Role | None = None, token: str | None = None, headers: int = 1) -> Caller:
        auth = {} if role is None else {"x509_pem_cert": [self.pems[role]]}
        metadata = [("user-agent", "test")] + [("authorization", f"Bearer {token}")] * (headers if token else 0)
        return await self.door.identify(auth, lambda: tuple(metadata), CHANNEL, START)

    async def reason(self, **how: Any) -> Reason:
        with pytest.raises(ServiceError) as refused:
            await self.caller(**how)
        return refused.value.reason

    def token(self, **claims: Any) -> str:
        return self.issuer.token(now=START, **claims)

    def bound(self, role: Role, **claims: Any) -> str:
        return self.token(cnf={"x5t#S256": thumbprint(self.pems[role])}, **claims)


@pytest.fixture
async def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    await made.keys.refresh()
    return made


async def test_each_port_takes_its_own(world: World) -> None:
    assert (await world.caller(role=Role.ADMIN)).authentication == "mtls"
    caller = await world.caller(token=world.token())
    assert (caller.authentication, caller.tenant, caller.role) == ("oidc", "acme", Role.AUDITOR)
    assert await world.reason() is Reason.TOKEN_INVALID


async def test_a_bound_token_counts_with_its_certificate_only(world: World) -> None:
    token = world.bound(Role.BACKEND)
    caller = await world.caller(role=Role.BACKEND, token=token)
    with_certificate = await world.caller(role=Role.BACKEND)
    assert (caller.authentication, caller.tenant, caller.role) == ("mtls+oidc", "acme", Role.AUDITOR)
    assert caller.certificate == with_certificate.certificate != ""
    assert caller.expires == START + timedelta(seconds=630)
    assert await world.reason(role=Role.ADMIN, token=token) is Reason.TOKEN_NOT_BOUND
    assert await world.reason(token=token) is Reason.TOKEN_NOT_BOUND


async def test_a_token_beside_a_certificate_is_never_passed_over(world: World) -> None:
    assert await world.reason(role=Role.ADMIN, token=world.token()) is Reason.TOKEN_NOT_BOUND
    assert await world.reason(role=Role.ADMIN, token="a.b.c") is Reason.TOKEN_INVALID
    assert await world.reason(role=Role.ADMIN, token=world.bound(Role.ADMIN), headers=2) is Reason.TOKEN_INVALID


async def test_a_device_does_not_become_somebody_else(world: World) -> None:
    """Its standing is looked at by the name in its certificate: a token would shake it off."""
    assert await world.reason(role=Role.DEVICE, token=world.bound(Role.DEVICE)) is Reason.TOKEN_NOT_BOUND


async def test_a_bound_token_ends_with_the_certificate_too(world: World) -> None:
    far = START + timedelta(days=365, seconds=-60)
    token = world.issuer.token(now=far, cnf={"x5t#S256": thumbprint(world.pems[Role.BACKEND])})
    auth = {"x509_pem_cert": [world.pems[Role.BACKEND]]}
    caller = await world.door.identify(auth, lambda: (("authorization", f"Bearer {token}"),), CHANNEL, far)
    assert caller.expires == START + timedelta(days=365)


async def test_identities_are_distinct_whatever_the_way_in(world: World) -> None:
    ways = [
        await world.caller(role=Role.ADMIN),
        await world.caller(token=world.token(sub="admin")),
        await world.caller(token=world.token(sub="admin2")),
        await world.caller(token=world.token(sub="corp--admin")),
    ]
    assert len({caller.spiffe_id for caller in ways}) == len(ways)


async def test_another_key_under_the_same_name(world: World) -> None:
    other = OidcIssuer(keys={"k1": ("ES256", new_key("ES256"))})
    assert jwk_of(other.keys["k1"][1], "ES256", "k1") != json.loads(world.issuer.key_set())["keys"][0]
    assert await world.reason(token=other.token(now=START)) is Reason.TOKEN_INVALID
