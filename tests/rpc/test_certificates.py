"""The operator's own certificates, changed, broken, expired and revoked while the server runs."""

import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from hallmark.v1 import log_pb2, log_pb2_grpc, revocation_pb2, revocation_pb2_grpc
from rpc.wire import PARENT, channel, read_refusal
from support.authorities import OtherAuthority, Workload
from support.service import RunningService, running_service

ALICE = "spiffe://hallmark.local/tenants/default/admin/alice"
FILES = ("server.pem", "server.key", "clients.pem", "crl.pem")


class OwnPki:
    """A service with the operator's files."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.root = OtherAuthority("company root", datetime.now(UTC))
        self.put_server(self.root.server("localhost"))
        self.put("clients.pem", self.root.pem)
        self.put("crl.pem", self.root.crl().public_bytes(Encoding.PEM))

    @property
    def settings(self) -> str:
        certificate, key, clients, crl = (self.home / name for name in FILES)
        return (
            f'[identity]\nreload_seconds = 0.2\nserver_certificate = "{certificate}"\nserver_key = "{key}"\n'
            f'client_authorities = "{clients}"\ncrls = ["{crl}"]\n'
        )

    def put(self, name: str, content: bytes) -> None:
        fresh = self.home / f"{name}.new"
        fresh.write_bytes(content)
        fresh.replace(self.home / name)

    def put_server(self, server: Workload) -> None:
        self.put("server.pem", server.pem)
        self.put("server.key", server.key_pem)

    @contextmanager
    def open(self, service: RunningService, who: Workload) -> Iterator[grpc.Channel]:
        tls = grpc.ssl_channel_credentials(self.root.pem, who.key_pem, who.chain_pem)
        options = (("grpc.use_local_subchannel_pool", 1),)
        with grpc.secure_channel(str(service.facts["address"]), tls, options=options) as opened:
            yield opened


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> OwnPki:
    return OwnPki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def own(pki: OwnPki) -> Iterator[RunningService]:
    with running_service(pki.home, settings=pki.settings) as running:
        yield running


def _get(opened: grpc.Channel) -> object:
    return log_pb2_grpc.LogServiceStub(opened).GetCheckpoint(log_pb2.GetCheckpointRequest(), timeout=20)


def _reason(opened: grpc.Channel) -> str:
    with pytest.raises(grpc.RpcError) as error:
        _get(opened)
    return read_refusal(error.value).reason


def _until(true: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _served(service: RunningService) -> bytes:
    """The certificate that a new connection is shown."""
    host, port = str(service.facts["address"]).split(":")
    return ssl.get_server_certificate((host, int(port))).strip().encode()


def test_a_new_server_certificate_is_shown_at_once_and_old_connections_live_on(
    own: RunningService, pki: OwnPki
) -> None:
    with pki.open(own, pki.root.workload(ALICE)) as before:
        assert _get(before)
        fresh = pki.root.server("localhost")
        pki.put_server(fresh)
        _until(lambda: _served(own) == fresh.pem.strip())
        assert _get(before)
        with pki.open(own, pki.root.workload(ALICE)) as after:
            assert _get(after)


def test_broken_files_change_nothing_and_are_told(own: RunningService, pki: OwnPki) -> None:
    served = _served(own)
    for name in FILES:
        before, good = own.log.count("was in force before stays"), (pki.home / name).read_bytes()
        pki.put(name, b"garbage")
        _until(lambda count=before: own.log.count("was in force before stays") > count)
        assert _served(own) == served
        with pki.open(own, pki.root.workload(ALICE)) as opened:
            assert _get(opened)
        pki.put(name, good)
    assert "PRIVATE" not in own.log


def test_the_local_authority_opens_nothing_for_people(own: RunningService, pki: OwnPki) -> None:
    local = own.home / "clients" / "admin"
    tls = grpc.ssl_channel_credentials(
        pki.root.pem, (local / "key.pem").read_bytes(), (local / "cert.pem").read_bytes()
    )
    with grpc.secure_channel(str(own.facts["address"]), tls) as opened:
        assert _reason(opened) == "CERTIFICATE_UNKNOWN"


def test_a_revoked_certificate_is_refused_on_open_connections_too(own: RunningService, pki: OwnPki) -> None:
    stolen, spare = pki.root.workload(ALICE), pki.root.workload(ALICE)
    with pki.open(own, stolen) as thief, pki.open(own, spare) as alice:
        assert _get(thief)
        assert _get(alice)
        pki.put("crl.pem", pki.root.crl(stolen.certificate).public_bytes(Encoding.DER))
        _until(lambda: not _works(thief))
        assert _reason(thief) == "CERTIFICATE_UNKNOWN"
        assert _get(alice)
        with pki.open(own, stolen) as again:
            assert _reason(again) == "CERTIFICATE_UNKNOWN"


def _works(opened: grpc.Channel) -> bool:
    try:
        return bool(_get(opened))
    except grpc.RpcError:
        return False


def test_expired_certificates(own: RunningService, pki: OwnPki) -> None:
    """TLS refuses them; on a connection from before we do, and streams end."""
    ended = pki.root.workload(ALICE, life=timedelta(minutes=-1))
    with pki.open(own, ended) as opened, pytest.raises(grpc.RpcError) as error:
        _get(opened)
    assert error.value.code() is grpc.StatusCode.UNAVAILABLE
    pki.root.now = datetime.now(UTC)
    brief = pki.root.workload(ALICE, life=timedelta(seconds=4))
    with pki.open(own, brief) as opened:
        watch = revocation_pb2_grpc.RevocationServiceStub(opened).WatchRevocations(
            revocation_pb2.WatchRevocationsRequest(parent=PARENT, heartbeat_interval={"seconds": 1}), timeout=60
        )
        assert next(watch)
        assert _get(opened)
        with pytest.raises(grpc.RpcError) as error:
            for _ in watch:
                pass
        assert read_refusal(error.value).reason == "CERTIFICATE_UNKNOWN"
        assert datetime.now(UTC) >= brief.certificate.not_valid_after_utc
        assert _reason(opened) == "CERTIFICATE_UNKNOWN"


def test_the_local_certificate_works_without_any_setting(service: RunningService) -> None:
    with channel(service, "auditor") as opened:
        assert _get(opened)


def test_files_that_can_not_be_used_stop_the_start_with_a_sentence(tmp_path: Path) -> None:
    pki = OwnPki(tmp_path)
    pki.put("server.key", b"garbage")
    with (
        pytest.raises(RuntimeError, match=r"server\.key: no certificate and unencrypted private key"),
        running_service(tmp_path, settings=pki.settings),
    ):
        pass
