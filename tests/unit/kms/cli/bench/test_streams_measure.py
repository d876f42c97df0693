"""The load client and its numbers, against the bare server: real processes, few subscribers."""

import math
import resource
import ssl
import time
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509

from kms.cli.bench.streams_descriptors import take_descriptors
from kms.cli.bench.streams_identities import make_identities
from kms.cli.bench.streams_measure import StreamsPlan, measure_streams
from kms.cli.bench.streams_report import HEADER, StreamsReport
from kms.cli.bench.streams_service import PARENT, Floor, floor
from kms.cli.failure import CommandError

PLAN = StreamsPlan(subscribers=7, events=3, reconnect=True, idle_seconds=0.2, clients=2, settle_seconds=0.1)


def quiet(_: str) -> None:
    """Nobody watches a test."""


def test_every_subscriber_gets_every_event_once_and_comes_back(tmp_path: Path) -> None:
    identities = tmp_path / "identities"
    make_identities(identities, home=tmp_path / "home", count=PLAN.subscribers)
    with floor(tmp_path / "home", "--guard") as server:
        found = measure_streams(server, PLAN, name="x", identities=identities, parent=PARENT, say=quiet)
    assert (found.cancelled, found.lost, found.duplicated, found.causes) == (0, 0, 0, {})
    assert found.mtls
    assert 0 < found.fanout_p50_ms <= found.fanout_p99_ms < 5000
    assert found.reconnect_s is not None
    assert found.delivery_cpu_us > 0
    assert found.delivered == [PLAN.subscribers * PLAN.events]
    assert found.server_fanout_ms is not None
    assert 0 < found.server_fanout_ms < found.fanout_last_ms
    document = StreamsReport(cores=2, found=found).to_dict()
    assert document.keys() >= {
        "subscribers",
        "rss_per_stream_kib",
        "connect_s",
        "cancelled",
        "fanout_p50_ms",
        "fanout_p99_ms",
        "lost",
        "duplicated",
    }
    assert len(found.row()) == len(HEADER)


class Dying(Floor):
    """Ends itself instead of publishing."""

    def publish(self) -> float:
        self.child.kill()
        self.child.wait()
        return time.monotonic()


def test_streams_that_end_and_events_that_do_not_come_are_counted(tmp_path: Path) -> None:
    plan = replace(PLAN, reconnect=False, collect_seconds=0.3)
    with floor(tmp_path, "--plaintext") as server:
        dying = Dying(server.child, server.address)
        found = measure_streams(dying, plan, name="x", identities=None, parent=PARENT, say=quiet)
    assert found.cancelled == PLAN.subscribers
    assert found.lost == PLAN.subscribers * PLAN.events
    assert found.fanout_p99_ms == math.inf
    assert found.to_dict()["fanout_p99_ms"] is None


def test_a_server_that_lets_nobody_in_is_said_at_once(tmp_path: Path) -> None:
    identities = tmp_path / "identities"
    make_identities(identities, home=tmp_path / "strangers", count=PLAN.subscribers)
    (identities / "ca.pem").write_bytes(server_authority(tmp_path / "home"))
    with floor(tmp_path / "home") as server, pytest.raises(CommandError, match="no subscriber came") as told:
        measure_streams(server, PLAN, name="x", identities=identities, parent=PARENT, say=quiet)
    assert told.value.reason == "NO_STREAMS"


def server_authority(home: Path) -> bytes:
    make_identities(home.with_name("unused"), home=home, count=0)
    return (home / "tls" / "ca.pem").read_bytes()


def test_each_identity_is_another_device_of_the_authority(tmp_path: Path) -> None:
    made = make_identities(tmp_path / "identities", home=tmp_path / "home", count=2)
    assert len({identity.device for identity in made}) == 2
    context = ssl.create_default_context(cafile=str(tmp_path / "identities" / "ca.pem"))
    for number, identity in enumerate(made):
        file = tmp_path / "identities" / f"{number}.pem"
        context.load_cert_chain(file)
        certificate = x509.load_pem_x509_certificate(file.read_bytes())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        (uri,) = names.get_values_for_type(x509.UniformResourceIdentifier)
        assert uri.endswith(f"/device/d-{identity.device.id}")


def test_too_few_descriptors_are_said_before_anything_starts() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    take_descriptors(10)
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)
    if hard != resource.RLIM_INFINITY:
        with pytest.raises(CommandError, match="descriptors") as told:
            take_descriptors(hard + 1)
        assert "ulimit -Hn" in told.value.advice
