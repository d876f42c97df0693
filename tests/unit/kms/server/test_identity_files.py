"""Certificates that change while the server runs, and files that are broken meanwhile."""

import logging
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from kms.core.errors import Unauthenticated
from kms.server.identity_authorities import Authorities, FileInvalid, read_authorities, read_crl
from kms.server.identity_certificates import Certificates
from kms.server.identity_files import CertificateKeeper, Sources, Watched, file_bytes, server_certificate
from support.authorities import OtherAuthority, Workload
from support.clock import START, FakeClock

DOMAIN = "hallmark.test"
ALICE = f"spiffe://{DOMAIN}/tenants/default/admin/alice"


class World:
    """An operator's own certificates in files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = FakeClock()
        self.root = OtherAuthority("root", START)
        self.put_server(self.root.server("localhost"))
        self.put("clients.pem", self.root.pem)
        self.put("crl.pem", self.root.crl().public_bytes(Encoding.PEM))
        self.certificates = Certificates(DOMAIN)
        self.keeper = CertificateKeeper(self._sources(), self.certificates, self.clock)

    def put(self, name: str, content: bytes) -> None:
        """As tools do it: another file takes the name."""
        fresh = self.folder / f"{name}.new"
        fresh.write_bytes(content)
        fresh.replace(self.folder / name)

    def put_server(self, server: Workload) -> None:
        self.put("server.pem", server.pem)
        self.put("server.key", server.key_pem)

    def identify(self, pem: bytes) -> str:
        return self.certificates.identify({"x509_pem_cert": [pem]}, self.clock.now()).caller.name

    def _sources(self) -> Sources:
        certificate, key, clients, crl = (
            self.folder / name for name in ("server.pem", "server.key", "clients.pem", "crl.pem")
        )
        now = self.clock.now()
        return Sources(
            Watched(
                "the server's certificate",
                (certificate, key),
                lambda now: server_certificate(file_bytes(key), file_bytes(certificate), "server", now),
                now,
            ),
            (
                Watched(
                    "clients.pem",
                    (clients,),
                    lambda _: Authorities(DOMAIN, read_authorities(file_bytes(clients), "clients")),
                    now,
                ),
            ),
            (Watched("crl.pem", (crl,), lambda _: read_crl(file_bytes(crl), "crl"), now),),
        )


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def test_a_new_certificate_is_taken_up(world: World) -> None:
    before = world.keeper.current
    assert not await world.keeper.look()
    assert world.keeper.current is before, "each handshake compares by identity"
    fresh = world.root.server("localhost", life=timedelta(days=20))
    world.put_server(fresh)
    assert await world.keeper.look()
    assert (world.keeper.current.certificate, world.keeper.current.private_key) == (fresh.pem, fresh.key_pem)
    assert world.keeper.server_expires == fresh.certificate.not_valid_after_utc
    assert (world.keeper.changes, world.keeper.failures) == (1, 0)


@pytest.mark.parametrize("name", ["server.pem", "server.key", "clients.pem", "crl.pem"])
@pytest.mark.parametrize("content", [b"", b"garbage", b"-----BEGIN CERTIFICATE-----\n", None], ids=str)
async def test_a_broken_file_changes_nothing_and_is_told_once(
    world: World, name: str, content: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    before = world.keeper.current
    if content is None:
        (world.folder / name).unlink()
    else:
        world.put(name, content)
    with caplog.at_level(logging.WARNING):
        assert not await world.keeper.look()
        assert not await world.keeper.look()
    assert world.keeper.current is before
    assert world.keeper.failures == 1
    assert len([line for line in caplog.messages if "stays" in line]) == 1
    assert "PRIVATE" not in caplog.text


async def test_half_of_a_pair_waits_for_the_other(world: World) -> None:
    before, fresh = world.keeper.current, world.root.server("localhost")
    world.put("server.pem", fresh.pem)
    assert not await world.keeper.look()
    assert world.keeper.current is before
    world.put("server.key", fresh.key_pem)
    assert await world.keeper.look()
    assert world.keeper.current.certificate == fresh.pem


async def test_a_broken_crl_does_not_hold_up_a_new_certificate(world: World) -> None:
    world.put("crl.pem", b"garbage")
    fresh = world.root.server("localhost")
    world.put_server(fresh)
    assert await world.keeper.look()
    assert world.keeper.current.certificate == fresh.pem


async def test_an_expired_certificate_is_not_taken_up(world: World) -> None:
    before = world.keeper.current
    world.put_server(world.root.server("localhost", life=timedelta(hours=-1)))
    assert not await world.keeper.look()
    assert world.keeper.current is before


async def test_authorities_come_and_go(world: World) -> None:
    alice, late = world.root.workload(ALICE), OtherAuthority("next root", START)
    newcomer = late.workload(ALICE.replace("alice", "bob"))
    assert world.identify(alice.pem) == "alice"
    world.put("clients.pem", world.root.pem + late.pem)
    assert await world.keeper.look()
    assert world.identify(newcomer.pem) == "bob"
    assert world.keeper.current.client_authority == world.root.pem + late.pem


async def test_a_crl_takes_effect_at_the_next_look(world: World) -> None:
    alice, bob = world.root.workload(ALICE), world.root.workload(ALICE.replace("alice", "bob"))
    assert world.identify(alice.pem) == "alice"
    world.put("crl.pem", world.root.crl(alice.certificate).public_bytes(Encoding.DER))
    assert await world.keeper.look()
    with pytest.raises(Unauthenticated, match="revoked"):
        world.identify(alice.pem)
    assert world.identify(bob.pem) == "bob"


async def test_a_crl_of_a_stranger_takes_nothing_back_and_gives_nothing_back(world: World) -> None:
    alice = world.root.workload(ALICE)
    world.put("crl.pem", world.root.crl(alice.certificate).public_bytes(Encoding.PEM))
    await world.keeper.look()
    world.put("crl.pem", OtherAuthority("root", START).crl().public_bytes(Encoding.PEM))
    await world.keeper.look()
    assert world.keeper.failures == 1
    with pytest.raises(Unauthenticated, match="revoked"):
        world.identify(alice.pem)


async def test_what_comes_of_no_file_is_asked_for_every_hour() -> None:
    made = []
    root = OtherAuthority("root", START)

    def make(now):
        made.append(now)
        server = root.server("localhost")
        return server_certificate(server.key_pem, server.pem, "local", now)

    watched = Watched("local", (), make, START)
    assert not watched.look(START + timedelta(minutes=59))
    assert watched.look(START + timedelta(minutes=61))
    assert len(made) == 2


async def test_the_end_that_is_near_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    world = World(tmp_path)
    with caplog.at_level(logging.WARNING):
        world.put_server(world.root.server("localhost", life=timedelta(days=6)))
        assert await world.keeper.look()
    assert any("the server's certificate ends" in line for line in caplog.messages)


def test_what_can_not_be_used_at_the_start_stops_it(world: World) -> None:
    world.put("crl.pem", OtherAuthority("root", START).crl().public_bytes(Encoding.PEM))
    with pytest.raises(FileInvalid):
        CertificateKeeper(world._sources(), world.certificates, world.clock)
    (world.folder / "server.key").unlink()
    with pytest.raises(FileInvalid):
        world._sources()


async def test_the_end_is_told_once_when_it_is_near_and_once_when_it_is_there(world: World, caplog) -> None:
    """Also of a file that nobody touches."""
    for days, told in ((0, 0), (4, 1), (0, 1), (7, 2), (1, 2)):
        world.clock.advance(timedelta(days=days).total_seconds())
        await world.keeper.look()
        assert len([line for line in caplog.messages if "the server's certificate end" in line]) == told
    assert "clients refuse new connections" in caplog.messages[-1]
    assert caplog.records[-1].levelname == "ERROR"
