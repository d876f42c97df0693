"""One process of the device has the vault open, and serves the apps over a Unix socket.

with Agent(vault, Path("/run/hallmark/agent.sock"), {"unit=assistant.service": "assistant"}) as agent:
    agent.wait()

Apps use AgentClient. The vault's policy decides what each may do, by the name that is given to it here.
"""

import contextlib
import errno
import logging
import selectors
import socket
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self

from hallmark_client.device.agent.accounts import Account, Accounts, AgentLimits
from hallmark_client.device.agent.changes import Changes
from hallmark_client.device.agent.door import Door
from hallmark_client.device.agent.errors import AgentFailed
from hallmark_client.device.agent.frames import frame
from hallmark_client.device.agent.house import House
from hallmark_client.device.agent.peers import Applications, Peer, PeerRule
from hallmark_client.device.agent.refusals import error_json
from hallmark_client.device.agent.session import Session
from hallmark_client.device.vault import Vault
from hallmark_client.system import System
from hallmark_client.watch.clocks import DeviceClock

_logger: Final = logging.getLogger("hallmark_client.device.agent")
_OUT_OF_DESCRIPTORS: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_BREATH_SECONDS: Final = 0.1


class HasVault(Protocol):
    """Such as hallmark_client.device.life.Device, which keeps leases and revocations up to date behind it."""

    vault: Vault


class Agent:
    """Threads: one that accepts, one for each connection. The vault stays the caller's to close, after the agent."""

    def __init__(
        self,
        of: Vault | HasVault,
        socket_path: Path,
        applications: Mapping[PeerRule, str] | Mapping[str, str],
        *,
        limits: AgentLimits | None = None,
        folder_mode: int = 0o700,
        socket_mode: int = 0o600,
        system: System | None = None,
        clock: DeviceClock | None = None,
    ) -> None:
        """applications: PeerRule, or its text, to the name that the policy knows. Raises ValueError."""
        vault = of if isinstance(of, Vault) else of.vault
        self._applications = Applications(applications)
        self.path: Final = socket_path
        self._modes = (folder_mode, socket_mode)
        system = system or System()
        self._house = House(
            vault=vault,
            accounts=Accounts(limits or AgentLimits(), system.monotonic),
            changes=Changes(vault, system.monotonic),
            system=system,
            clock=clock or DeviceClock(),
            stopping=threading.Event(),
        )
        self._lock = threading.Lock()
        self._sessions: dict[Session, threading.Thread] = {}
        self._accepting: threading.Thread | None = None

    def start(self) -> None:
        """Raises AgentUnavailable: the socket can not be made."""
        folder_mode, socket_mode = self._modes
        self._door = Door(self.path, folder_mode=folder_mode, mode=socket_mode)
        self._waker, self._wake = socket.socketpair()
        self._accepting = threading.Thread(target=self._accept, name="hallmark-agent", daemon=True)
        self._accepting.start()

    def wait(self) -> None:
        """Until `stop`, or an exception of a signal handler."""
        self._house.stopping.wait()

    def stop(self) -> None:
        """Nobody is let in any more; what is under way has AgentLimits.stop_seconds. Any thread; twice is fine."""
        self._house.stopping.set()
        if self._accepting is None:
            return
        self._waker.send(b"\0")
        self._accepting.join()
        self._accepting = None
        for end in (self._waker, self._wake):
            end.close()
        self._door.close()
        with self._lock:
            sessions = dict(self._sessions)
        for session in sessions:
            session.shut()
        until = self._house.system.monotonic() + self._house.accounts.limits.stop_seconds
        for thread in sessions.values():
            thread.join(max(0.0, until - self._house.system.monotonic()))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _accept(self) -> None:
        with selectors.DefaultSelector() as waiting:
            waiting.register(self._door.listener, selectors.EVENT_READ)
            waiting.register(self._wake, selectors.EVENT_READ)
            while not self._house.stopping.is_set():
                for key, _ in waiting.select():
                    if key.fileobj is self._door.listener:
                        self._accept_one()

    def _accept_one(self) -> None:
        try:
            connection, _ = self._door.listener.accept()
        except OSError as error:
            if error.errno in _OUT_OF_DESCRIPTORS:
                _logger.warning("no connection can be accepted now: %s", error.strerror)
                self._house.stopping.wait(_BREATH_SECONDS)
            return
        try:
            self._admit(connection)
        except AgentFailed as error:
            _logger.info("not let in: %s", error.message)
            _turn_away(connection, error)
        except OSError:
            connection.close()

    def _admit(self, connection: socket.socket) -> None:
        """Raises AgentRefused, AgentBusy, OSError."""
        peer = Peer(connection)
        try:
            account = self._house.accounts.of(self._applications.name(peer.facts))
            self._house.accounts.connect(account)
        except BaseException:
            peer.close()
            raise
        session = Session(connection, peer, account, self._house)
        thread = threading.Thread(target=self._run, args=(session, account), name="hallmark-agent-app", daemon=True)
        with self._lock:
            self._sessions[session] = thread
        thread.start()

    def _run(self, session: Session, account: Account) -> None:
        try:
            session.run()
        except Exception:
            _logger.exception("a connection of %s failed", account.application)
        finally:
            with self._lock:
                self._sessions.pop(session, None)
            self._house.accounts.disconnect(account)


def _turn_away(connection: socket.socket, error: AgentFailed) -> None:
    """Without waiting for anybody."""
    with connection, contextlib.suppress(OSError):
        connection.setblocking(False)
        connection.send(frame(error=error_json(error)))
