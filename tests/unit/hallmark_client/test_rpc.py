from importlib import import_module
from pathlib import Path

import pytest

import hallmark.v1
from hallmark_client.rpc import RPCS

FILES = sorted(file.stem for file in Path(hallmark.v1.__path__[0]).glob("*_pb2_grpc.py"))


def _methods():
    for name in FILES:
        module = import_module(f"hallmark.v1.{name.removesuffix('_pb2_grpc')}_pb2")
        for service in module.DESCRIPTOR.services_by_name.values():
            yield from service.methods


AMONG_SERVERS = "hallmark.v1.EdgeService"


def test_every_rpc_of_the_api_stands_in_the_table_once() -> None:
    paths = [rpc.path for rpc in RPCS]
    methods = [method for method in _methods() if method.containing_service.full_name != AMONG_SERVERS]
    assert sorted(paths) == sorted(f"/{method.containing_service.full_name}/{method.name}" for method in methods)


@pytest.mark.parametrize("rpc", RPCS, ids=lambda rpc: rpc.name)
def test_the_table_has_the_types_of_the_api(rpc) -> None:
    (method,) = [each for each in _methods() if each.name == rpc.name]
    assert rpc.request.DESCRIPTOR is method.input_type
    assert rpc.response.DESCRIPTOR is method.output_type
    assert rpc.streaming is method.server_streaming
