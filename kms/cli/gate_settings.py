"""Options for the attestation gate of a key: what the device behind each use must be."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Literal

import click

from kms.cli.invocation import Command
from kms.cli.times import SPAN, span_text

if TYPE_CHECKING:
    from hallmark_client.model.attestation_gate import AttestationGate

FORMATS: Final = (
    "android-key",
    "apple-app-attest",
    "webauthn",
    "intel-sgx",
    "intel-tdx",
    "amd-sev-snp",
    "aws-nitro",
    "tpm",
    "azure-vtpm",
    "arm-psa",
    "arm-cca",
    "nvidia-gpu",
    "software",
)
LEVELS: Final = ("any", "software", "tee", "strongbox", "secure-enclave", "enclave", "tpm")
CLASSES: Final = ("software", "hardware", "factory")

_OPTIONS: tuple[Callable[[Command], Command], ...] = (
    click.option(
        "--gate/--no-gate",
        default=None,
        help="Each use names an attested device (see --gate-...), or no more so. Default: nobody is asked.",
    ),
    click.option(
        "--gate-format", type=click.Choice(FORMATS), multiple=True, help="Its evidence; several times. Default: any."
    ),
    click.option("--gate-level", type=click.Choice(LEVELS), help="Where its key lives, at least. Default: any."),
    click.option(
        "--gate-class",
        type=click.Choice(CLASSES),
        multiple=True,
        help="Who vouched for it; several times. Default: hardware, factory.",
    ),
    click.option(
        "--gate-measurement",
        metavar="NAME=HEX",
        multiple=True,
        help="A digest that measurement NAME may have; several times, also for one NAME.",
    ),
    click.option("--gate-max-age", type=SPAN, metavar="SPAN", help="Since it last answered a challenge. Default: 1d."),
    click.option(
        "--gate-device-callers/--no-gate-device-callers",
        default=None,
        help="Devices may use the key themselves, each for itself. Default: no.",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GateGiven:
    """What was said on the command line; None and empty leave it."""

    gate: bool | None
    gate_format: tuple[str, ...]
    gate_level: str | None
    gate_class: tuple[str, ...]
    gate_measurement: tuple[str, ...]
    gate_max_age: timedelta | None
    gate_device_callers: bool | None

    def argument(self, before: "AttestationGate | None") -> "AttestationGate | Literal['remove'] | None":
        """For `client.keys.create` and `update`; what stays as it is comes from `before`. Raises UsageError."""
        from hallmark_client.model.attestation_gate import AttestationGate

        said = self._said()
        if self.gate is False:
            if said:
                raise click.UsageError("--no-gate takes the gate away; leave the other --gate-... out")
            return None if before is None else "remove"
        if self.gate is None and not said:
            return None
        return replace(before or AttestationGate(), **said)

    def _said(self) -> dict[str, Any]:
        from hallmark_client.model.enums import DeviceClass, EvidenceFormat, SecurityLevel

        said: dict[str, Any] = {}
        if self.gate_format:
            said["formats"] = tuple(EvidenceFormat(_wire_name(each)) for each in self.gate_format)
        if self.gate_level is not None:
            level = self.gate_level
            said["minimum_level"] = None if level == "any" else SecurityLevel(_wire_name(level))
        if self.gate_class:
            said["device_classes"] = tuple(DeviceClass(_wire_name(each)) for each in self.gate_class)
        if self.gate_measurement:
            said["measurements"] = _measurements(self.gate_measurement)
        if self.gate_max_age is not None:
            said["max_verdict_age"] = self.gate_max_age
        if self.gate_device_callers is not None:
            said["device_callers"] = self.gate_device_callers
        return said


def gate_options(function: Command) -> Command:
    """The options above, handed over as one argument `gate`."""

    @functools.wraps(function)
    def command(**given: Any) -> Any:
        gate = GateGiven(**{name: given.pop(name) for name in GateGiven.__dataclass_fields__})
        return function(gate=gate, **given)

    decorated: Command = command
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


def gate_text(gate: "AttestationGate | None") -> str:
    """For `hallmark keys show`."""
    if gate is None:
        return ""
    parts = [f"devices of class {_words(gate.device_classes)}"]
    if gate.formats:
        parts.append(f"evidence {_words(gate.formats)}")
    if gate.minimum_level is not None:
        parts.append(f"level {_words([gate.minimum_level])} or better")
    for name, digests in gate.measurements.items():
        parts.append(f"{name} one of {' '.join(digest.hex() for digest in digests)}")
    parts.append(f"challenged within {span_text(gate.max_verdict_age)}")
    parts.append("devices may use it themselves" if gate.device_callers else "named by admins and backends")
    return "; ".join(parts)


def _measurements(pairs: tuple[str, ...]) -> Mapping[str, tuple[bytes, ...]]:
    found: dict[str, tuple[bytes, ...]] = {}
    for pair in pairs:
        name, _, digest = pair.rpartition("=")
        try:
            octets = bytes.fromhex(digest)
        except ValueError:
            octets = b""
        if not name or not octets:
            raise click.BadParameter(f"{pair!r} is not NAME=HEX", param_hint="--gate-measurement")
        found[name] = (*found.get(name, ()), octets)
    return found


def _wire_name(word: str) -> str:
    return word.upper().replace("-", "_")


def _words(members: Any) -> str:
    return ", ".join(str(each).lower().replace("_", "-") for each in members)


device_option = click.option(
    "--device",
    default="",
    metavar="NAME",
    help="The attested device it is for: a must for keys with an attestation gate, and for those only.",
)
