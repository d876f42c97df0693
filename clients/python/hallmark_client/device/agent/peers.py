"""Who is at the other end of a Unix socket, as the operating system says, and which application that is.

Linux: user and process by SO_PEERCRED (unix(7)); the process is held by a pidfd (pidfd_open(2)) while its cgroup and
program are read. The number of a process may be given to another one meanwhile: that it was not is known when the nonce
which was sent after that comes back in a message of that very process (SCM_CREDENTIALS, put there by the kernel), and
the pidfd is still alive. macOS: the user by LOCAL_PEERCRED (unix(4) there); rules by unit or program hold for nobody.
"""

import contextlib
import os
import select
import socket
import struct
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from hallmark_client.device.agent.errors import AgentRefused
from hallmark_client.device.roots.bridge_socket import peer_uid

LINUX: Final = sys.platform == "linux"
UCRED: Final = struct.Struct("3i")
"""pid, uid, gid (unix(7))."""
UID_MAX: Final = 2**32 - 2
NAME_MAX: Final = 256
_NOBODY: Final = 65_534
"""Whom the kernel shows for every user of another user namespace (user_namespaces(7))."""
_PROC: Final = Path("/proc")
_FIELDS: Final = ("uid", "unit", "exe")


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerFacts:
    """pid: 0 where it is in another PID namespace. unit: systemd's, "" if none. program: device and inode."""

    uid: int
    pid: int
    unit: str = ""
    program: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerRule:
    """Which processes are an application: everything that is named must fit.

    uid: the user. unit: of systemd: "assistant.service", and "user@1000.service/app-chat.service" for a user's own.
    exe: absolute path of the program; its file is compared, not its name. What unit and exe are worth against other
    programs of the same user: docs/device-agent.md. Raises ValueError.
    """

    uid: int | None = None
    unit: str | None = None
    exe: str | None = None

    def __post_init__(self) -> None:
        if self.uid is None and self.unit is None and self.exe is None:
            raise ValueError("a rule names uid, unit or exe")
        if self.uid is not None and (not 0 <= self.uid <= UID_MAX or self.uid == _NOBODY):
            raise ValueError(f"a uid is 0 to {UID_MAX}, and not {_NOBODY}, which stands for many")
        if self.unit is not None and not self.unit:
            raise ValueError("a unit is not empty")
        if self.exe is not None and not Path(self.exe).is_absolute():
            raise ValueError("exe is an absolute path")

    @classmethod
    def parse(cls, text: str) -> Self:
        """uid=1000,unit=assistant.service,exe=/usr/bin/assistant; each at most once. Raises ValueError."""
        found: dict[str, str] = {}
        for item in text.split(","):
            name, equals, value = item.partition("=")
            if name not in _FIELDS or not equals or name in found:
                raise ValueError(f"{item!r:.80} is not uid=NUMBER, unit=NAME or exe=PATH, each once")
            found[name] = value
        uid = found.get("uid")
        if uid is not None and not (uid.isascii() and uid.isdecimal() and len(uid) <= len(str(UID_MAX))):
            raise ValueError("a uid is a number, such as `id -u` prints")
        return cls(uid=None if uid is None else int(uid), unit=found.get("unit"), exe=found.get("exe"))

    def fits(self, facts: PeerFacts) -> bool:
        if self.uid is not None and self.uid != facts.uid:
            return False
        if self.unit is not None and self.unit != facts.unit:
            return False
        return self.exe is None or (facts.program is not None and facts.program == program_at(Path(self.exe)))


class Applications:
    """Rules with the name that the vault's policy knows; the first one that fits counts. Raises ValueError."""

    def __init__(self, named: Mapping[PeerRule, str] | Mapping[str, str]) -> None:
        rules = ((PeerRule.parse(rule) if isinstance(rule, str) else rule, name) for rule, name in named.items())
        self._rules: Final = tuple(rules)
        for _, name in self._rules:
            if not 1 <= len(name) <= NAME_MAX or not name.isprintable() or name.startswith("hallmark."):
                raise ValueError(f'{name!r:.80} names no application: printable, and not "hallmark."')

    def name(self, facts: PeerFacts) -> str:
        """Raises AgentRefused."""
        for rule, name in self._rules:
            if rule.fits(facts):
                return name
        raise AgentRefused(
            f"no application is named for uid {facts.uid}, unit {facts.unit or '-'}: the agent's settings say which are"
        )


class Peer:
    """The process at the other end, held so that its number stays its own; close it."""

    def __init__(self, connection: socket.socket) -> None:
        """Raises AgentRefused: it is gone, or this system says nothing of it."""
        if not LINUX:
            self._pidfd, self.facts = None, PeerFacts(uid=peer_uid(connection), pid=0)
            return
        told = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, UCRED.size)
        pid, uid, _ = UCRED.unpack(told)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        try:
            self._pidfd = os.pidfd_open(pid) if pid else None
        except OSError:
            raise _gone() from None
        self.facts = _facts(pid, uid) if pid else PeerFacts(uid=uid, pid=0)

    def check_alive(self) -> None:
        """Raises AgentRefused where the process has ended: then its number may be another's."""
        if self._pidfd is not None:
            look = select.poll()
            look.register(self._pidfd, select.POLLIN)
            if look.poll(0):
                raise _gone()

    def close(self) -> None:
        if self._pidfd is not None:
            os.close(self._pidfd)
            self._pidfd = None


def program_at(path: Path) -> tuple[int, int] | None:
    """Device and inode: a path may be another file in another mount namespace."""
    with contextlib.suppress(OSError):
        found = path.stat()
        return found.st_dev, found.st_ino
    return None


def unit_of(cgroups: str) -> str:
    """From the text of /proc/PID/cgroup (cgroups(7)): the unit, or user@UID.service/UNIT; "" if none."""
    paths = dict(line.split(":", 2)[1:] for line in cgroups.splitlines() if line.count(":") >= 2)
    path = paths.get("name=systemd") or paths.get("", "")
    names = [name for name in path.split("/") if name and not name.endswith(".slice")]
    if not names or "." not in names[0]:
        return ""
    if names[0].startswith("user@") and len(names) > 1:
        return f"{names[0]}/{names[1]}"
    return names[0]


def _facts(pid: int, uid: int) -> PeerFacts:
    unit = ""
    with contextlib.suppress(OSError, UnicodeDecodeError):
        unit = unit_of((_PROC / str(pid) / "cgroup").read_text())
    return PeerFacts(uid=uid, pid=pid, unit=unit, program=program_at(_PROC / str(pid) / "exe"))


def _gone() -> AgentRefused:
    return AgentRefused("the process that connected has ended")
