"""Every RPC has a policy row and a test that names it; no row is left without its RPC."""

from pathlib import Path

from google.protobuf.descriptor import ServiceDescriptor

from hallmark.v1 import (
    access_pb2,
    appraisal_pb2,
    approvals_pb2,
    artifacts_pb2,
    audit_pb2,
    collateral_pb2,
    consent_pb2,
    devices_pb2,
    edge_pb2,
    envelopes_pb2,
    events_pb2,
    keys_pb2,
    log_pb2,
    releases_pb2,
    removal_pb2,
    revocation_pb2,
    ssf_pb2,
    tenants_pb2,
)
from kms.server.policy import POLICY

FILES = (
    keys_pb2,
    envelopes_pb2,
    appraisal_pb2,
    approvals_pb2,
    collateral_pb2,
    devices_pb2,
    revocation_pb2,
    log_pb2,
    artifacts_pb2,
    consent_pb2,
    events_pb2,
    releases_pb2,
    removal_pb2,
    ssf_pb2,
    access_pb2,
    audit_pb2,
    edge_pb2,
    tenants_pb2,
)
ROOT = Path(__file__).resolve().parents[2]


def _services() -> list[ServiceDescriptor]:
    return [service for file in FILES for service in file.DESCRIPTOR.services_by_name.values()]


def _paths() -> set[str]:
    return {f"/{service.full_name}/{method.name}" for service in _services() for method in service.methods}


def test_every_proto_file_is_listed_here() -> None:
    in_protos = {path.stem for path in (ROOT / "protos").rglob("*.proto") if "service " in path.read_text()}
    assert in_protos == {file.DESCRIPTOR.name.rpartition("/")[2].removesuffix(".proto") for file in FILES}


def test_policy_rows_are_exactly_the_rpcs() -> None:
    assert {path for path in POLICY if not path.startswith("/grpc.health.")} == _paths()


def test_every_row_admits_somebody() -> None:
    assert all(row.roles for row in POLICY.values())


def test_every_rpc_is_exercised_by_the_rpc_tests() -> None:
    text = "\n".join(path.read_text() for path in (ROOT / "tests" / "rpc").rglob("*.py"))
    missing = {path.rpartition("/")[2] for path in _paths()} - {name for name in _names() if f"{name}(" in text}
    assert not missing, f"no test in tests/rpc calls {sorted(missing)}"


def _names() -> set[str]:
    return {path.rpartition("/")[2] for path in _paths()}
