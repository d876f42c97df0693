"""What is well and what is not, from facts that others gathered, with what to do about it. Pure; for `hsm doctor`."""

import enum
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from .breaker import CircuitState
from .custody import KekFact
from .errors import (
    CircuitOpen,
    HsmError,
    HsmTimeout,
    LibraryAway,
    ModuleNotFound,
    PinAway,
    PinIncorrect,
    PinLocked,
    PinMissing,
    TokenNotFound,
)
from .material import ProtectionLevel
from .provider import HsmCapabilities, HsmHealth
from .slot_health import SlotHealth, SlotState

SLOW_PROBE_MS: Final = 250.0
NEEDED_MECHANISMS: Final = {
    "EC_KEY_PAIR_GEN": "ECDSA keys cannot be made, nor the classical half of composites",
    "ECDSA": "ECDSA keys and composites cannot sign",
    "EC_EDWARDS_KEY_PAIR_GEN": "Ed25519 keys cannot be made; the log needs one",
    "EDDSA": "Ed25519 keys cannot sign; the log needs one",
}
_ADVICE: Final[dict[type[HsmError], str]] = {
    ModuleNotFound: "install a PKCS#11 library, or name its path in the settings",
    TokenNotFound: "check that the token is plugged in, its folder in place, its label or serial as in the settings",
    LibraryAway: "install the PKCS#11 library anew, or name its path in the settings",
    PinAway: "put the PIN into its file, readable for the server's user; it is found without a restart",
    PinMissing: "name the PIN's file or variable in the settings, then restart",
    PinIncorrect: "correct the PIN, then restart; it is not tried again, because tokens lock",
    PinLocked: "reset the PIN as security officer, then restart",
    CircuitOpen: "look at the last problem of the slots; it closes by itself when a probe signs",
    HsmTimeout: "see whether the token answers at all: `pkcs11-tool --list-token-slots`",
}


class Level(enum.StrEnum):
    OK = "OK"
    NOTE = "NOTE"
    """Worth knowing; nothing to do."""
    WARNING = "WARNING"
    """Works; should be looked at."""
    PROBLEM = "PROBLEM"
    """Does not work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    check: str
    """Stable name of what was looked at."""
    level: Level
    says: str
    advice: str | None = None


def diagnose(
    *,
    capabilities: HsmCapabilities | None,
    health: HsmHealth | HsmError,
    slots: Sequence[SlotHealth],
    keks: Sequence[KekFact],
) -> tuple[Finding, ...]:
    """`capabilities` is None when the token could not be started; `health` then holds why."""
    findings = list(_of_health(health))
    findings += (_of_slot(slot) for slot in slots)
    if capabilities is not None:
        findings += [_of_token(capabilities), *_of_mechanisms(capabilities)]
        findings += [_of_protection(capabilities), *_of_engines(capabilities)]
    findings += _of_keks(keks)
    return tuple(findings)


def worst(findings: Sequence[Finding]) -> Level:
    order = list(Level)
    return max((finding.level for finding in findings), key=order.index, default=Level.OK)


def _of_health(health: HsmHealth | HsmError) -> Iterator[Finding]:
    if isinstance(health, HsmError):
        advice = next((text for kind, text in _ADVICE.items() if isinstance(health, kind)), None)
        yield Finding(check="self-test", level=Level.PROBLEM, says=f"{health.code}: {health}", advice=advice)
        return
    says = f"{health.workers_ready} of {health.workers} signer processes signed just now"
    if health.workers_ready < health.workers:
        advice = "see the slots that are not ready below; they start again by themselves"
        yield Finding(check="self-test", level=Level.WARNING, says=says, advice=advice)
    else:
        yield Finding(
            check="self-test", level=Level.OK, says=f"{says}, the slowest in {health.slowest_probe_ms:.0f} ms"
        )
    if health.slowest_probe_ms > SLOW_PROBE_MS:
        yield Finding(
            check="latency",
            level=Level.WARNING,
            says=f"a signature took {health.slowest_probe_ms:.0f} ms",
            advice="look at the load of this machine and at the way to the HSM",
        )
    if health.circuit is not CircuitState.CLOSED:
        yield Finding(
            check="circuit", level=Level.PROBLEM, says="calls are refused for the moment", advice=_ADVICE[CircuitOpen]
        )


def _of_slot(slot: SlotHealth) -> Finding:
    check = f"slot {slot.number}"
    before = f"; before: {slot.problem}" if slot.problem else ""
    match slot.state:
        case SlotState.READY if slot.starts > 1:
            says = f"signs, started {slot.starts} times{before}"
            return Finding(check=check, level=Level.NOTE, says=says)
        case SlotState.READY:
            return Finding(check=check, level=Level.OK, says=f"signs, {slot.waiting} waiting")
        case SlotState.STARTING:
            return Finding(check=check, level=Level.WARNING, says=f"is starting{before}")
        case SlotState.FAILED:
            return Finding(check=check, level=Level.PROBLEM, says=slot.problem or "does not start")


def _of_token(capabilities: HsmCapabilities) -> Finding:
    says = (
        f"{capabilities.token_label} ({capabilities.token_manufacturer} {capabilities.token_model}, "
        f"serial {capabilities.token_serial}) through {capabilities.module} {capabilities.module_version}"
    )
    return Finding(check="token", level=Level.OK, says=says)


def _of_mechanisms(capabilities: HsmCapabilities) -> Iterator[Finding]:
    missing = {name: why for name, why in NEEDED_MECHANISMS.items() if name not in capabilities.mechanisms}
    for name, why in missing.items():
        yield Finding(
            check="mechanisms",
            level=Level.PROBLEM,
            says=f"the token lacks CKM_{name}: {why}",
            advice="enable it in the HSM's policy, or use another token",
        )
    if not missing:
        yield Finding(check="mechanisms", level=Level.OK, says=", ".join(capabilities.mechanisms))


def _of_protection(capabilities: HsmCapabilities) -> Finding:
    if capabilities.post_quantum_protection is ProtectionLevel.HSM:
        return Finding(check="protection", level=Level.OK, says="ML-DSA keys are made and used inside the token (HSM)")
    native = ", ".join(item.value for item in capabilities.native_parameter_sets) or "no parameter set"
    says = (
        f"inside the token: {native}; other ML-DSA seeds are sealed under a key of the token and opened in a signer "
        f"process (HSM_WRAPPED): {capabilities.native_reason}"
    )
    return Finding(check="protection", level=Level.NOTE, says=says)


def _of_engines(capabilities: HsmCapabilities) -> Iterator[Finding]:
    says = f"{capabilities.signing_engine} signs, {capabilities.verifying_engine} verifies"
    if capabilities.independently_verified:
        yield Finding(check="engines", level=Level.OK, says=says)
    else:
        advice = "pip install pycryptodome, so that another engine verifies what this one signs"
        yield Finding(check="engines", level=Level.WARNING, says=says, advice=advice)
    for engine in capabilities.engines:
        if engine.refused_because is not None:
            yield Finding(check=f"engine {engine.name}", level=Level.NOTE, says=engine.refused_because)


def _of_keks(keks: Sequence[KekFact]) -> Iterator[Finding]:
    if not keks:
        return
    newest = next(kek for kek in keks if kek.newest)
    if len(keks) == 1:
        says = f"one, generation {newest.generation}"
        yield Finding(check="key-encryption keys", level=Level.OK, says=says)
    else:
        yield Finding(
            check="key-encryption keys",
            level=Level.NOTE,
            says=f"{len(keks)}, the newest of generation {newest.generation}",
            advice="`hallmark hsm rewrap` moves what is sealed under the older ones, which can be destroyed then",
        )
