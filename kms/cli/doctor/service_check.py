"""What the API says of itself: our identity, the group of our session, its HSM, its parts, its clock, its feeds."""

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from grpc_health.v1 import health_pb2

from hallmark_client.client import Client
from hallmark_client.errors import HallmarkError, NotFound
from hallmark_client.grpc_transport import GrpcTransport
from hallmark_client.model.capabilities import Capabilities
from hallmark_client.model.revocations import Heartbeat
from hallmark_client.profile import Profile
from hallmark_client.rpc_type import Rpc
from hallmark_client.watch.service_keys import ServiceKeys
from kms.cli.doctor.finding import Finding, ok, problem, warning
from kms.cli.failure import explain

SKEW_MAX: Final = timedelta(seconds=5)
"""Leases and challenges are short; kms.core.clock.CLOCK_SKEW_MAX is what replicas bear between them."""
_HEALTH: Final = Rpc("/grpc.health.v1.Health/Check", health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse)
_PARTS: Final = {
    "": "the process does not take calls",
    "database": "the database can not be used",
    "writes": "nothing can be stored, or only slowly",
    "hsm": "the HSM can not be used",
    "log": "log entries get no proofs",
}
_ADVICE: Final = {
    "": "it is starting or closing: try again, and look into its log",
    "database": "check that the database runs and that the server reaches it; its log says more",
    "writes": "see whether the database's disk is full or slow; the server's log says more",
    "hsm": "`hallmark hsm doctor` beside the server says what is wrong with the token",
    "log": "the server's log says why: the HSM, witnesses (log.witness_mode closed), or a full disk",
}


def check_identity(client: Client) -> tuple[Capabilities | None, Finding]:
    """The first real call."""
    try:
        found = client.capabilities()
    except HallmarkError as error:
        return None, _refused("identity", "this identity is not let in", error)
    return found, ok("identity", f"this identity is let in; the server is version {found.version}")


def check_session(found: Capabilities) -> Iterator[Finding]:
    if "MLKEM" in found.tls_group:
        yield ok("pq-tls", f"the session negotiated {found.tls_group}")
    else:
        yield warning(
            "pq-tls",
            f"the session negotiated {found.tls_group or 'an unknown group'}, which is classical",
            "look for a proxy that ends TLS between here and the server; gRPC itself offers X25519MLKEM768",
        )
    if found.hsm.usable:
        where = "in the token" if found.hsm.native_mldsa else "sealed under a key of the token"
        yield ok(
            "hsm", f"{found.hsm.token_label} signs with {found.hsm.signer_processes} processes, ML-DSA keys are {where}"
        )
    elif found.hsm.module or found.hsm.problem:
        yield problem("hsm", f"the HSM is not usable: {found.hsm.problem or 'it says nothing'}", _ADVICE["hsm"])


def check_health(profile: Profile, *, seconds: float) -> Iterator[Finding]:
    """grpc.health.v1, part by part. What a server does not have (an edge has no HSM) is not asked for."""
    transport = GrpcTransport(profile)
    try:
        for part, trouble in _PARTS.items():
            yield from _check_part(transport, part, trouble, seconds)
    finally:
        transport.close()


def _check_part(transport: GrpcTransport, part: str, trouble: str, seconds: float) -> Iterator[Finding]:
    check = f"health.{part or 'process'}"
    try:
        answer = transport.unary(_HEALTH, health_pb2.HealthCheckRequest(service=part), seconds)
    except NotFound:
        return
    except HallmarkError as error:
        yield _refused(check, "health can not be asked", error)
        return
    if answer.status == health_pb2.HealthCheckResponse.SERVING:
        yield ok(check, "works")
    else:
        yield problem(check, trouble, _ADVICE[part])


def check_feeds(client: Client, *, seconds: float) -> tuple[datetime | None, Finding]:
    """A signed heartbeat over a nonce of ours: the server's time with it."""
    stop = threading.Event()
    timer = threading.Timer(seconds, stop.set)
    timer.start()
    try:
        for frame in client.revocations.watch(heartbeat_seconds=1, trusted_keys=ServiceKeys(client), stop=stop):
            if isinstance(frame, Heartbeat) and frame.signature is not None:
                return frame.server_time, ok("feeds", "a signed proof of freshness came over the stream of revocations")
    except HallmarkError as error:
        return None, _refused("feeds", "the stream of revocations can not be followed", error)
    finally:
        timer.cancel()
    says = f"no signed proof of freshness came within {seconds:g} s"
    return None, problem(
        "feeds", says, "without an HSM there is none; see whether the server's log tells of heartbeats"
    )


def check_clock(server: datetime, now: datetime, *, spent: timedelta = timedelta()) -> Finding:
    """`spent`: how old the server's time may be by now."""
    skew = server - now
    size = abs(skew) - spent
    if size > SKEW_MAX:
        ahead = "ahead of" if skew > timedelta() else "behind"
        says = f"the server's clock is {abs(skew).total_seconds():.0f} s {ahead} this machine's"
        return problem("clock", says, "let both follow a time server (timedatectl status, chronyc tracking)")
    return ok(
        "clock",
        f"the server's clock is within {max(size, timedelta(seconds=1)).total_seconds():.0f} s of this machine's",
    )


def _refused(check: str, what: str, error: Exception) -> Finding:
    failure = explain(error)
    return problem(
        check, f"{what}: {failure.reason}: {failure.message}", failure.advice or "the server's log says more"
    )
