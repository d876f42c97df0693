"""Mutated messages for every RPC, from callers of every role: each answer is a typed error of ours, or an answer.

Never INTERNAL, never an error without its details; the server signs afterwards and has not grown. Bounded by count:
HALLMARK_FAULT_KILLS asks for many, HALLMARK_FAULT_SEED says which ones.
"""

import base64
import contextlib
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import FieldDescriptor

from kms.core.identity import Role
from kms.server.policy import POLICY
from rpc.wire import channel, read_refusal
from support.deployment_health import Health
from support.deployment_probes import Names, Rpc, every_rpc, fill, fresh_id, set_names
from support.deployment_recovery import PROPERTY, fault_row
from support.deployment_victim import one_of_everything
from support.fault_runs import LONG, SEED, long_only
from support.service import RunningService, running_service

OF_EACH_RPC = 120 if LONG else 4
NAMES = (
    "tenants/default",
    "tenants/default/keys/fuzzed",
    "tenants/default/keys/fuzzed/versions/1",
    "tenants/default/keys/nobody",
    "tenants/system/keys/revocation-events",
    "tenants/other/keys/x",
    "",
    "/",
    "tenants/../keys/\x00",
    "tenants/default/devices/" + "a" * 400,
    "\U0001f511" * 50,
)
TOKENS = (
    "",
    *(base64.urlsafe_b64encode(text.encode()).decode() for text in ("\0", "9" * 30, "-1", "\u00e9", "x/y", "/")),
)
"""In the form of ours."""
NOT_FUZZED = {"LogService.RotateLogKey", "LogService.StreamEntries"}
"""The one ends the log's key; the other answers as long as the log is."""
CODES = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.UNAUTHENTICATED,
}


@pytest.fixture(scope="module", params=[pytest.param("sqlite", marks=long_only), "postgresql"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[RunningService, Names]]:
    """On either database: one takes what the other refuses. With one of everything, so that messages get far."""
    environment = {}
    with contextlib.ExitStack() as kept:
        if request.param == "postgresql":
            url = kept.enter_context(request.getfixturevalue("postgresql").database())
            environment = {"HALLMARK__DATABASE__URL": url}
        yield kept.enter_context(_server(tmp_path_factory.mktemp("fuzzed"), environment))


@contextlib.contextmanager
def _server(folder: Path, environment: dict[str, str]) -> Iterator[tuple[RunningService, Names]]:
    settings = "[server]\nrate_per_second = 1e9\ndevice_rate_per_second = 1e9"
    with running_service(folder / "home", settings=settings, environment=environment) as running:
        with running.client() as admin:
            admin.keys.create("fuzzed")
            admin.keys.create("healthy")  # by no name that is fuzzed: those may be revoked
        yield running, one_of_everything(running, folder / "phone")


class Fuzzer:
    """Messages of three kinds: well-formed with odd values, those with bytes changed, and bytes of no kind."""

    def __init__(self, seed: int, names: Names) -> None:
        self._random = random.Random(seed)
        self._names = names

    def message(self, rpc: Rpc) -> bytes:
        match self._random.randrange(4):
            case 0:
                return self._random.randbytes(self._random.choice((0, 1, 7, 100, 5000)))
            case 1:
                return self._changed(self._well_formed(rpc))
            case _:
                return self._well_formed(rpc)

    def _well_formed(self, rpc: Rpc) -> bytes:
        request = rpc.request()
        fill(request, self._value, depth=3)
        if self._random.random() < 0.7:
            set_names(rpc, request, self._names)
        data: bytes = request.SerializeToString()
        return data

    def _changed(self, data: bytes) -> bytes:
        changed = bytearray(data or b"\x00")
        for _ in range(self._random.randint(1, 8)):
            place = self._random.randrange(len(changed))
            match self._random.randrange(3):
                case 0:
                    changed[place] = self._random.randrange(256)
                case 1:
                    del changed[place:]
                    changed += b"\x00"
                case _:
                    changed[place:place] = self._random.randbytes(self._random.randint(1, 20))
        return bytes(changed)

    def _value(self, field: FieldDescriptor) -> Any:
        if self._random.random() < 0.25:
            return None
        if field.name == "request_id" and self._random.random() < 0.9:
            return fresh_id()
        if field.name in {"page_token", "cursor"}:
            return self._random.choice(TOKENS)
        match field.cpp_type:
            case FieldDescriptor.CPPTYPE_STRING if field.type == FieldDescriptor.TYPE_BYTES:
                return self._random.randbytes(self._random.choice((0, 1, 16, 32, 64, 65, 4096, 100_000)))
            case FieldDescriptor.CPPTYPE_STRING:
                return self._random.choice(NAMES)
            case FieldDescriptor.CPPTYPE_BOOL:
                return self._random.random() < 0.5
            case FieldDescriptor.CPPTYPE_ENUM:
                return self._random.choice((0, 1, 2, 3, 77, 2**31 - 1))
            case FieldDescriptor.CPPTYPE_DOUBLE | FieldDescriptor.CPPTYPE_FLOAT:
                return self._random.choice((0.0, -1.0, 1e308, float("nan"), float("inf")))
            case FieldDescriptor.CPPTYPE_UINT32:
                return self._random.choice((0, 1, 2**32 - 1))
            case FieldDescriptor.CPPTYPE_INT32:
                return self._random.choice((0, 1, -1, 2**31 - 1, -(2**31)))
            case FieldDescriptor.CPPTYPE_UINT64:
                return self._random.choice((0, 1, 2**64 - 1))
            case _:
                return self._random.choice((0, 1, -1, 2**63 - 1, -(2**63)))


def _send(opened: grpc.Channel, rpc: Rpc, messages: list[bytes]) -> grpc.RpcError | None:
    """None when it was answered. Of streams of answers the first one is enough."""
    method = rpc.method
    try:
        if method.client_streaming and method.server_streaming:
            next(opened.stream_stream(rpc.path)(iter(messages), timeout=5), None)
        elif method.client_streaming:
            opened.stream_unary(rpc.path)(iter(messages), timeout=5)
        elif method.server_streaming:
            next(opened.unary_stream(rpc.path)(messages[0], timeout=5), None)
        else:
            opened.unary_unary(rpc.path)(messages[0], timeout=5)
    except grpc.RpcError as error:
        return error
    return None


def test_no_message_breaks_it(server: tuple[RunningService, Names], record_property) -> None:
    service, names = server
    fuzzer, told, wrong = Fuzzer(SEED, names), Counter[str](), []
    health = Health(service, "healthy")
    sent = 0
    with contextlib.ExitStack() as opened:
        there = [role for role in Role if (service.home / "clients" / role.value).is_dir()]
        channels = {role: opened.enter_context(channel(service, role.value)) for role in there}
        for rpc in [rpc for rpc in every_rpc() if rpc.action not in NOT_FUZZED]:
            roles = sorted(POLICY[rpc.path].roles & channels.keys()) or [Role.ADMIN]
            for number in range(OF_EACH_RPC):
                messages = [fuzzer.message(rpc) for _ in range(3 if rpc.method.client_streaming else 1)]
                error = _send(channels[roles[number % len(roles)]], rpc, messages)
                sent += 1
                outcome = "OK" if error is None else _outcome(error)
                told[outcome] += 1
                if error is not None and (error.code() not in CODES or outcome == "untyped"):
                    about = f"{error.code().name} {outcome} {error.details()}"
                    wrong.append(f"{rpc.action}: {about} for {messages[0].hex()[:400]}")
    assert wrong == []
    seconds, grown = health.check()
    row = fault_row("mutated messages for every RPC: it signs", calls=sent, lost=None, recovery=[seconds])
    record_property(PROPERTY, row)
    counts = ", ".join(f"{name} {count}" for name, count in told.most_common(8))
    record_property("fault summary", f"{sent} mutated messages, {grown} MiB more memory: {counts}")


def _outcome(error: grpc.RpcError) -> str:
    try:
        return read_refusal(error).reason
    except (AssertionError, KeyError, ValueError):
        return "untyped"
