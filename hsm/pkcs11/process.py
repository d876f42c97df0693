"""One signer process as the service sees it: started by exec, spoken to over a socket pair, killed when it hangs."""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from hsm.errors import HsmError, HsmTimeout, TokenUnavailable

from .frames import BadFrame, FrameBuffer, Operation, decode_error, encode_frame

_BUFFER_BYTES: Final = 1 << 20
_REAP_POLL_SECONDS: Final = 0.01
_CLOSE_GRACE_SECONDS: Final = 2.0


class ProcessGone(TokenUnavailable):
    """The signer process ended with this request unanswered. Whether it was carried out is not known."""


@dataclass(slots=True)
class _Request:
    answer: asyncio.Future[Any]
    items: int
    sent_at: float


class SignerProcess(asyncio.Protocol):
    """Make one with `start`. `items` is what waits in it, `gone` resolves to the reason when it has ended."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._buffer = FrameBuffer()
        self._requests: OrderedDict[int, _Request] = OrderedDict()
        self._next_number = 0
        self._last_answer_at = 0.0
        self._transport: asyncio.Transport | None = None
        self._popen: subprocess.Popen[bytes] | None = None
        self._reason: HsmError | None = None
        self.items = 0
        self.gone: asyncio.Future[HsmError] = loop.create_future()
        self.facts: dict[str, Any] = {}

    @classmethod
    async def start(
        cls, configuration: dict[str, Any], *, environ: dict[str, str], timeout_seconds: float
    ) -> "SignerProcess":
        """A process that has logged in and passed its self-test. Raises HsmError with what it reported."""
        loop = asyncio.get_running_loop()
        process = cls(loop)
        process._popen, ours = _spawn(environ)
        try:
            await loop.create_unix_connection(lambda: process, sock=ours)
            async with asyncio.timeout(timeout_seconds):
                process.facts = await process.request(Operation.START, configuration)
        except TimeoutError:
            late = HsmTimeout(f"a signer process did not start in {timeout_seconds:g} s; does the token answer?")
            await process.kill(late)
            raise late from None
        except BaseException:
            await process.kill(TokenUnavailable("a signer process did not start"))
            raise
        return process

    def request(self, operation: Operation, arguments: Any, *, items: int = 1) -> asyncio.Future[Any]:
        """The result, or HsmError; ProcessGone when the process ends first."""
        answer: asyncio.Future[Any] = self._loop.create_future()
        if self._transport is None or self._reason is not None:
            answer.set_exception(ProcessGone("the signer process has ended"))
            return answer
        self._next_number += 1
        frame = encode_frame([self._next_number, operation.value, arguments])
        self._requests[self._next_number] = _Request(answer, items, self._loop.time())
        self.items += items
        self._transport.write(frame)
        return answer

    def expire(self, limit_seconds: float) -> bool:
        """Fails requests older than the limit with HsmTimeout. True: the process answered nothing since; it hangs."""
        now = self._loop.time()
        hangs = False
        for number, request in list(self._requests.items()):
            if now - request.sent_at < limit_seconds:
                break
            hangs = hangs or self._last_answer_at < request.sent_at
            if not request.answer.done():
                request.answer.set_exception(HsmTimeout(f"the token did not answer in {limit_seconds:g} s"))
            if hangs:
                del self._requests[number]
        return hangs

    async def kill(self, reason: HsmError) -> None:
        """Ends the process at once; returns when it is reaped, also if cancelled meanwhile.

        A process stuck in its device's driver does not even end when killed; it is left behind after 2 s.
        """
        self._reason = self._reason or reason
        if self._popen is not None and self._popen.poll() is None:
            self._popen.kill()
        if self._transport is not None:
            self._transport.abort()
        try:
            async with asyncio.timeout(_CLOSE_GRACE_SECONDS):
                await self._reap()
        except TimeoutError:
            return
        except asyncio.CancelledError:
            self._wait_for_the_killed()
            raise

    async def close(self) -> None:
        """Lets the process log out; kills it if it does not end within 2 s."""
        self._reason = self._reason or TokenUnavailable("the key provider is closed")
        if self._transport is not None:
            self._transport.close()
        try:
            async with asyncio.timeout(_CLOSE_GRACE_SECONDS):
                await self._reap()
        except TimeoutError:
            await self.kill(self._reason)

    @property
    def pid(self) -> int:
        assert self._popen is not None
        return self._popen.pid

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in everything but its class

    def data_received(self, data: bytes) -> None:
        self._buffer.add(data)
        self._last_answer_at = self._loop.time()
        try:
            while (frame := self._buffer.take()) is not None:
                self._settle(*frame)
        except (BadFrame, KeyError, TypeError):
            self._reason = TokenUnavailable("a signer process sent what cannot be an answer; it is replaced")
            if self._popen is not None:
                self._popen.kill()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - signature of asyncio.Protocol
        self._transport = None
        reason = self._reason or TokenUnavailable("a signer process ended unexpectedly; another is started")
        self._reason = reason
        for request in self._requests.values():
            if not request.answer.done():
                request.answer.set_exception(ProcessGone(str(reason)))
        self._requests.clear()
        self.items = 0
        if not self.gone.done():
            self.gone.set_result(reason)

    def _settle(self, number: int, code: Any, result: Any) -> None:
        request = self._requests.pop(number)
        self.items -= request.items
        if request.answer.done():
            return
        if code is None:
            request.answer.set_result(result)
        else:
            request.answer.set_exception(decode_error(code, result))

    def _wait_for_the_killed(self) -> None:
        """Blocks for the moment a killed process takes to end; one that no kill ends stays to init."""
        assert self._popen is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(_CLOSE_GRACE_SECONDS)

    async def _reap(self) -> None:
        assert self._popen is not None
        while self._popen.poll() is None:  # noqa: ASYNC110 - the kernel sets no asyncio.Event
            await asyncio.sleep(_REAP_POLL_SECONDS)


def _spawn(environ: dict[str, str]) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """The process and our end of its socket pair.

    By subprocess, not by the loop: subprocess uses vfork, which does not run gRPC's fork handlers. It must be called
    on the thread that lives as long as the service, because the child ends with that thread (PR_SET_PDEATHSIG).
    """
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):  # a frame of answers must not make the signer wait for the service
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
    with theirs:
        try:
            popen = subprocess.Popen(
                [sys.executable, "-P", "-m", "hsm.pkcs11.worker", "--fd", str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=environ,
                process_group=0,
            )
        except OSError as error:
            ours.close()
            raise TokenUnavailable(f"a signer process cannot be started: {error.strerror}") from None
    ours.setblocking(False)
    return popen, ours


def child_environment(softhsm_configuration: Path | None) -> dict[str, str]:
    """The service's environment (HSM libraries read their own variables) and, for SoftHSM, where its token is."""
    environ = dict(os.environ)
    if softhsm_configuration is not None:
        environ["SOFTHSM2_CONF"] = str(softhsm_configuration.absolute())
    return environ
