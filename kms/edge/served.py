"""What an edge serves; for everything else it names who does."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn

import grpc

from kms.core.call import Call
from kms.core.errors import FailedPrecondition, Reason

SERVED: Final = frozenset(
    {
        "EventService/WatchEvents",
        "EventService/PollEvents",
        "EventService/AcknowledgeEvents",
        "KeyService/GetPublicKey",
        "TrustService/GetTrustBundle",
        "DeviceService/GetDevice",
        "DeviceService/ListDevices",
        "RevocationService/ListRevocations",
        "Health/Check",
        "Health/Watch",
    }
)
SERVED_WITH_FILES: Final = frozenset(
    {
        "LogService/GetCheckpoint",
        "LogService/GetInclusionProof",
        "LogService/GetConsistencyProof",
        "LogService/GetEntry",
        "LogService/ListEntries",
        "LogService/StreamEntries",
    }
)
"""Where the edge has the public files (edge.public_folder)."""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """`api`: where an API replica is, host:port."""

    api: str

    def error(self, method: str) -> FailedPrecondition:
        """Nothing to retry here: FAILED_PRECONDITION with the address, also as metadata `api` of the ErrorInfo."""
        return FailedPrecondition(
            Reason.RPC_NOT_ALLOWED,
            f"this is an edge: it serves streams and reads. {method} is served by {self.api}",
            metadata={"api": self.api},
        )

    def handler(self, method: str, original: Any) -> Any:
        """In place of an RPC's own handler: same messages, so the guard looks at the call first as at any other."""
        error = self.error

        async def answer(_request: Any, _call: Call) -> NoReturn:
            raise error(method)

        async def answers(_request: Any, _call: Call) -> Any:
            raise error(method)
            yield  # an async generator, as the guard expects of streams

        decode, encode = original.request_deserializer, original.response_serializer
        if original.response_streaming:
            make = (
                grpc.stream_stream_rpc_method_handler
                if original.request_streaming
                else grpc.unary_stream_rpc_method_handler
            )
            return make(answers, request_deserializer=decode, response_serializer=encode)
        make = (
            grpc.stream_unary_rpc_method_handler if original.request_streaming else grpc.unary_unary_rpc_method_handler
        )
        return make(answer, request_deserializer=decode, response_serializer=encode)


def registration(
    add: Callable[[Any, Any], None], servicer: object, *, served: frozenset[str], elsewhere: Elsewhere
) -> Callable[[Any], None]:
    """For kms.server.grpc_server: those RPCs of a servicer that are served, and the answer for the others."""

    def register(server: Any) -> None:
        collected = _Collected()
        add(servicer, collected)
        for service, handlers in collected.services.items():
            short = service.rpartition(".")[2]
            chosen = {
                name: handler if f"{short}/{name}" in served else elsewhere.handler(name, handler)
                for name, handler in handlers.items()
            }
            server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, chosen),))

    return register


class _Collected:
    """Takes what generated code registers."""

    def __init__(self) -> None:
        self.services: dict[str, Mapping[str, Any]] = {}

    def add_generic_rpc_handlers(self, handlers: Sequence[object]) -> None:
        """Nothing: the same handlers come by name."""

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Any]) -> None:
        self.services[service] = handlers
