"""Which reference values of a policy can exist at all. No evidence ever shows a digest of a wrong size, so a file that
names one is refused, with the key, the size it has and the size it must have.
"""

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import date
from typing import Any, Final

from attestation.formats.sev_snp_tcb import Tcb
from attestation.policy import AllowedApp, AndroidPolicy
from attestation.policy_amd import AmdSevSnpPolicy
from attestation.policy_apple import ApplePolicy
from attestation.policy_arm import ArmPolicy, RealmReference, SoftwareReference
from attestation.policy_aws import ExpectedPcr
from attestation.policy_intel import IntelPolicy, SgxPolicy, TdxPolicy
from attestation.policy_nvidia import GpuMeasurement
from attestation.policy_tpm import PcrReference, TpmPolicy
from attestation.policy_webauthn import WebAuthnPolicy
from attestation.tpm_reader import HASH_BYTES, HASH_NAMES

# The sentence that is wrong about one value goes on after its place; None: nothing is.
Limit = Callable[[Any], str | None]

_TPM_REGISTERS: Final = 24  # TCG PC Client Platform TPM Profile, 4.6
_FIRST_PATCH_YEAR, _LAST_PATCH_YEAR = 2015, 2099  # Android security patch levels began with 2015-11-01
_YEAR_AND_MONTH: Final = 999_999  # the greatest YYYYMM; YYYYMMDD is above
_APP_ID: Final = re.compile(r"[A-Z0-9]{10}\.[A-Za-z0-9.-]{1,255}")  # team identifier and CFBundleIdentifier
_PACKAGE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)*")  # Android application id
_TPM_BANKS: Final = {name: HASH_BYTES[number] for number, name in HASH_NAMES.items()}


def problems_in(value: Any, where: str = "") -> Iterator[str]:
    """Sentences about the values of a policy dataclass, and of those in it, that nothing could ever meet."""
    limits = _LIMITS.get(type(value), {})
    for field in fields(value):
        place = f"{where}.{field.name}" if where else field.name
        found = getattr(value, field.name)
        limit = limits.get(field.name)
        sentences = map(limit, _items(found)) if limit is not None else ()
        yield from (f"{place} {sentence}" for sentence in sentences if sentence is not None)
        for at, inner in enumerate(found if isinstance(found, tuple) else (found,)):
            if is_dataclass(inner):
                yield from problems_in(inner, f"{place}[{at}]" if isinstance(found, tuple) else place)
    if isinstance(value, PcrReference):
        yield from _bank_problems(value, where)


def _items(value: Any) -> Iterator[Any]:
    """One by one, sets in order, so that the same file has the same mistakes; None is no value."""
    if isinstance(value, frozenset):
        yield from sorted(value)
    elif isinstance(value, tuple):
        yield from value
    elif value is not None:
        yield value


def _octets(*sizes: int) -> Limit:
    wanted = " or ".join(map(str, sizes))

    def limit(value: bytes) -> str | None:
        if len(value) in sizes:
            return None
        beginning = f" ({value[:8].hex()}{'..' if len(value) > 8 else ''})" if value else ""
        return f"has a value of {len(value)} byte{'' if len(value) == 1 else 's'}{beginning}; it must have {wanted}"

    return limit


def _range(least: int, greatest: int) -> Limit:
    return lambda value: None if least <= value <= greatest else f"is {value}; it must be {least} to {greatest}"


def _text(form: re.Pattern[str], sentence: str) -> Limit:
    return lambda value: None if form.fullmatch(value) else f"is {value[:60]!r}; {sentence}"


def _patch_level(value: int) -> str | None:
    whole = value if value > _YEAR_AND_MONTH else value * 100 + 1
    year, month, day = whole // 10_000, whole // 100 % 100, whole % 100
    if _FIRST_PATCH_YEAR <= year <= _LAST_PATCH_YEAR:
        with contextlib.suppress(ValueError):
            date(year, month, max(day, 1))  # day 0: the month's, as some vendors write it
            return None
    return f"is {value}; it must be a month, YYYYMM such as 202601, or a day, YYYYMMDD such as 20260105"


def _register_and_digest(value: tuple[int, bytes]) -> str | None:
    index, digest = value
    return _range(0, 3)(index) or _HASH(digest)


def _bank_problems(reference: PcrReference, where: str) -> Iterator[str]:
    """The size of a register is that of its bank's hash."""
    if reference.bank not in _TPM_BANKS:
        yield f"{where}.bank is {reference.bank[:60]!r}; it must be one of {', '.join(_TPM_BANKS)}"
        return
    limit = _octets(_TPM_BANKS[reference.bank])
    sentences = [limit(digest) for digest in sorted(reference.digests)]
    yield from (f"{where}.digests {sentence}" for sentence in sentences if sentence is not None)


_HASH: Final = _octets(32, 48, 64)
_SHA256, _SHA384 = _octets(32), _octets(48)
_UINT8, _UINT16 = _range(0, 0xFF), _range(0, 0xFFFF)

_LIMITS: Final[Mapping[type, Mapping[str, Limit]]] = {
    AndroidPolicy: {
        "verified_boot_keys": _SHA256,
        "min_os_patch_level": _patch_level,
        "min_vendor_patch_level": _patch_level,
        "min_boot_patch_level": _patch_level,
    },
    AllowedApp: {
        "package": _text(_PACKAGE, "it must be a package name such as org.example.app"),
        "signature_digests": _SHA256,
    },
    AmdSevSnpPolicy: {
        "measurements": _SHA384, "host_data": _SHA256, "id_key_digests": _SHA384, "author_key_digests": _SHA384,
        "family_ids": _octets(16), "image_ids": _octets(16), "chip_ids": _octets(64, 8), "min_abi": _UINT8,
        "vmpls": _range(0, 3),
    },
    Tcb: dict.fromkeys(("boot_loader", "tee", "snp", "microcode", "fmc"), _UINT8),
    ExpectedPcr: {"index": _range(0, 31), "digests": _SHA384},
    ApplePolicy: {
        "app_ids": _text(_APP_ID, "it must be a team identifier and a bundle identifier, ABCDE12345.org.example.app"),
    },
    WebAuthnPolicy: {"aaguids": _octets(16)},
    TpmPolicy: {"allowed_db_entries": _SHA256, "required_dbx_entries": _SHA256},
    PcrReference: {"index": _range(0, _TPM_REGISTERS - 1)},
    IntelPolicy: {"platforms": _octets(16)},
    SgxPolicy: {
        "enclaves": _SHA256, "signers": _SHA256, "product_ids": _UINT16, "min_isv_svn": _UINT16,
        "config_ids": _octets(64),
    },
    TdxPolicy: {
        **dict.fromkeys(("mr_td", "rtmr0", "rtmr1", "rtmr2", "rtmr3", "mr_seam", "mr_config_id"), _SHA384),
        **dict.fromkeys(("mr_owner", "mr_owner_config", "service_tds"), _SHA384),
        "replayed_registers": _range(0, 3),
    },
    ArmPolicy: {"implementation_ids": _SHA256},
    SoftwareReference: {"digest": _HASH, "signer_id": _HASH, "implementation_id": _SHA256},
    RealmReference: {"initial": _HASH, "extensible": _register_and_digest, "personalization": _octets(64)},
    GpuMeasurement: {"index": _range(1, 255), "digests": _SHA384},
}  # fmt: skip
