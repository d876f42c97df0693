"""What bridge_conformance.py checks: every rule of docs/device-bridge.md that can be seen from outside."""

import contextlib
import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from hallmark_client.device.errors import LimitReached, RootLost, RootUnavailable
from hallmark_client.errors import HallmarkError
from hallmark_client.system import System
from hallmark_client.verifying_key import PlainPublicKey
from hallmark_events.canonical import Json, encode_base64

from . import bridge_answers as answers
from .bridge_answers import BridgeClaim
from .bridge_frames import Op, parse_answer, parse_body, request
from .bridge_hostile import HOSTILE
from .bridge_socket import call
from .port import RootPower

_LABEL: Final = b"conformance"


class Broken(Exception):
    """A rule that the bridge does not keep."""


class Asking:
    """A bridge under examination. uid: of its process. seconds: for each answer."""

    def __init__(
        self, path: Path, *, uid: int | None = None, seconds: float = 30.0, system: System | None = None
    ) -> None:
        self.path = path
        self.system = system or System()
        self._uid = os.geteuid() if uid is None else uid
        self._seconds = seconds

    def raw(self, frame: bytes) -> bytes:
        body = call(self.path, frame, uid=self._uid, seconds=self._seconds, monotonic=self.system.monotonic)
        return bytes(body)

    def ask(self, op: Op, **params: Json) -> dict[str, Any]:
        return parse_answer(self.raw(request(op, params)))

    def refused(self, frame: bytes, code: str, what: str) -> None:
        answer = parse_body(self.raw(frame))
        found = answer.get("error")
        if not isinstance(found, dict) or found.get("code") != code:
            raise Broken(f"{what}: the answer must be the error {code!r}, not {str(found or 'a result')[:80]}")

    def claim(self) -> BridgeClaim:
        nonce = self.system.random_bytes(answers.CLAIM_NONCE_SIZE)
        claim, signature = answers.claim_of(self.ask(Op.FACTS, nonce=encode_base64(nonce)))
        if bool(claim.key) != bool(signature):
            raise Broken("a bridge with a key signs its claim, one without gives no signature")
        if claim.key:
            PlainPublicKey.from_spki_der(claim.key).verify(signature, [answers.claim_message(claim, nonce)])
        return claim

    def epoch(self) -> int:
        return answers.epoch_of(self.ask(Op.EPOCH))

    def seal(self, secret: bytes, epoch: int, **limits: int) -> bytes:
        return answers.blob_of(self.ask(Op.SEAL, **_sealing(secret, epoch, **limits)))

    def open(self, blob: bytes, epoch: int, label: bytes = _LABEL) -> bytes:
        params: dict[str, Json] = {"blob": encode_base64(blob), "epoch": epoch, "label": encode_base64(label)}
        return bytes(answers.secret_of(self.ask(Op.OPEN, **params)))

    def lost(self, blob: bytes, epoch: int, what: str, label: bytes = _LABEL) -> None:
        params: dict[str, Json] = {"blob": encode_base64(blob), "epoch": epoch, "label": encode_base64(label)}
        self.refused(request(Op.OPEN, params), "lost", what)


def _sealing(secret: bytes, epoch: int, **limits: int) -> dict[str, Json]:
    none: dict[str, Json] = {"max_uses": None, "not_after_seconds": None}
    return {"epoch": epoch, "label": encode_base64(_LABEL), "secret": encode_base64(secret), **none, **limits}


def _facts(bridge: Asking) -> None:
    if bridge.claim() != bridge.claim():
        raise Broken("the claim changes from one call to the next")


def _seals_and_opens(bridge: Asking) -> None:
    epoch = bridge.epoch()
    for secret in (b"x", bytes(range(32)), bytes(256)):
        blob = bridge.seal(secret, epoch)
        if bridge.open(blob, epoch) != secret or bridge.open(blob, epoch) != secret:
            raise Broken(f"a secret of {len(secret)} bytes does not come back as it was, each time")
        if blob == bridge.seal(secret, epoch):
            raise Broken("two blobs of one secret are equal: each needs a nonce of its own")
        if len(secret) > 1 and secret in blob:
            raise Broken("the blob has the secret in clear")


def _binds(bridge: Asking) -> None:
    epoch = bridge.epoch()
    blob = bridge.seal(bytes(32), epoch)
    bridge.lost(blob, epoch, "another label", label=b"other")
    bridge.lost(blob, epoch + 1, "another epoch")
    bridge.lost(blob[:-1], epoch, "a blob without its last byte")
    bridge.lost(blob + b"\0", epoch, "a blob with a byte more")
    bridge.lost(b"\0", epoch, "one byte")
    for place in {0, len(blob) // 3, len(blob) // 2, len(blob) - 1}:
        changed = bytes(byte ^ (at == place) for at, byte in enumerate(blob))
        bridge.lost(changed, epoch, f"a blob with a bit changed in byte {place}")


def _advances(bridge: Asking) -> None:
    epoch = bridge.epoch()
    old, following = bridge.seal(b"old", epoch), bridge.seal(b"next", epoch + 1)
    bridge.lost(following, epoch, "what was sealed for the next epoch, opened in this one")
    bridge.refused(request(Op.SEAL, _sealing(b"x", epoch + 2)), "invalid", "sealing for the epoch after the next")
    bridge.refused(request(Op.ADVANCE, {"to": epoch + 2}), "invalid", "an epoch left out")
    bridge.ask(Op.ADVANCE, to=epoch)
    if bridge.epoch() != epoch or bridge.open(old, epoch) != b"old":
        raise Broken("advancing to the present epoch must change nothing")
    for _ in range(2):  # an answer may have been lost: the second call is the same one again
        if answers.epoch_of(bridge.ask(Op.ADVANCE, to=epoch + 1)) != epoch + 1:
            raise Broken("advance answers with the epoch it has reached")
    bridge.lost(old, epoch, "what was sealed in the epoch before")
    bridge.lost(old, epoch + 1, "what was sealed in the epoch before, under the new number")
    bridge.refused(request(Op.ADVANCE, {"to": epoch}), "invalid", "going back")
    if bridge.open(following, epoch + 1) != b"next":
        raise Broken("what was sealed for this epoch ahead of time does not open now")


def _limits(bridge: Asking) -> None:
    epoch, powers = bridge.epoch(), bridge.claim().powers
    if RootPower.MAX_USES in powers:
        blob = bridge.seal(b"twice", epoch, max_uses=2)
        _spent(bridge, blob, epoch, opens=2, code=RootPower.MAX_USES)
    else:
        bridge.refused(request(Op.SEAL, _sealing(b"x", epoch, max_uses=2)), "invalid", "a limit that is not claimed")
    if RootPower.NOT_AFTER in powers:
        blob = bridge.seal(b"soon over", epoch, not_after_seconds=2)
        bridge.open(blob, epoch)
        bridge.system.sleep(3)
        _spent(bridge, blob, epoch, opens=0, code=RootPower.NOT_AFTER)
    else:
        frame = request(Op.SEAL, _sealing(b"x", epoch, not_after_seconds=2))
        bridge.refused(frame, "invalid", "a limit that is not claimed")


def _spent(bridge: Asking, blob: bytes, epoch: int, *, opens: int, code: RootPower) -> None:
    for _ in range(opens):
        bridge.open(blob, epoch)
    try:
        bridge.open(blob, epoch)
    except LimitReached as error:
        if error.clause == code:
            return
    raise Broken(f"a spent limit must be the error {code.value!r}")


def _evidence(bridge: Asking) -> None:
    params: dict[str, Json] = {"nonce": encode_base64(bytes(32))}
    if RootPower.EVIDENCE in bridge.claim().powers:
        answers.epoch_evidence_of(bridge.ask(Op.EVIDENCE, **params))
    else:
        bridge.refused(request(Op.EVIDENCE, params), "unavailable", "evidence that is not claimed")


def _key(bridge: Asking) -> None:
    claim, message = bridge.claim(), bridge.system.random_bytes(1000)
    sign, attest = (
        request(Op.SIGN, {"message": encode_base64(message)}),
        request(Op.ATTEST, {"challenge": encode_base64(message[:32])}),
    )
    if not claim.key:
        bridge.refused(sign, "unavailable", "signing without a key")
        bridge.refused(attest, "unavailable", "attesting without a key")
        return
    signature = answers.signature_of(parse_answer(bridge.raw(sign)))
    PlainPublicKey.from_spki_der(claim.key).verify(signature, [message])
    if answers.evidence_of(parse_answer(bridge.raw(attest))).format is not claim.evidence:
        raise Broken("attest gives another format of evidence than the claim says")
    forged = encode_base64(answers.CLAIM_DOMAIN + message)
    bridge.refused(request(Op.SIGN, {"message": forged}), "invalid", "signing what only facts may sign")


def _refuses_nonsense(bridge: Asking) -> None:
    epoch = bridge.epoch()
    for name, frame in HOSTILE.items():
        bridge.refused(frame, "invalid", name)
    if bridge.epoch() != epoch:
        raise Broken("a request that was refused has changed the epoch")


def _survives_half_a_request(bridge: Asking) -> None:
    frame = request(Op.EPOCH, {})
    for size in (0, 3, 4, len(frame) - 1):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection, contextlib.suppress(OSError):
            connection.settimeout(5)
            connection.connect(os.fspath(bridge.path))
            connection.sendall(frame[:size])
    bridge.epoch()


CHECKS: Final[Mapping[str, Callable[[Asking], None]]] = MappingProxyType(
    {
        "facts": _facts,
        "seal and open": _seals_and_opens,
        "binding": _binds,
        "advance": _advances,
        "limits": _limits,
        "evidence": _evidence,
        "key": _key,
        "nonsense is refused": _refuses_nonsense,
        "half a request": _survives_half_a_request,
    }
)


def check(bridge: Asking, name: str) -> str | None:
    """None where the rule holds, else what is wrong. Raises RootUnavailable where nobody answers any more."""
    try:
        CHECKS[name](bridge)
    except Broken as error:
        return str(error)
    except RootLost as error:
        return f"the bridge has lost what it sealed: {error.message}"
    except RootUnavailable as error:
        if error.reason == "ROOT_UNAVAILABLE" and "the bridge says" not in error.message:
            raise
        return error.message
    except HallmarkError as error:
        return error.message
    return None
