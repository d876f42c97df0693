"""What kind of TPM this is, and what it therefore can and can not protect against."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from hallmark_client.device.model import Enforcement
from hallmark_client.device.roots.port import RootFacts, RootPower
from hallmark_client.device.roots.tpm2.connection import Connection

# TPM_PT (TPM 2.0 Library 1.59, Part 2, 6.13).
_FIXED: Final = 0x100
_VARIABLE: Final = 0x200
_MANUFACTURER: Final = _FIXED + 5
_VENDOR_STRINGS: Final = range(_FIXED + 6, _FIXED + 10)
_FIRMWARE: Final = (_FIXED + 11, _FIXED + 12)
_PERMANENT: Final = _VARIABLE + 0
_OWNER_AUTH_SET: Final = 1 << 0  # TPMA_PERMANENT (Part 2, 8.6)
_LOCKOUT_AUTH_SET: Final = 1 << 2

_SOFTWARE_VENDOR: Final = "SW"  # vendor string of libtpms and of the reference implementation: "SW   TPM"
_ALWAYS: Final = (
    "A secret is in the memory of this program from when it is opened until it is wiped.",
    "The TPM of a virtual machine is as good as its host, which can copy it or put an older state back.",
    "A time limit runs on the TPM's clock, which stands still while the device is off.",
    "After a sudden loss of power nothing with a time limit opens for up to 70 minutes, until the clock is certain.",
)
_SOFTWARE: Final = (
    "This TPM is a program: whoever reads its state has every key, and an older copy of its state undoes a shred."
)
_NO_OWNER_AUTH: Final = (
    "The owner authorization of the TPM is empty: whoever may use the TPM on this machine can remove the counters. "
    "What is sealed is then lost, and a limit on uses begins anew; nothing that was shredded comes back."
)
_NO_LOCKOUT_AUTH: Final = (
    "The lockout authorization of the TPM is empty: whoever may use the TPM can clear it, and what is sealed is lost."
)
_UNPROTECTED: Final = (
    "No authorization value was chosen: whoever may use the TPM and can read this user's files opens what is sealed."
)
_REGISTERS: Final = (
    "Sealed to the state of the boot: after an update that changes it nothing opens until the earlier state is back."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChipFacts:
    """maker: TPM_PT_MANUFACTURER, four letters. vendor: the vendor strings. owner_auth, lockout_auth: is it set?"""

    maker: str
    vendor: str
    firmware: str
    owner_auth: bool
    lockout_auth: bool

    @property
    def is_software(self) -> bool:
        return self.vendor.split()[:1] == [_SOFTWARE_VENDOR]


def read_facts(connection: Connection) -> ChipFacts:
    found = {**_properties(connection, _FIXED), **_properties(connection, _VARIABLE)}
    permanent = found.get(_PERMANENT, 0)
    major, minor = (found.get(number, 0) for number in _FIRMWARE)
    return ChipFacts(
        maker=_text(found.get(_MANUFACTURER, 0)),
        vendor="".join(_text(found.get(number, 0)) for number in _VENDOR_STRINGS).strip(),
        firmware=f"{major >> 16}.{major & 0xFFFF}.{minor >> 16}.{minor & 0xFFFF}",
        owner_auth=bool(permanent & _OWNER_AUTH_SET),
        lockout_auth=bool(permanent & _LOCKOUT_AUTH_SET),
    )


def root_facts(chip: ChipFacts, *, protected: bool, pcrs: tuple[int, ...]) -> RootFacts:
    assurance = Enforcement.PLATFORM if chip.is_software else Enforcement.HARDWARE
    powers = dict.fromkeys((RootPower.SHRED, RootPower.NOT_AFTER, RootPower.EVIDENCE), assurance)
    # Who may define an index can put a fresh use counter of the same name in the place of a spent one.
    powers[RootPower.MAX_USES] = assurance if chip.owner_auth else Enforcement.PLATFORM
    if pcrs:
        powers[RootPower.BOOT_STATE] = assurance
    said = (
        (chip.is_software, _SOFTWARE),
        (not chip.owner_auth, _NO_OWNER_AUTH),
        (not chip.lockout_auth, _NO_LOCKOUT_AUTH),
        (not protected, _UNPROTECTED),
        (bool(pcrs), _REGISTERS),
    )
    return RootFacts(
        name="tpm2",
        assurance=assurance,
        powers=MappingProxyType(powers),
        detail=f"TPM 2.0 of {chip.maker} ({chip.vendor or 'no vendor string'}), firmware {chip.firmware}",
        caveats=(*(sentence for holds, sentence in said if holds), *_ALWAYS),
    )


def _properties(connection: Connection, first: int) -> Mapping[int, int]:
    _, answer = connection.esapi.get_capability(connection.tss.TPM2_CAP.TPM_PROPERTIES, first, 0x100)
    properties = answer.data.tpmProperties
    # Read while `answer` is held: the elements point into it.
    return {int(each.property): int(each.value) for each in properties}


def _text(value: int) -> str:
    return "".join(chr(octet) for octet in value.to_bytes(4) if 0x20 <= octet < 0x7F)
