"""The vault, as an app sees it through the agent: the same names, one line changed.

vault = AgentClient(Path("/run/hallmark/agent.sock"))
with vault.get("models/chat") as reader:
    header = reader.pread(0, 4096)
"""

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Final, Self, TypeVar

from hallmark_client.device.agent.asking import Asking, Conversation, Opened
from hallmark_client.device.agent.errors import AgentInvalid, AgentUnavailable
from hallmark_client.device.agent.frames import Members, Op, pairs
from hallmark_client.device.agent.reader import AgentReader
from hallmark_client.device.agent.sending import send_source
from hallmark_client.device.agent.values import (
    AgentStatus,
    PermissionChange,
    read_artifact,
    read_clause,
    read_deletion,
    read_status,
)
from hallmark_client.device.agent.watching import watched
from hallmark_client.device.model import Artifact, Caller, Clause
from hallmark_client.device.vault import Deletion
from hallmark_client.device.vault.intake import Progress, Source
from hallmark_client.model.consents import ArtifactKind
from hallmark_client.system import System
from hallmark_events.canonical import Json, encode_base64

T = TypeVar("T")
_NO_LABELS: Final[Mapping[str, str]] = MappingProxyType({})
SECONDS: Final = 30.0


class AgentClient:
    """May be used from any thread. Every call raises what Vault raises, and AgentFailed.

    Where the agent is away or busy, calls wait for it, `seconds` at most: it may be restarted at any time. What it may
    have done when the answer was lost is not asked for twice (put, delete): that is AgentUnavailable, and `find` tells.

    `caller` is there because Vault has it: what counts is the name that the agent gives to this process. A process that
    forks makes a client of its own.
    """

    def __init__(
        self,
        socket_path: Path,
        *,
        seconds: float = SECONDS,
        agent_uid: int | None = None,
        system: System | None = None,
    ) -> None:
        """Connects when it is needed first. agent_uid: of the agent's user; without it, root or this one."""
        self._asking = Asking(socket_path, seconds=seconds, system=system or System(), agent_uid=agent_uid)
        self._closed = False
        self._lock = threading.Lock()
        self._conversation: Conversation | None = None

    def put(
        self,
        source: Source,
        *,
        name: str,
        kind: ArtifactKind,
        version: int = 0,
        needs_permission: bool = False,
        labels: Mapping[str, str] = _NO_LABELS,
        progress: Progress | None = None,
        caller: Caller | None = None,
    ) -> Artifact:
        """As Vault.put. Of a path, the agent reads the file itself; anything else goes through a pipe."""
        del caller
        params: dict[str, Json] = {
            "kind": kind.value,
            "labels": pairs(labels),
            "name": name,
            "needs_permission": needs_permission,
            "version": version,
        }
        with self._own() as conversation:
            return read_artifact(send_source(conversation, source, params, progress).members("artifact"))

    def get(
        self, name: str, *, version: int | None = None, part: str = "", caller: Caller | None = None
    ) -> AgentReader:
        """As Vault.get. Its artifact has the one part that is read."""
        del caller
        return AgentReader(lambda: self._open(name, version, part), seconds=self._asking.seconds)

    def read(self, name: str, *, version: int | None = None, part: str = "", caller: Caller | None = None) -> bytes:
        """The whole of a part, in memory."""
        with self.get(name, version=version, part=part, caller=caller) as reader:
            return reader.readall()

    async def read_async(
        self, name: str, *, version: int | None = None, part: str = "", caller: Caller | None = None
    ) -> bytes:
        return await asyncio.to_thread(self.read, name, version=version, part=part, caller=caller)

    def find(self, name: str, version: int | None = None) -> Artifact:
        """Raises ArtifactUnknown, also for what this application may not see."""
        found = self._ask(Op.FIND, {"name": name, "version": version})
        return read_artifact(found.members("artifact"))

    def artifacts(self, caller: Caller | None = None) -> tuple[Artifact, ...]:
        """Those that this application may list."""
        del caller
        artifacts: list[Artifact] = []
        after: Json = None
        while True:
            found = self._ask(Op.LIST, {"after": after}).only("artifacts", "more")
            artifacts += found.many("artifacts", read_artifact)
            if not found.flag("more"):
                return tuple(artifacts)
            after = {"name": artifacts[-1].name, "version": artifacts[-1].version}

    def delete(self, *artifacts: Artifact | str, caller: Caller | None = None, nonce: bytes | None = None) -> Deletion:
        """As Vault.delete; its artifacts are without their parts. A name stands for the versions that this application
        may see.
        """
        del caller
        wanted: list[Json] = [
            {"artifact_id": None, "name": each}
            if isinstance(each, str)
            else {"artifact_id": each.artifact_id, "name": each.name}
            for each in artifacts
        ]
        params: dict[str, Json] = {"artifacts": wanted, "nonce": None if nonce is None else encode_base64(nonce)}
        with self._own() as conversation:  # of its own: a chip may take its time
            return read_deletion(conversation.ask(Op.DELETE, params).members("deletion"))

    def effective_policy(
        self, name: str, caller: Caller | None = None, version: int | None = None
    ) -> tuple[Clause, ...]:
        """Every clause for reading it by this application, with who makes it hold."""
        del caller
        return self._ask(Op.EFFECTIVE_POLICY, {"name": name, "version": version}).many("clauses", read_clause)

    def status(self) -> AgentStatus:
        return read_status(self._ask(Op.STATUS, {}).members("status"))

    def watch(self) -> Iterator[PermissionChange]:
        """First what holds for all that this application may see, then every change, at most 1 s later. Goes on over
        restarts of the agent. Close the iterator to end it.
        """
        return watched(self._asking)

    def close(self) -> None:
        """Readers end, too."""
        self._closed = True
        with self._lock:
            self._hang_up()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, op: Op, params: dict[str, Json]) -> Members:
        return self._asking.patiently(lambda: self._talk(lambda conversation: conversation.ask(op, params)))

    def _open(self, name: str, version: int | None, part: str) -> Opened:
        params: dict[str, Json] = {"name": name, "part": part, "version": version}
        return self._asking.patiently(lambda: self._talk(lambda conversation: conversation.open(params)))

    def _talk(self, say: Callable[[Conversation], T]) -> T:
        with self._lock, self._kept() as conversation:
            return say(conversation)

    @contextmanager
    def _kept(self) -> Iterator[Conversation]:
        """One connection for all quick calls; with the agent, it goes."""
        if self._closed:
            raise ValueError("this client was closed")
        if self._conversation is None:
            self._conversation = self._asking.connected()
        try:
            yield self._conversation
        except (AgentUnavailable, AgentInvalid):
            self._hang_up()
            raise

    def _own(self) -> AbstractContextManager[Conversation]:
        if self._closed:
            raise ValueError("this client was closed")
        return self._asking.conversation()

    def _hang_up(self) -> None:
        if self._conversation is not None:
            self._conversation.close()
            self._conversation = None
