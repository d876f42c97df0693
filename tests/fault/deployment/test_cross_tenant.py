"""A caller of one tenant looks for the things of another, with every RPC: what is there and what is not look the same.

Same code, reason, details and message (but for the name that was asked for). Driven by the descriptors and the policy
table: an RPC that is new and names things is probed, or this fails until it is told what its fields name.
"""

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import FieldDescriptor

from kms.core.identity import Role
from kms.server.policy import POLICY
from rpc.wire import Refusal, read_refusal
from support.deployment_probes import (
    KINDS,
    Names,
    Rpc,
    another_of_its_form,
    every_rpc,
    fill,
    fresh_id,
    kinds_of,
    set_names,
    without_names,
)
from support.deployment_recovery import PROPERTY, fault_row
from support.deployment_victim import one_of_everything
from support.service import RunningService, running_service
from support.tenant_identities import tenant_channel

ATTACKER = "mallory"
# Of nobody's tenant: the whole log is public, and its proofs are; nobody is named.
PUBLIC = {"LogService.GetCheckpoint", "LogService.GetInclusionProof", "LogService.GetConsistencyProof"}
PUBLIC |= {"LogService.GetCoseReceipt", "LogService.ListLogKeys", "LogService.GetEntry", "LogService.StreamEntries"}
NAMELESS = {"KeyService.GetCapabilities", "LogService.RotateLogKey", "TenantService.CreateTenant"}
NAMELESS |= {"TenantService.ListTenants", "EdgeService.SignHeartbeats"}
ROLES = (Role.ADMIN, Role.BACKEND, Role.AUDITOR, Role.DEVICE)
REFUSALS = {"RESOURCE_NOT_FOUND", "LOG_ENTRY_NOT_FOUND"}
BY_WHOM = {"ReleaseService.RequestArtifactKey": {"ROLE_NOT_ALLOWED"}}
"""For devices by their certificates; this one names none. Refused before any name is looked at."""
# Made with real arguments, so that the name is what they are refused for. Field names, by RPC.
STRINGS = {
    "purposes": "dpv:FraudPreventionAndDetection",
    "controller": "https://mallory.example",
    "event_type": "com.example.mallory",
    "audience": "https://mallory.example",
    "principal": "spiffe://hallmark.local/tenants/mallory/backend/x",
    "actions": "KeyService.GetKey",
    "action": "KeyService.GetKey",
}


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningService, Names]]:
    folder = tmp_path_factory.mktemp("cross-tenant")
    with running_service(folder / "home") as service:
        yield service, one_of_everything(service, folder / "phone")


@pytest.fixture(scope="module")
def attackers(victim: tuple[RunningService, Names]) -> Iterator[dict[Role, grpc.Channel]]:
    service, _ = victim
    with (
        tenant_channel(service, ATTACKER, Role.ADMIN) as admin,
        tenant_channel(service, ATTACKER, Role.BACKEND) as backend,
        tenant_channel(service, ATTACKER, Role.AUDITOR) as auditor,
        tenant_channel(service, ATTACKER, Role.DEVICE) as device,
    ):
        yield dict(zip(ROLES, (admin, backend, auditor, device), strict=True))


def _values(field: FieldDescriptor) -> Any:
    if field.name == "request_id":
        return fresh_id()
    match field.cpp_type:
        case FieldDescriptor.CPPTYPE_STRING:
            if field.type == FieldDescriptor.TYPE_BYTES:
                return b"x" * 32 if field.name in {"nonce", "data", "signature", "certificates", "document"} else None
            return STRINGS.get(field.name)
        case FieldDescriptor.CPPTYPE_ENUM:
            return 1 if field.name in {"reason", "act", "action", "state", "kind", "feed"} else None
    return None


def _ask(opened: grpc.Channel, rpc: Rpc, request: Any) -> str | Refusal:
    """How it was refused; "OK" and what came when it was not."""
    data, first = request.SerializeToString(), rpc.method
    try:
        if first.client_streaming and first.server_streaming:
            answer = next(iter(opened.stream_stream(rpc.path)(iter([data]), timeout=5)))
        elif first.client_streaming:
            answer = opened.stream_unary(rpc.path)(iter([data]), timeout=5)
        elif first.server_streaming:
            answer = next(iter(opened.unary_stream(rpc.path)(data, timeout=5)))
        else:
            answer = opened.unary_unary(rpc.path)(data, timeout=5)
    except grpc.RpcError as error:
        return read_refusal(error)
    return f"OK {rpc.answer(answer)}"


def _request(rpc: Rpc, names: Names) -> Any:
    request = rpc.request()
    fill(request, _values)
    set_names(rpc, request, names)
    match rpc.action:
        case "SigningService.SignStream":
            request.header.ClearField("data")
        case "TenantService.UpdateTenant":
            request.update_mask.paths.append("display_name")
    return request


def _seen(answer: str | Refusal, names: list[str]) -> tuple[object, ...]:
    """All that a caller can tell of an answer, but for what is different in any two."""
    if isinstance(answer, str):
        return ("OK", without_names(answer, names))
    details = {
        kind: without_names(str(detail), names) for kind, detail in answer.details.items() if kind != "RequestInfo"
    }
    return answer.code, answer.reason, without_names(answer.message, names), tuple(sorted(details.items()))


def _reason(answer: str | Refusal) -> str:
    """AppendStream refuses each message in an answer of its own."""
    if isinstance(answer, str):
        return next((reason for reason in REFUSALS if reason in answer), answer)
    return answer.reason


def _probed(names: Names) -> list[Rpc]:
    return [
        rpc
        for rpc in every_rpc()
        if rpc.action not in PUBLIC | NAMELESS and set(kinds_of(rpc).values()) <= names.keys()
    ]


def test_every_rpc_is_probed_or_names_nothing(victim: tuple[RunningService, Names]) -> None:
    _, names = victim
    assert {rpc.method.containing_service.name for rpc in every_rpc()} <= KINDS.keys()
    left = {rpc.action for rpc in every_rpc()} - {rpc.action for rpc in _probed(names)}
    assert left == PUBLIC | NAMELESS
    for rpc in _probed(names):
        assert set_names(rpc, rpc.request(), names), f"{rpc.action}: no field holds a name"


def test_what_is_there_and_what_is_not_look_the_same(
    victim: tuple[RunningService, Names], attackers: dict[Role, grpc.Channel], record_property
) -> None:
    service, names = victim
    absent = {kind: another_of_its_form(name) for kind, name in names.items()}
    both = [*names.values(), *absent.values()]
    told: dict[str, set[str]] = {}
    differences, calls = [], 0
    for rpc in _probed(names):
        for role in [role for role in ROLES if role in POLICY[rpc.path].roles]:
            calls += 2
            there, not_there = (_ask(attackers[role], rpc, _request(rpc, each)) for each in (names, absent))
            told.setdefault(rpc.action, set()).add(_reason(there))
            if _seen(there, both) != _seen(not_there, both):
                differences.append((rpc.action, role, there, not_there))
    assert differences == []
    others = {action: found for action, found in told.items() if not found <= REFUSALS}
    assert others == BY_WHOM, "refused for what it named"
    with service.client() as admin:
        assert admin.keys.get(names["key"]).versions[0].state == "ACTIVE", "and nothing has happened to it"
    record_property(PROPERTY, fault_row("every RPC asked for another tenant's things", calls=calls, lost=None))
