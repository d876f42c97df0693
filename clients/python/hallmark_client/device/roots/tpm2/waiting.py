"""Every call to a TPM is made by a thread of its own, so that a TPM that hangs holds up nobody for ever.

The TSS gives no time limit for this: its TCTIs for the device and for swtpm wait for the answer whatever time they are
told (tpm2-tss: tcti-device.c without --enable-tcti-device-async, tcti-swtpm.c). A call can not be taken back, so the
thread stays with it, and closes the connection when the TPM answers after all.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, Final

from hallmark_client.device.errors import RootUnavailable

ANSWER_SECONDS: Final = 60.0
"""For one command. The slowest one asked for here, making an elliptic key, takes a TPM some seconds."""

_Outcome = tuple[Any, BaseException | None]
_Call = tuple[Callable[[], Any], "SimpleQueue[_Outcome]"]

_hanging: Final[dict[str, threading.Thread]] = {}
"""By TCTI: who still waits. As long as it does, nobody else begins to, so there is one such thread at most."""


_turns: Final[dict[str, threading.RLock]] = {}
"""By TCTI."""


@contextlib.contextmanager
def turn(tcti: str) -> Iterator[None]:
    """One thread at a time: a TPM has room for three sessions, and without a resource manager all connections share it.

    Raises RootUnavailable when nobody makes room within ANSWER_SECONDS.
    """
    lock = _turns.setdefault(tcti, threading.RLock())
    if not lock.acquire(timeout=ANSWER_SECONDS):
        raise _hangs(tcti)
    try:
        yield
    finally:
        lock.release()


class Waiting:
    """The calls of one connection, one at a time. After one that was given up all others raise RootUnavailable."""

    def __init__(self, tcti: str) -> None:
        """Raises RootUnavailable."""
        self._tcti = tcti
        self._given_up = False
        self._esapi: Any = None
        if (other := _hanging.get(tcti)) is not None and other.is_alive():
            raise _hangs(tcti)
        _hanging.pop(tcti, None)
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="hallmark-tpm", daemon=True)
        self._thread.start()

    def call(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """What it returns or raises; or RootUnavailable after ANSWER_SECONDS."""
        if self._given_up:
            raise _hangs(self._tcti)
        answer: SimpleQueue[_Outcome] = SimpleQueue()
        self._calls.put((partial(function, *arguments, **named), answer))
        try:
            result, error = answer.get(timeout=ANSWER_SECONDS)
        except BaseException as caught:  # also an interrupt: the call is still under way
            self._give_up()
            if isinstance(caught, Empty):
                raise _hangs(self._tcti) from None
            raise
        if error is not None:
            raise error
        return result

    def open(self, make: Callable[[str], Any]) -> "Esapi":
        """make: gives a tpm2_pytss.ESAPI, which `end` closes."""
        self.call(self._open, make)
        return Esapi(self._esapi, self)

    def end(self) -> None:
        if not self._given_up:
            with contextlib.suppress(RootUnavailable):
                self.call(self._close)
        self._calls.put(None)

    def _open(self, make: Callable[[str], Any]) -> None:
        self._esapi = make(self._tcti)

    def _close(self) -> None:
        if self._esapi is not None:
            self._esapi.close()

    def _give_up(self) -> None:
        self._given_up = True
        _hanging[self._tcti] = self._thread
        self._calls.put((self._close, SimpleQueue()))
        self._calls.put(None)

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            function, answer = call
            try:
                answer.put((function(), None))
            except BaseException as error:  # the caller's
                answer.put((None, error))
            del call, function, answer


class Esapi:
    """tpm2_pytss.ESAPI, each method called through `Waiting`."""

    def __init__(self, esapi: Any, waiting: Waiting) -> None:
        self._esapi = esapi
        self._waiting = waiting

    def __getattr__(self, name: str) -> Any:
        return partial(self._waiting.call, getattr(self._esapi, name))


def _hangs(tcti: str) -> RootUnavailable:
    return RootUnavailable(
        "ROOT_UNAVAILABLE",
        f"the TPM at {tcti} has not answered for {ANSWER_SECONDS:g} s, it hangs: see what the kernel says of it "
        "(`dmesg`), restart its daemon or the device, then try again",
    )
