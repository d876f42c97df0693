"""How an app sends what is to be stored: a file by its descriptor, everything else through a pipe."""

import contextlib
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from hallmark_client.device.agent.asking import LONG_SECONDS, Conversation
from hallmark_client.device.agent.frames import Members, Op
from hallmark_client.device.vault.intake import Progress, Source
from hallmark_events.canonical import Json

_PIECE: Final = 1024 * 1024


def send_source(
    conversation: Conversation, source: Source, params: dict[str, Json], progress: Progress | None
) -> Members:
    """The agent's answer. What goes wrong with the source passes through."""
    with ExitStack() as opened:
        if isinstance(source, Path):
            file = opened.enter_context(source.open("rb", buffering=0))
            facts = os.fstat(file.fileno())
            if stat.S_ISREG(facts.st_mode):
                conversation.say(Op.PUT, {**params, "progress": True}, descriptors=(file.fileno(),))
                conversation.say(Op.END, {"size": facts.st_size})
                answer = conversation.answer(LONG_SECONDS, progress)
                if progress is not None:
                    progress(facts.st_size)
                return answer
            return _pump(conversation, iter(lambda: file.read(_PIECE), b""), params, progress)
        return _pump(conversation, _pieces(source), params, progress)


def _pump(
    conversation: Conversation, pieces: Iterator[bytes], params: dict[str, Json], progress: Progress | None
) -> Members:
    theirs, ours = os.pipe()
    try:
        with contextlib.suppress(OSError, AttributeError):  # Linux; as much as the administrator allows
            fcntl.fcntl(ours, fcntl.F_SETPIPE_SZ, _PIECE)
        try:
            conversation.say(Op.PUT, {**params, "progress": False}, descriptors=(theirs,))
        finally:
            os.close(theirs)
        size = _write_all(ours, pieces, progress)
    except BaseException:
        with contextlib.suppress(Exception):  # what failed is told, not what failed after it
            conversation.say(Op.END, {"size": None})
        raise
    finally:
        os.close(ours)
    conversation.say(Op.END, {"size": size})
    return conversation.answer(LONG_SECONDS)


def _write_all(descriptor: int, pieces: Iterator[bytes], progress: Progress | None) -> int:
    """How many bytes were written. An agent that refuses closes its end: its answer says why."""
    written = 0
    with contextlib.suppress(BrokenPipeError):
        for piece in pieces:
            view = memoryview(piece).cast("B")
            while view:
                count = os.write(descriptor, view)
                written, view = written + count, view[count:]
            if progress is not None:
                progress(written)
    return written


def _pieces(source: Source) -> Iterator[bytes]:
    assert not isinstance(source, Path)
    read = getattr(source, "read", None)
    return iter(source) if read is None else iter(lambda: read(_PIECE), b"")
