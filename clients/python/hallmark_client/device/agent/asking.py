"""How an app talks to the agent: connected to the right one, in turn, and again when it comes back."""

import contextlib
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

from hallmark_client.device.agent.errors import AgentBusy, AgentInvalid, AgentRefused, AgentUnavailable
from hallmark_client.device.agent.frames import ANSWER_MAX, REQUEST_MAX, Members, Op, frame, parse_body
from hallmark_client.device.agent.line import Line
from hallmark_client.device.agent.refusals import read_error
from hallmark_client.device.agent.values import read_artifact
from hallmark_client.device.model import Artifact, Part
from hallmark_client.device.roots.bridge_socket import peer_uid
from hallmark_client.system import System
from hallmark_events.canonical import Json

T = TypeVar("T")
LONG_SECONDS: Final = 300.0
"""For an answer that a disk or a chip has to make."""
_FIRST_WAIT: Final = 0.02
_LONGEST_WAIT: Final = 1.0


@dataclass(frozen=True, slots=True)
class Opened:
    """channel: connected; the caller's to close."""

    artifact: Artifact
    part: Part
    channel: socket.socket


class Conversation:
    """A connection to an agent that knows who we are. One thread at a time. Raises AgentFailed, DeviceError."""

    def __init__(self, connection: socket.socket, *, seconds: float, system: System) -> None:
        self._line = Line(connection, seconds=seconds, monotonic=system.monotonic)
        hello = self.heard()
        if hello.has("error"):
            raise read_error(hello.members("error"))
        self.ask(Op.HELLO, {"nonce": hello.only("nonce").text("nonce")})

    def ask(self, op: Op, params: dict[str, Json], *, descriptors: tuple[int, ...] = ()) -> Members:
        self.say(op, params, descriptors=descriptors)
        return self.answer(LONG_SECONDS)

    def open(self, params: dict[str, Json]) -> Opened:
        answer = self.ask(Op.GET, params)
        descriptor = self._line.descriptor()
        if descriptor is None:
            raise AgentInvalid("no channel came with the answer")
        channel = socket.socket(fileno=descriptor)
        try:
            artifact = read_artifact(answer.only("artifact").members("artifact"))
            if len(artifact.parts) != 1:
                raise AgentInvalid("a reader has one part")
            return Opened(artifact, artifact.parts[0], channel)
        except BaseException:
            channel.close()
            raise

    def say(self, op: Op, params: dict[str, Json], *, descriptors: tuple[int, ...] = ()) -> None:
        """Raises ValueError for what is too long to be asked."""
        request = frame(REQUEST_MAX, op=op.value, params=params)
        try:
            self._line.send(request, descriptors)
        except OSError as error:
            self._raise_parting_word(error)

    def answer(self, seconds: float, progress: Callable[[int], None] | None = None) -> Members:
        """To what was said last. progress: called for each that comes before."""
        while (said := self.heard(seconds)).has("progress"):
            if progress is not None:
                progress(said.number("progress"))
        if said.has("error"):
            raise read_error(said.only("error").members("error"))
        return said.only("result").members("result")

    def heard(self, seconds: float | None = None) -> Members:
        """One frame. Raises AgentUnavailable at the end, and after `seconds` without one."""
        try:
            said = self._line.receive(ANSWER_MAX, seconds=seconds)
        except TimeoutError:
            raise AgentUnavailable("the agent does not answer") from None
        except OSError as error:
            raise _away(error) from None
        if said is None:
            raise AgentUnavailable("the agent ended the connection")
        return parse_body(said, ANSWER_MAX)

    def close(self) -> None:
        self._line.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _raise_parting_word(self, error: OSError) -> None:
        """An agent that hangs up says why first."""
        with contextlib.suppress(AgentUnavailable):
            self.answer(0.1)
        raise _away(error) from None


class Asking:
    """Where the agent is, and how long to wait for it."""

    def __init__(self, path: Path, *, seconds: float, system: System, agent_uid: int | None = None) -> None:
        self._path = path
        self._uids: Final = {0, os.geteuid()} if agent_uid is None else {agent_uid}
        self.seconds: Final = seconds
        self._system = system

    def connected(self) -> Conversation:
        """Raises AgentUnavailable, AgentRefused, AgentBusy."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(self.seconds)
            connection.connect(os.fspath(self._path))
            if (found := peer_uid(connection)) not in self._uids:
                raise AgentRefused(
                    f"user {found} listens on {self._path}: nothing was sent; give its uid if it is right"
                )
            return Conversation(connection, seconds=self.seconds, system=self._system)
        except OSError as error:
            connection.close()
            raise AgentUnavailable(
                f"no agent answers on {self._path} ({error.strerror or type(error).__name__}): start it"
            ) from None
        except BaseException:
            connection.close()
            raise

    def patiently(self, call: Callable[[], T]) -> T:
        """Again and again where the agent is away or busy, for `seconds`; for what may be asked twice."""
        until, wait = self._system.monotonic() + self.seconds, _FIRST_WAIT
        while True:
            try:
                return call()
            except (AgentUnavailable, AgentBusy) as error:
                pause = max(wait * (0.5 + self._system.jitter() / 2), error.retry_after_seconds or 0.0)
                if self._system.monotonic() + pause >= until:
                    raise
            self._system.sleep(pause)
            wait = min(2 * wait, _LONGEST_WAIT)

    @contextmanager
    def conversation(self) -> Iterator[Conversation]:
        """One of its own."""
        with self.patiently(self.connected) as conversation:
            yield conversation


def _away(error: OSError) -> AgentUnavailable:
    return AgentUnavailable(f"the agent went away ({error.strerror or type(error).__name__})")
