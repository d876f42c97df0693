"""One connection of an app, in a thread of its own: who is slow or hostile holds up nobody else."""

import contextlib
import logging
import selectors
import socket
from typing import Final

from hallmark_client.device.agent.accounts import Account
from hallmark_client.device.agent.changes import LOOK_SECONDS, Look, differences, standings
from hallmark_client.device.agent.channel import Channel
from hallmark_client.device.agent.errors import AgentBusy, AgentFailed, AgentInvalid
from hallmark_client.device.agent.frames import NONCE_SIZE, PIECE_MAX, REQUEST_MAX, Members, Op, frame, parse_request
from hallmark_client.device.agent.house import House
from hallmark_client.device.agent.line import Line
from hallmark_client.device.agent.operations import Answer, Operations
from hallmark_client.device.agent.peers import LINUX, Peer
from hallmark_client.device.agent.refusals import error_json
from hallmark_client.device.agent.sent import SentFile
from hallmark_client.device.agent.sight import Sight
from hallmark_client.device.agent.values import PermissionChange, change_json
from hallmark_client.device.errors import ArtifactSuspended, ArtifactUnknown, DeviceError, PolicyViolation

_logger: Final = logging.getLogger("hallmark_client.device.agent")
_PROGRESS_BYTES: Final = 8 * 1024 * 1024
_REFUSALS: Final = (ArtifactUnknown, ArtifactSuspended, PolicyViolation)
"""Each is in the audit chain, or counted there."""


class Session:
    def __init__(self, connection: socket.socket, peer: Peer, account: Account, house: House) -> None:
        self._line = Line(connection, seconds=house.accounts.limits.frame_seconds, monotonic=house.system.monotonic)
        self._peer = peer
        self._account = account
        self._house = house
        self._sight = Sight(house.vault, account, house.clock)
        self._operations = Operations(house, account, self._sight)
        self._channels: set[Channel] = set()
        self._selector = selectors.DefaultSelector()
        self._plaintext = bytearray(PIECE_MAX)

    def run(self) -> None:
        """Until the app goes, breaks the protocol, or the agent stops. Closes everything."""
        try:
            self._greet()
            self._serve()
        except AgentFailed as error:
            _logger.warning("connection of %s ended: %s", self._account.application, error.message)
            with contextlib.suppress(OSError):
                self._line.send(frame(error=error_json(error)))
        except OSError:  # gone, or too slow: its own affair
            pass
        finally:
            self._close()

    def shut(self) -> None:
        """What is being answered still goes out. Any thread."""
        self._line.shut()

    def _greet(self) -> None:
        nonce = self._house.system.random_bytes(NONCE_SIZE).hex()
        self._line.pid = self._peer.facts.pid if LINUX else None
        self._line.send(frame(nonce=nonce))
        said = self._line.receive(REQUEST_MAX)
        if said is None:
            raise ConnectionResetError
        op, params = parse_request(said)
        if op is not Op.HELLO or params.only("nonce").text("nonce") != nonce:
            raise AgentInvalid("the first frame brings the nonce back")
        self._peer.check_alive()
        self._line.send(frame(result={"application": self._account.application, "tenant": self._house.vault.tenant}))

    def _serve(self) -> None:
        self._selector.register(self._line, selectors.EVENT_READ)
        buffer = memoryview(self._plaintext)
        while not self._house.stopping.is_set():
            ready = {key.fileobj for key, _ in self._selector.select()}
            # Channels first: one that was closed is closed when the request after that is heard.
            for channel in [each for each in self._channels if each in ready]:
                self._read(channel, buffer)
            if self._line in ready and not self._request():
                return

    def _read(self, channel: Channel, buffer: memoryview) -> None:
        with contextlib.suppress(OSError, AgentInvalid):
            if channel.answer(buffer):
                return
        self._drop(channel)

    def _request(self) -> bool:
        """False: the app is done."""
        said = self._line.receive(REQUEST_MAX)
        if said is None:
            return False
        op, params = parse_request(said)
        try:
            self._do(op, params)
        except (AgentBusy, DeviceError, ValueError) as error:
            if isinstance(error, AgentInvalid):
                raise
            self._refuse(error)
        finally:
            self._line.drop_descriptors()
        return True

    def _refuse(self, error: Exception) -> None:
        if isinstance(error, _REFUSALS):
            with contextlib.suppress(AgentBusy):
                self._account.refusals.take()
        elif isinstance(error, DeviceError) and not isinstance(error, AgentBusy):
            _logger.warning("refused to %s: %s", self._account.application, error)
        self._line.send(frame(error=error_json(error)))

    def _admit(self) -> None:
        """Raises AgentBusy."""
        self._account.requests.take()
        self._account.refusals.check()

    def _do(self, op: Op, params: Members) -> None:
        if op is not Op.PUT:  # which has to hear the app out first
            self._admit()
        match op:
            case Op.GET:
                with self._account.work:
                    answer, channel = self._operations.get(params)
                self._hand_over(answer, channel)
            case Op.PUT:
                self._line.send(frame(result=self._put(params)))
            case Op.WATCH:
                params.only()
                self._watch()
            case Op.HELLO | Op.END:
                raise AgentInvalid(f"{op} has no place here")
            case _:
                with (
                    self._account.work
                ):  # of one app two stand before the vault's lock, however many connections it has
                    answer = self._operations.plain[op](params)
                self._line.send(frame(result=answer))

    def _hand_over(self, answer: Answer, channel: Channel) -> None:
        self._channels.add(channel)
        self._line.send(frame(result=answer), [channel.theirs.fileno()])
        channel.handed_over()
        self._selector.register(channel, selectors.EVENT_READ)

    def _put(self, params: Members) -> Answer:
        params.only("kind", "labels", "name", "needs_permission", "progress", "version")
        descriptor = self._line.descriptor()
        if descriptor is None:
            raise AgentInvalid("with `put` comes the descriptor to read from")
        told = Progress(self._line) if params.flag("progress") else None
        with SentFile(descriptor, self._line, self._house.accounts.limits, self._house.stopping) as source:
            try:
                self._admit()
                return self._operations.put(params, source, told)
            except (DeviceError, ValueError):
                source.close()  # who still writes hears of it
                with contextlib.suppress(AgentInvalid):
                    source.end()
                raise

    def _watch(self) -> None:
        """Until the app goes. What it has not read yet is not queued: the next difference has it."""
        told: dict[str, PermissionChange] | None = None
        seen: Look | None = None
        self._line.send(frame(result={}))
        with selectors.DefaultSelector() as waiting:
            waiting.register(self._line, selectors.EVENT_READ)
            while not self._house.stopping.is_set():
                look = self._house.changes.look()
                if look is not seen:
                    now = standings(look, self._sight)
                    changes = differences(told or {}, now)
                    if told is None or changes:
                        members = [change_json(change) for change in changes]
                        self._line.send(frame(changes=members, whole=told is None))
                    seen, told = look, now
                if waiting.select(LOOK_SECONDS):
                    break
        raise ConnectionResetError

    def _drop(self, channel: Channel) -> None:
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(channel)
        self._channels.discard(channel)
        channel.close()

    def _close(self) -> None:
        for channel in tuple(self._channels):
            self._drop(channel)
        self._selector.close()
        self._plaintext[:] = bytes(len(self._plaintext))
        self._line.close()
        self._peer.close()


class Progress:
    """Tells an app how much of its file is taken, now and then."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._told = 0

    def __call__(self, taken: int) -> None:
        if taken - self._told >= _PROGRESS_BYTES:
            self._told = taken
            self._line.send(frame(progress=taken))
