"""What the asyncio watcher needs of gRPC: one stream at a time, and single questions. Mutual TLS as the sync client."""

import asyncio
from typing import Any

import grpc
import grpc.aio

from hallmark_client.errors import HallmarkError, Unavailable
from hallmark_client.grpc_transport import OPTIONS
from hallmark_client.profile import Profile
from hallmark_client.rpc import Request, Response, Rpc
from hallmark_client.status import error_of_trailers

_DETAILS_KEY = "grpc-status-details-bin"


class AioConnection:
    """Questions share one channel; each stream has one of its own, so that it begins with a fresh connection."""

    def __init__(self, profile: Profile) -> None:
        self._address = profile.address
        self._bearer = profile.bearer()
        self._credentials = profile.credentials(self._bearer)
        self._channel: grpc.aio.Channel | None = None
        self._stream_channel: grpc.aio.Channel | None = None
        self._stream: Any = None

    async def ask(self, rpc: Rpc[Request, Response], request: Request, timeout_seconds: float) -> Response:
        """Raises HallmarkError."""
        if self._channel is None:
            self._channel = self._open()
        call = self._channel.unary_unary(
            rpc.path,
            request_serializer=rpc.request.SerializeToString,
            response_deserializer=rpc.response.FromString,
        )
        try:
            response: Response = await call(request, timeout=timeout_seconds)
        except grpc.aio.AioRpcError as error:
            raise error_of_aio(error) from error
        return response

    async def open_stream(self, rpc: Rpc[Request, Response], request: Request, timeout_seconds: float) -> None:
        """Closes an earlier one. Whether the server takes it, `next` tells."""
        await self.close_stream()
        self._stream_channel = self._open()
        call = self._stream_channel.unary_stream(
            rpc.path,
            request_serializer=rpc.request.SerializeToString,
            response_deserializer=rpc.response.FromString,
        )
        self._stream = call(request, timeout=timeout_seconds)

    async def next(self, timeout_seconds: float) -> Any:
        """The next message; None at the end. Raises HallmarkError, with SILENT after the time."""
        if self._stream is None:
            raise Unavailable("STREAM_ENDED", "no stream is open")
        try:
            async with asyncio.timeout(timeout_seconds):
                message = await self._stream.read()
        except TimeoutError:
            raise Unavailable("SILENT", f"the stream was silent for {timeout_seconds:.0f} s") from None
        except grpc.aio.AioRpcError as error:
            raise error_of_aio(error) from error
        return None if message is grpc.aio.EOF else message

    async def close_stream(self) -> None:
        stream, channel = self._stream, self._stream_channel
        self._stream = self._stream_channel = None
        if stream is not None:
            stream.cancel()
        if channel is not None:
            await channel.close()

    async def close(self) -> None:
        await self.close_stream()
        if self._channel is not None:
            await self._channel.close()
            self._channel = None

    def _open(self) -> grpc.aio.Channel:
        if self._bearer is not None:
            self._bearer()  # says what is wrong with the token; gRPC would call it a lost connection
        return grpc.aio.secure_channel(self._address, self._credentials, options=OPTIONS)


def error_of_aio(error: grpc.aio.AioRpcError) -> HallmarkError:
    """As `error_of_rpc` for calls of grpc.aio."""
    return error_of_trailers(error.code(), error.details() or "", error.trailing_metadata() or ())
