"""X509-SVIDs of our own trust domain and of others: who may make whom, until when, and what is taken back."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from kms.core.call import Channel
from kms.core.errors import Reason, Unauthenticated
from kms.core.identity import Caller, Role
from kms.server.identity_authorities import (
    Authorities,
    FileInvalid,
    certificate_id,
    read_authorities,
    read_crl,
    revoked_of,
)
from kms.server.identity_certificates import KNOWN_MAX, Certificates
from kms.server.identity_door import Identities, ended
from kms.server.identity_mapping import PathRule
from kms.server.local_ca import LocalAuthority, key_usage
from support.authorities import OtherAuthority, Workload
from support.clock import START

DOMAIN = "hallmark.test"
OWN_NAME = f"spiffe://{DOMAIN}/tenants/default/admin/alice"
RULES = (
    PathRule("/ns/payments/sa/*", "acme", Role.BACKEND, "payments-{1}"),
    PathRule("/ns/*/sa/watch", "acme", Role.AUDITOR, "{1}-watch"),
)


class World:
    """Our own domain with its local authority, and two others that are federated."""

    def __init__(self, home: Path) -> None:
        self.local = LocalAuthority(home, trust_domain=DOMAIN, now=START)
        self.clients = self.local.ensure_clients()
        self.other = OtherAuthority("other root", START)
        self.third = OtherAuthority("third root", START)
        self.certificates = Certificates(DOMAIN)
        self.authorities = [
            Authorities(DOMAIN, (self.local.certificate,)),
            Authorities("other.example", (self.other.certificate,), RULES),
            Authorities("third.example", (self.third.certificate,), RULES),
        ]
        self.replace()

    def replace(self, revoked: frozenset[str] = frozenset()) -> None:
        self.certificates.replace(self.authorities, revoked)

    def caller(self, pem: bytes, *, chain: bytes = b"", now=START) -> Caller:
        auth = {"x509_pem_cert": [pem], **({"x509_pem_cert_chain": [chain]} if chain else {})}
        return self.certificates.identify(auth, now).caller

    def refused(self, workload: Workload, **more: Any) -> str:
        with pytest.raises(Unauthenticated) as refused:
            self.caller(workload.pem, **more)
        assert refused.value.reason is Reason.CERTIFICATE_UNKNOWN
        return str(refused.value)

    def admin_pem(self) -> bytes:
        return (self.clients[Role.ADMIN] / "cert.pem").read_bytes()


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_our_own_people(world: World) -> None:
    caller = world.caller(world.admin_pem())
    assert (caller.tenant, caller.role, caller.name, caller.authentication) == ("default", Role.ADMIN, "admin", "mtls")
    leaf = x509.load_pem_x509_certificate(world.admin_pem())
    assert caller.expires == leaf.not_valid_after_utc
    assert caller.certificate == certificate_id(DOMAIN, leaf)


def test_workloads_of_others_are_who_a_rule_says(world: World) -> None:
    uri = "spiffe://other.example/ns/payments/sa/api"
    caller = world.caller(world.other.workload(uri).pem)
    assert caller == Caller(
        uri,
        "acme",
        Role.BACKEND,
        "payments-api",
        expires=caller.expires,
        certificate=caller.certificate,
    )
    watch = world.caller(world.other.workload("spiffe://other.example/ns/prod/sa/watch", dns="pod.local").pem)
    assert (watch.role, watch.name) == (Role.AUDITOR, "prod-watch")
    for path in ("/ns/billing/sa/api", "/ns/payments/sa/UP", "/ns/payments/sa/a--b", "/"):
        assert world.refused(world.other.workload(f"spiffe://other.example{path}"))


def test_no_authority_speaks_for_a_domain_that_is_not_its_own(world: World) -> None:
    """TLS trusts all of them: what stops this is here."""
    for uri in (OWN_NAME, "spiffe://third.example/ns/payments/sa/api"):
        assert "may vouch" in world.refused(world.other.workload(uri))
    assert world.refused(OtherAuthority("other root", START).workload())  # the same name, another key
    assert world.refused(world.other.workload("spiffe://unknown.example/ns/payments/sa/api"))
    assert world.refused(world.other.workload("spiffe://other.example.evil/ns/payments/sa/api"))


def test_intermediates_come_with_the_client_or_in_the_bundle(world: World) -> None:
    between = OtherAuthority("between", START, world.other)
    workload = between.workload()
    assert "may vouch" in world.refused(workload)
    assert world.caller(workload.pem, chain=between.pem).name == "payments-api"
    world.replace()
    assert world.caller(workload.pem, chain=workload.chain_pem).name == "payments-api", "with the leaf in it too"
    world.authorities[1] = Authorities("other.example", (world.other.certificate, between.certificate), RULES)
    world.replace()
    assert world.caller(workload.pem).name == "payments-api"
    foreign = OtherAuthority("between", START, OtherAuthority("evil", START)).workload()
    assert world.refused(foreign, chain=foreign.chain_pem)


def test_a_caller_ends_with_the_first_certificate_of_the_chain_that_does(world: World) -> None:
    between = OtherAuthority("between", START, world.other, life=timedelta(minutes=5))
    workload = between.workload(life=timedelta(hours=1))
    caller = world.caller(workload.pem, chain=between.pem)
    assert caller.expires == between.certificate.not_valid_after_utc
    late = START + timedelta(minutes=5)
    assert "expired" in world.refused(workload, chain=between.pem, now=late)
    world.replace()
    assert world.refused(workload, chain=between.pem, now=late + timedelta(seconds=1))


def _usage(**changes: bool) -> x509.KeyUsage:
    usage = key_usage(ca=False)
    names = ("digital_signature", "key_cert_sign", "crl_sign", "key_encipherment")
    given = {name: getattr(usage, name) for name in names} | changes
    return x509.KeyUsage(
        **given,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"is_authority": True},
        {"usage": _usage(digital_signature=False, key_encipherment=True)},
        {"usage": _usage(key_cert_sign=True)},
        {"usage": _usage(crl_sign=True)},
    ],
    ids=range(4),
)
def test_what_is_no_svid(world: World, wrong: dict[str, Any]) -> None:
    assert "X509-SVID" in world.refused(world.other.workload(**wrong))


def test_one_uri_and_no_more(world: World) -> None:
    good = "spiffe://other.example/ns/payments/sa/api"
    for uris in ((good, OWN_NAME), (good, good), (good, "https://other.example/")):
        assert "exactly one URI" in world.refused(world.other.workload(*uris))
    assert world.refused(world.other.workload(f"{good}?a"))
    assert world.refused(world.other.workload(f"{good}/{'a' * 400}"))


def test_garbage_is_no_certificate(world: World) -> None:
    for pem in (b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", b"\xff" * 100):
        with pytest.raises(Unauthenticated):
            world.caller(pem)


def test_names_of_token_callers_are_not_for_certificates(world: World) -> None:
    world.authorities[0] = Authorities(DOMAIN, (world.other.certificate,))
    world.replace()
    assert world.caller(world.other.workload(OWN_NAME).pem)
    assert "tokens only" in world.refused(world.other.workload(f"spiffe://{DOMAIN}/tenants/acme/admin/corp--x"))


def test_beside_an_operators_own_authority_the_local_one_makes_devices_only(world: World) -> None:
    mine = OtherAuthority("our company", START)
    services = frozenset({Role.DEVICE, Role.EDGE})
    world.authorities[0] = Authorities(DOMAIN, (world.local.certificate,), roles=services)
    world.authorities.append(Authorities(DOMAIN, (mine.certificate,)))
    world.replace()
    assert world.caller(mine.workload(OWN_NAME).pem).role is Role.ADMIN
    assert world.caller((world.clients[Role.DEVICE] / "cert.pem").read_bytes()).role is Role.DEVICE
    with pytest.raises(Unauthenticated, match="may vouch"):
        world.caller(world.admin_pem())


def test_with_one_authority_tls_has_done_it_all(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Authorities, "chain_of", lambda *_: pytest.fail("verified again"))
    world.authorities = world.authorities[:1]
    world.replace()
    assert world.caller(world.admin_pem())


def test_what_a_crl_names_is_refused_at_once_and_in_open_streams(world: World) -> None:
    workload, spared = world.other.workload(), world.other.workload()
    caller, neighbour = world.caller(workload.pem), world.caller(spared.pem)
    door = Identities(world.certificates, None)
    door.check_still(caller, START)
    world.replace(revoked_of(world.other.crl(workload.certificate), world.authorities, "crl"))
    assert "revoked" in world.refused(workload)
    assert world.caller(spared.pem) == neighbour
    with pytest.raises(Unauthenticated, match="revoked"):
        door.check_still(caller, START)
    door.check_still(neighbour, START)


def test_a_revoked_intermediate_takes_its_workloads_along(world: World) -> None:
    between = OtherAuthority("between", START, world.other)
    workload = between.workload()
    world.replace(revoked_of(world.other.crl(between.certificate), world.authorities, "crl"))
    assert "revoked" in world.refused(workload, chain=between.pem)


def test_one_domains_crl_takes_nothing_from_another(world: World) -> None:
    workload = world.third.workload("spiffe://third.example/ns/payments/sa/api")
    world.replace(revoked_of(world.other.crl(workload.certificate), world.authorities, "crl"))
    assert world.caller(workload.pem)


def test_crls_of_strangers_and_partial_ones(world: World) -> None:
    with pytest.raises(FileInvalid, match="none of the authorities"):
        revoked_of(OtherAuthority("other root", START).crl(), world.authorities, "crl")
    for encoding in (Encoding.PEM, Encoding.DER):
        whole = world.other.crl()
        assert read_crl(whole.public_bytes(encoding), "crl") == whole
        with pytest.raises(FileInvalid, match="delta"):
            read_crl(world.other.crl(delta=True).public_bytes(encoding), "crl")
    for data in (b"", b"-----BEGIN X509 CRL-----\n", b"\x30\x00", b"0" * ((16 << 20) + 1)):
        with pytest.raises(FileInvalid):
            read_crl(data, "crl")


def test_bundles_hold_authorities(world: World) -> None:
    assert read_authorities(world.other.pem + world.third.pem, "f") == (
        world.other.certificate,
        world.third.certificate,
    )
    for data in (b"", world.other.workload().pem, b"x" * ((1 << 20) + 1), world.other.pem + world.admin_pem()):
        with pytest.raises(FileInvalid):
            read_authorities(data, "f")


def test_streams_end_with_what_let_them_in(world: World) -> None:
    door, caller = Identities(world.certificates, None), world.caller(world.other.workload().pem)
    assert caller.expires is not None
    door.check_still(caller, caller.expires - timedelta(seconds=1))
    with pytest.raises(Unauthenticated) as refused:
        door.check_still(caller, caller.expires)
    assert refused.value.reason is Reason.CERTIFICATE_UNKNOWN
    with_token = Caller("x", "acme", Role.BACKEND, "n", authentication="oidc", expires=START)
    assert ended(with_token).reason is Reason.TOKEN_EXPIRED


async def test_without_issuers_metadata_is_not_read(world: World) -> None:
    door = Identities(world.certificates, None)
    auth = {"x509_pem_cert": [world.admin_pem()]}
    channel = Channel("p", "TLSv1.3", "X25519MLKEM768")
    caller = await door.identify(auth, lambda: pytest.fail("read"), channel, START)
    assert caller.name == "admin"
    assert KNOWN_MAX >= 10_000, "a fleet's certificates are read once each"
