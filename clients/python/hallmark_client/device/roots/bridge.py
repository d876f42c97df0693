"""A root of trust that a native app keeps (Secure Enclave, Android Keystore, QSEE) and serves over a Unix socket.

docs/device-bridge.md tells how to write one. What it says of itself is a claim: it counts as "platform" at most, until
the service has appraised evidence about the bridge's key, and the bridge has signed its claim with that key.
"""

import os
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from hallmark_client.device.errors import RootLost, RootUnavailable
from hallmark_client.device.model import Enforcement
from hallmark_client.errors import VerificationFailed
from hallmark_client.model.devices import Device, Evidence
from hallmark_client.model.enums import DeviceClass, DeviceState
from hallmark_client.system import System
from hallmark_client.verifying_key import PlainPublicKey
from hallmark_events.canonical import Json, encode_base64

from . import bridge_answers as answers
from . import sealed
from .bridge_answers import BridgeClaim
from .bridge_frames import BLOB_MAX, MESSAGE_MAX, Op, parse_answer, request
from .bridge_socket import call
from .port import EpochEvidence, Limits, RootFacts, RootPower

DEFAULT_SECONDS: Final = 30.0
"""For each call: long enough for a person who has to touch or look at something."""

_UNPROVED: Final = "The bridge's word for itself was not proved to the service: it counts as platform at most."
_HARDWARE: Final = frozenset({DeviceClass.HARDWARE, DeviceClass.FACTORY})


class BridgeRoot:
    """`RootOfTrust` over the socket, one connection for each call, so an app that was restarted is found again.

    uid: of the app's process; this process's own when None. Raises RootUnavailable and RootLost, as every root.
    """

    def __init__(
        self,
        path: Path,
        *,
        uid: int | None = None,
        seconds: float = DEFAULT_SECONDS,
        system: System | None = None,
    ) -> None:
        self._path = path
        self._uid = os.geteuid() if uid is None else uid
        self._seconds = seconds
        self._system = system or System()
        self._closed = False
        self._seen = 0
        self.claim: Final = self._asked_claim()[0]
        """What the bridge says of itself; `facts` says what of it counts."""
        self._facts = _facts(self.claim, path, proved=False)
        self.epoch()

    @property
    def facts(self) -> RootFacts:
        return self._facts

    def seal(self, secret: bytes | bytearray, *, epoch: int, label: bytes, limits: Limits | None = None) -> bytes:
        sealed.check_sealing(secret, label=label, limits=limits, powers=self._facts.powers)
        sealed.check_present_or_next(epoch, present=self.epoch())
        limits = limits or Limits()
        params: dict[str, Json] = {
            "epoch": epoch,
            "label": encode_base64(label),
            "max_uses": limits.max_uses,
            "not_after_seconds": limits.not_after_seconds,
            "secret": encode_base64(bytes(secret)),
        }
        return answers.blob_of(self._ask(Op.SEAL, params))

    def open(self, blob: bytes, *, epoch: int, label: bytes) -> bytearray:
        sealed.check_label(label)
        present = self.epoch()
        if epoch != present:
            raise sealed.epoch_is_not(epoch, present=present)
        if not 1 <= len(blob) <= BLOB_MAX:
            raise sealed.not_sealed_here()
        params: dict[str, Json] = {"blob": encode_base64(blob), "epoch": epoch, "label": encode_base64(label)}
        return answers.secret_of(self._ask(Op.OPEN, params))

    def epoch(self) -> int:
        epoch = answers.epoch_of(self._ask(Op.EPOCH, {}))
        if epoch < self._seen:
            raise RootLost(
                "ROOT_LOST", f"the bridge's epoch fell from {self._seen} to {epoch}: an older state was put back"
            )
        self._seen = epoch
        return epoch

    def advance(self, to: int) -> None:
        sealed.check_present_or_next(to, present=self.epoch())
        reached = answers.epoch_of(self._ask(Op.ADVANCE, {"to": to}))
        if reached != to:
            raise RootUnavailable("ROOT_UNAVAILABLE", f"the bridge is in epoch {reached}, and was asked for {to}")
        self._seen = to

    def evidence(self, nonce: bytes) -> EpochEvidence | None:
        sealed.check_nonce(nonce)
        if RootPower.EVIDENCE not in self._facts.powers:
            self.epoch()
            return None
        return answers.epoch_evidence_of(self._ask(Op.EVIDENCE, {"nonce": encode_base64(nonce)}))

    def close(self) -> None:
        self._closed = True

    def attest(self, challenge: bytes) -> Evidence:
        """Evidence over the service's challenge (32 bytes) about the key `claim.key`, for AttestDevice."""
        return answers.evidence_of(self._ask(Op.ATTEST, {"challenge": encode_base64(challenge)}))

    def sign(self, message: bytes) -> bytes:
        """ECDSA with SHA-256 by the key `claim.key`, DER. At most 16 KiB."""
        if not 1 <= len(message) <= MESSAGE_MAX:
            raise ValueError(f"a bridge signs 1 to {MESSAGE_MAX} bytes")
        return answers.signature_of(self._ask(Op.SIGN, {"message": encode_base64(message)}))

    def believe(self, device: Device) -> RootFacts:
        """From now on `facts` says what the bridge claims, because the service stands behind its key.

        device: as the service gives it (`client.devices.get`). Raises VerificationFailed (BRIDGE_UNPROVED): not
        attested, not appraised, not by hardware, about another key, or the claim is not signed by that key.
        """
        verdict = device.latest_verdict
        if device.state is not DeviceState.ATTESTED or not (verdict.authentic and verdict.appraised):
            raise _unproved("the service does not vouch for this device today")
        if device.device_class not in _HARDWARE:
            raise _unproved("the service has seen no hardware behind this device's key")
        nonce = self._system.random_bytes(answers.CLAIM_NONCE_SIZE)
        claim, signature = self._asked_claim(nonce)
        if claim != self.claim or claim.key != device.key_spki:
            raise _unproved("the service vouches for another key than the bridge's, or the bridge's claim has changed")
        PlainPublicKey.from_spki_der(claim.key).verify(signature, [answers.claim_message(claim, nonce)])
        self._facts = _facts(claim, self._path, proved=True)
        return self._facts

    def _asked_claim(self, nonce: bytes | None = None) -> tuple[BridgeClaim, bytes]:
        nonce = nonce or self._system.random_bytes(answers.CLAIM_NONCE_SIZE)
        return answers.claim_of(self._ask(Op.FACTS, {"nonce": encode_base64(nonce)}))

    def _ask(self, op: Op, params: dict[str, Json]) -> dict[str, Any]:
        if self._closed:
            raise RootUnavailable("ROOT_UNAVAILABLE", "this root of trust was closed: open it again")
        frame = request(op, params)
        body = call(self._path, frame, uid=self._uid, seconds=self._seconds, monotonic=self._system.monotonic)
        try:
            return parse_answer(bytes(body))
        finally:
            sealed.wipe(body)


def _facts(claim: BridgeClaim, path: Path, *, proved: bool) -> RootFacts:
    believed: Callable[[Enforcement], Enforcement] = _as_claimed if proved else _at_most_platform
    return RootFacts(
        name="bridge",
        assurance=believed(claim.assurance),
        powers=MappingProxyType({power: believed(by) for power, by in claim.powers.items()}),
        detail=f"{path}: {claim.detail}",
        caveats=claim.caveats if proved else (*claim.caveats, _UNPROVED),
    )


def _at_most_platform(claimed: Enforcement) -> Enforcement:
    return Enforcement.ADVISORY if claimed is Enforcement.ADVISORY else Enforcement.PLATFORM


def _as_claimed(claimed: Enforcement) -> Enforcement:
    """No bridge is the service."""
    return claimed if claimed is not Enforcement.SERVER else Enforcement.PLATFORM


def _unproved(why: str) -> VerificationFailed:
    return VerificationFailed("BRIDGE_UNPROVED", why)
