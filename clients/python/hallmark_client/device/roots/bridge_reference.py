"""A bridge whose keys are in software: to read, to try the protocol, to test against. It protects nothing.

    python -m hallmark_client.device.roots.bridge_reference --socket ~/.hallmark/bridge.sock --state ~/.hallmark/keys

Its keys lie readable in the state file (mode 0600), and its facts say so. A native app does the same with a chip.
"""

import argparse
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hallmark_client.device.errors import DeviceError, RootLost
from hallmark_client.device.life.software import SoftwareAttester
from hallmark_client.device.model import Enforcement
from hallmark_client.model.devices import Challenge, Evidence
from hallmark_client.model.enums import ChallengePurpose, EvidenceFormat
from hallmark_client.system import System
from hallmark_events.canonical import canonical_json, encode_base64, parse_base64, parse_canonical, parse_hex

from . import sealed
from .bridge_answers import ROOT_SIZE, BridgeClaim
from .bridge_server import listen, serve
from .bridge_service import BridgeService
from .port import RootFacts
from .software import SoftwareRoot
from .state_file import StateFile

DETAIL: Final = "reference bridge, software keys in a readable file"
CAVEATS: Final = ("The keys of this bridge lie readable on the disk: it is for tests only.",)

_FORMAT: Final = "hallmark-bridge-reference-v1"
_STATE_MAX: Final = 4096
_CURVE: Final = ec.SECP256R1()
_SCALAR_SIZE: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The file. device_key: scalar of a P-256 key, 32 bytes. keys: of this epoch, and of the next where it was used."""

    root: str
    epoch: int
    device_key: bytes
    keys: tuple[bytes, ...]

    def __repr__(self) -> str:
        return f"State(root={self.root!r}, epoch={self.epoch})"

    def to_bytes(self) -> bytes:
        keys = [encode_base64(key) for key in self.keys]
        device_key = encode_base64(self.device_key)
        return canonical_json(
            {"device_key": device_key, "epoch": self.epoch, "format": _FORMAT, "keys": keys, "root": self.root}
        )


def parse_state(data: bytes) -> State:
    """Raises RootLost."""
    value = parse_canonical(data, what="the state file", max_bytes=_STATE_MAX, refuse=_damaged)
    epoch, keys = value.get("epoch"), value.get("keys")
    if type(epoch) is not int or epoch < 1 or not isinstance(keys, list) or not 1 <= len(keys) <= 2:
        raise _damaged("the state file has other fields than this version writes")
    state = State(
        root=parse_hex(value.get("root"), ROOT_SIZE, what="root", refuse=_damaged).hex(),
        epoch=epoch,
        device_key=parse_base64(value.get("device_key"), what="device_key", refuse=_damaged),
        keys=tuple(parse_base64(key, what="a key", refuse=_damaged) for key in keys),
    )
    if state.to_bytes() != data or {len(key) for key in state.keys} | {len(state.device_key)} != {sealed.KEY_SIZE}:
        raise _damaged("the state file has other fields or sizes than this version writes")
    return state


class ReadableKeys:
    """`EpochKeys` in the state file, in clear. Made where there is none."""

    def __init__(self, path: Path, random_bytes: Callable[[int], bytes]) -> None:
        self._file = StateFile(path, max_bytes=_STATE_MAX)
        self._random_bytes = random_bytes
        with self._file.locked():
            if self._file.read() is None:
                scalar = ec.generate_private_key(_CURVE).private_numbers().private_value.to_bytes(_SCALAR_SIZE)
                key, root = random_bytes(sealed.KEY_SIZE), random_bytes(ROOT_SIZE).hex()
                self._file.write(State(root=root, epoch=1, device_key=scalar, keys=(key,)).to_bytes())

    @property
    def root(self) -> str:
        return self.state().root

    def epoch(self) -> int:
        return self.state().epoch

    def key(self, epoch: int) -> bytearray:
        with self._file.locked():
            state = self.state()
            if epoch == state.epoch + 1 and len(state.keys) == 1:
                state = replace(state, keys=(*state.keys, self._random_bytes(sealed.KEY_SIZE)))
                self._file.write(state.to_bytes())
        if not 0 <= epoch - state.epoch < len(state.keys):
            raise sealed.epoch_is_not(epoch, present=state.epoch)
        return bytearray(state.keys[epoch - state.epoch])

    def advance(self, to: int) -> None:
        with self._file.locked():
            state = self.state()
            if state.epoch == to - 1:
                following = state.keys[1:] or (self._random_bytes(sealed.KEY_SIZE),)
                self._file.write(replace(state, epoch=to, keys=following).to_bytes())

    def close(self) -> None:
        """Nothing is held."""

    def state(self) -> State:
        data = self._file.read()
        if data is None:
            raise RootLost("ROOT_LOST", "the state file is gone")
        return parse_state(data)


class ReferenceKey:
    """`BridgedKey` and `DeviceKey` in software. What vouches for it is its own statement (life/software.py)."""

    def __init__(self, scalar: bytes) -> None:
        self._key = ec.derive_private_key(int.from_bytes(scalar), _CURVE)

    @property
    def spki(self) -> bytes:
        return self._key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message, ec.ECDSA(SHA256()))

    def attest(self, challenge: bytes) -> Evidence:
        purpose, now = ChallengePurpose.SOFTWARE_SEALED, datetime.now(UTC)
        asked = Challenge(name="", challenge=challenge, expire_time=now, purpose=purpose, key_spki=b"")
        return SoftwareAttester(software="bridge_reference").prove(asked, self).evidence


def reference_service(state: Path, *, system: System | None = None) -> BridgeService:
    """Raises RootUnavailable, RootLost."""
    system = system or System()
    keys = ReadableKeys(state, system.random_bytes)
    key = ReferenceKey(keys.state().device_key)
    claim = BridgeClaim(
        root=keys.root,
        assurance=Enforcement.ADVISORY,
        powers=MappingProxyType({}),
        detail=DETAIL,
        caveats=CAVEATS,
        key=key.spki,
        evidence=EvidenceFormat.SOFTWARE,
    )
    facts = RootFacts(
        name="bridge", assurance=claim.assurance, powers=claim.powers, detail=claim.detail, caveats=claim.caveats
    )
    return BridgeService(SoftwareRoot(keys, facts, system=system), claim, key)


def _damaged(why: str) -> RootLost:
    return RootLost("ROOT_LOST", why)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m hallmark_client.device.roots.bridge_reference",
        description="Serves a root of trust with software keys over a Unix socket, to try the bridge protocol.",
        epilog="Example: --socket ~/.hallmark/bridge.sock --state ~/.hallmark/keys. SIGTERM or Ctrl-C ends it.",
    )
    parser.add_argument("--socket", type=Path, required=True, help="in a folder that is made with mode 0700")
    parser.add_argument("--state", type=Path, required=True, help="file of its keys, made where there is none")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(0))
    try:
        with listen(given.socket) as listener:
            try:
                service = reference_service(given.state)
                print(f"serving {given.socket} ({DETAIL})", flush=True)  # noqa: T201 - who waits for it reads this
                serve(listener, service.answer)
            finally:
                given.socket.unlink(missing_ok=True)
    except DeviceError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
