"""What the core asks of whoever drives it. The same for the thread, for asyncio and for tests with a virtual clock."""

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from google.protobuf.message import Message

from hallmark.v1 import events_pb2
from hallmark_client.rpc import Rpc
from hallmark_client.watch.changes import Change


@dataclass(frozen=True, slots=True)
class Open:
    """Open a stream of WatchEvents, after closing an earlier one. No answer; HallmarkError."""

    request: events_pb2.WatchEventsRequest


@dataclass(frozen=True, slots=True)
class Next:
    """Its next frame. Answer: WatchEventsResponse, or None when it ended. HallmarkError; SILENT after the time."""

    timeout_seconds: float


@dataclass(frozen=True, slots=True)
class Close:
    """Close the stream, if one is open. No answer."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One unary call, not repeated. Answer: its response. HallmarkError."""

    rpc: Rpc[Any, Any]
    request: Message
    timeout_seconds: float


@dataclass(frozen=True, slots=True)
class Fetch:
    """One public file. Answer: its bytes. NotFound, Unavailable."""

    path: str
    max_bytes: int


@dataclass(frozen=True, slots=True)
class Sleep:
    """Wait, or less when the watcher is closed. No answer."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Tell:
    """Call on_change with it. No answer; whatever the callback raises."""

    change: Change


@dataclass(frozen=True, slots=True)
class Do:
    """Work that takes its time and touches nothing of the core: signatures, the disk. Answer: what it returns."""

    work: Callable[[], Any] = field(repr=False)


Command: TypeAlias = Open | Next | Close | Ask | Fetch | Sleep | Tell | Do
Answer = TypeVar("Answer")
Steps: TypeAlias = Generator[Command, Any, Answer]
"""Yields commands, is sent their answers or thrown their errors, and returns an Answer."""
