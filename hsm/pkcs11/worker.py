"""A signer process: `python -P -m hsm.pkcs11.worker --fd N`, started and watched by process.py.

Steps: harden the process; read the START frame; PIN; log in; choose engines; self-test; answer; then serve frames from
the socket until it closes. One thread. Requests that wait already are taken together and their answers leave
together.
"""

import argparse
import ctypes
import os
import resource
import signal
import socket
import sys
import time
import traceback
from pathlib import Path
from typing import Any, Final

from hsm.engine_selection import EngineSelection, select_engines
from hsm.engines.discovery import discover
from hsm.errors import HsmError

from . import native
from .custody_session import CustodySession
from .faults import TokenLost
from .frames import BadFrame, FrameBuffer, Operation, encode_error, encode_frame
from .library import open_library
from .pin import read_pin
from .signer import Signer

MAX_DRAIN: Final = 8
"""Requests taken together; more gains nothing measurable and makes the first caller wait."""
MAX_ANSWER_BYTES: Final = 27_000
"""Answers are sent on once they hold about 8 signatures, so that several batches do not wait for each other."""
EXIT_TOKEN_LOST: Final = 75
"""EX_TEMPFAIL of sysexits.h."""
_READ_SIZE: Final = 1 << 18
_NICE: Final = 5
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_DUMPABLE: Final = 4
MECHANISMS_OF_INTEREST: Final = (
    "AES_GCM",
    "AES_KEY_WRAP_PAD",
    "EC_KEY_PAIR_GEN",
    "ECDSA",
    "EC_EDWARDS_KEY_PAIR_GEN",
    "EDDSA",
    "ECDH1_DERIVE",
    "ML_DSA_KEY_PAIR_GEN",
    "ML_DSA",
    "ML_KEM_KEY_PAIR_GEN",
    "ML_KEM",
)


class Channel:
    """The blocking end of the socket pair."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._buffer = FrameBuffer()

    def receive(self, limit: int) -> list[Any]:
        """At least one frame, at most `limit`, waiting only for the first; empty when the service has gone."""
        frames: list[Any] = []
        while len(frames) < limit:
            frame = self._buffer.take()
            if frame is not None:
                frames.append(frame)
                continue
            data = self._read(wait=not frames)
            if data is None:
                return frames
            if not data:
                return []
            self._buffer.add(data)
        return frames

    def send(self, data: bytes) -> None:
        self._connection.sendall(data)

    def _read(self, *, wait: bool) -> bytes | None:
        try:
            return self._connection.recv(_READ_SIZE, 0 if wait else socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None
        except ConnectionError:
            return b""


def harden_process() -> None:
    """No core file and no ptrace by others while seeds are in memory; ends with the service; ignores its terminal.

    It yields to the service, which hands out the work in short turns that a signature must not keep waiting. SIGINT
    and SIGTERM reach the whole group: the service drains, and this process ends when its socket closes.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(_NICE)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def begin(configuration: dict[str, Any]) -> tuple[Signer, CustodySession, dict[str, Any]]:
    """Signer, session and the facts for the service. Raises HsmError."""
    pin_file = configuration["pin_file"]
    pin = read_pin(Path(pin_file) if pin_file else None, configuration["pin_env"], os.environ)
    library = open_library(Path(configuration["module"]))
    token = CustodySession.open(
        library,
        label=configuration["token_label"],
        serial=configuration["token_serial"],
        pin=pin,
        kek_id=configuration["kek_id"],
    )
    engines, unavailable = discover(os.environ)
    selection = select_engines(
        engines,
        clock=time.perf_counter,
        preferred=configuration["engine"],
        raced=configuration["raced_engine"],
        unavailable=unavailable,
    )
    finding = native.examine(token, selection.verifier) if configuration["native"] else native.NOT_WANTED
    if token.sealing_fault is not None and not finding.complete:
        raise token.sealing_fault  # it could neither hold ML-DSA keys nor seal them
    signer = Signer(
        token,
        selection,
        native_sets=finding.parameter_sets,
        clock=time.monotonic,
        cache_seconds=configuration["seed_cache_seconds"],
    )
    signer.forget()
    return signer, token, describe(library, token, selection, finding)


def describe(
    library: Any, session: CustodySession, selection: EngineSelection, finding: native.NativeFinding
) -> dict[str, Any]:
    """What the capabilities report, as plain values."""
    token, available = session.token, session.mechanism_names()
    return {
        "module_version": ".".join(str(part) for part in library.library_version),
        "token_label": token.label,
        "token_serial": token.serial.decode("utf-8", "replace").strip(),
        "token_model": token.model,
        "token_manufacturer": token.manufacturer_id,
        "mechanisms": [name for name in MECHANISMS_OF_INTEREST if name in available],
        "engines": [[fact.name, fact.version, fact.signs_per_second, fact.refused_because] for fact in selection.facts],
        "signing_engine": selection.signer.name,
        "verifying_engine": selection.verifier.name,
        "native_parameter_sets": sorted(item.value for item in finding.parameter_sets),
        "native_reason": finding.reason,
        "seals": session.sealing_fault is None,
    }


def serve(channel: Channel, signer: Signer) -> int:
    """Exit status. Ends when the service closes the socket, or when the token is lost."""
    while requests := channel.receive(MAX_DRAIN):
        answers = bytearray()
        for number, operation, arguments in requests:
            try:
                answers += perform(signer, number, operation, arguments)
            except TokenLost as error:
                channel.send(bytes(answers) + encode_error(number, error))
                return EXIT_TOKEN_LOST
            if len(answers) >= MAX_ANSWER_BYTES:
                channel.send(bytes(answers))
                answers.clear()
        if answers:
            channel.send(bytes(answers))
        signer.forget()
    return 0


def perform(signer: Signer, number: int, operation: str, arguments: list[Any]) -> bytes:
    """The answer frame. Raises TokenLost only."""
    try:
        return encode_frame([number, None, signer.perform(operation, arguments)])
    except TokenLost:
        raise
    except HsmError as error:
        return encode_error(number, error)
    except Exception as error:  # one bad request must not take down a process that others depend on
        sys.stderr.writelines(traceback.format_tb(error.__traceback__))  # no message: it may quote arguments
        return encode_error(number, HsmError(f"a signer process met an unexpected {type(error).__name__}"))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m hsm.pkcs11.worker", description="Started by the service only.")
    parser.add_argument("--fd", type=int, required=True, help="number of the inherited socket")
    arguments = parser.parse_args()
    harden_process()
    channel = Channel(socket.socket(fileno=arguments.fd))
    try:
        first = channel.receive(1)
        if not first:
            return 0
        number, operation, configuration = first[0]
        if operation != Operation.START:
            raise BadFrame("the first frame is not START")
        try:
            signer, token, facts = begin(configuration)
        except HsmError as error:
            channel.send(encode_error(number, error))
            return 1
        channel.send(encode_frame([number, None, facts]))
        try:
            return serve(channel, signer)
        finally:
            token.close()
    except (BadFrame, ConnectionError):
        return 1


if __name__ == "__main__":
    sys.exit(main())
