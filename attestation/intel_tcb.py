"""Intel's statements about trusted computing bases: TCB info (version 3) and enclave identity (version 2).

Format: Intel SGX and TDX Provisioning Certification Service API, version 4, "Get TCB Info" and "Get Quoting Enclave
Identity" (https://api.portal.trustedservices.intel.com/content/documentation.html). Both are JSON texts signed as they
stand, so the text is kept and never written anew. Whoever uses what is read here has checked the signature.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from attestation.errors import CollateralError

MAX_TEXT_BYTES: Final = 256 * 1024
MAX_LEVELS: Final = 256
MAX_WORD: Final = 256  # characters in a name, a time or a number in hex
COMPONENTS: Final = 16


class TcbStatus(StrEnum):
    """tcbStatus as Intel writes it."""

    UP_TO_DATE = "UpToDate"
    SW_HARDENING_NEEDED = "SWHardeningNeeded"
    CONFIGURATION_NEEDED = "ConfigurationNeeded"
    CONFIGURATION_AND_SW_HARDENING_NEEDED = "ConfigurationAndSWHardeningNeeded"
    OUT_OF_DATE = "OutOfDate"
    OUT_OF_DATE_CONFIGURATION_NEEDED = "OutOfDateConfigurationNeeded"
    REVOKED = "Revoked"


@dataclass(frozen=True, slots=True)
class Level:
    """What Intel says of one TCB level: status, date of the newest flaw it is free of, advisories that explain it."""

    status: TcbStatus
    date: datetime
    advisories: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PlatformLevel:
    """Least SVNs of a platform. `tdx_components` is empty in TCB info for SGX."""

    sgx_components: tuple[int, ...]
    pce_svn: int
    tdx_components: tuple[int, ...]
    level: Level


@dataclass(frozen=True, slots=True)
class EnclaveLevel:
    """Least ISVSVN of a quoting enclave or TDX module."""

    isv_svn: int
    level: Level


@dataclass(frozen=True, slots=True)
class ModuleIdentity:
    """A TDX module: its signer (48 bytes, zeros for Intel), SEAM attributes under a mask (8 bytes), and levels."""

    id: str
    mr_signer: bytes
    attributes: bytes
    attributes_mask: bytes
    levels: tuple[EnclaveLevel, ...]


@dataclass(frozen=True, slots=True)
class Validity:
    """issueDate, nextUpdate and tcbEvaluationDataNumber (which grows with every TCB recovery) of a statement."""

    issued: datetime
    next_update: datetime
    evaluation_number: int


@dataclass(frozen=True, slots=True)
class TcbInfo:
    """TCB levels of one family of platforms (`fmspc`, 6 bytes; `pce_id`, 2 bytes), best first. `id` is SGX or TDX."""

    id: str
    validity: Validity
    fmspc: bytes
    pce_id: bytes
    levels: tuple[PlatformLevel, ...]
    module: ModuleIdentity | None
    module_identities: tuple[ModuleIdentity, ...]


@dataclass(frozen=True, slots=True)
class QeIdentity:
    """What a quoting enclave must look like. `id` is QE (quotes of SGX) or TD_QE (quotes of TDX)."""

    id: str
    validity: Validity
    misc_select: bytes
    misc_select_mask: bytes
    attributes: bytes
    attributes_mask: bytes
    mr_signer: bytes
    isv_prod_id: int
    levels: tuple[EnclaveLevel, ...]


def parse_tcb_info(text: bytes) -> TcbInfo:
    """Read TCB info of version 3, at most 256 KiB; CollateralError says what is wrong with it."""
    document = _document(text, "TCB info", version=3)
    name = _text(document, "id")
    if name not in ("SGX", "TDX") or _number(document, "tcbType", most=0) != 0:
        raise CollateralError("TCB info is for neither SGX nor TDX, or of an unknown type")
    module = document.get("tdxModule")
    return TcbInfo(
        id=name,
        validity=_validity(document),
        fmspc=_hex(document, "fmspc", size=6),
        pce_id=_hex(document, "pceId", size=2),
        levels=tuple(_platform_level(item, tdx=name == "TDX") for item in _list(document, "tcbLevels")),
        module=None if module is None else _module(_object(module), name="tdxModule"),
        module_identities=tuple(
            _module(_object(item), name=_text(_object(item), "id"))
            for item in _list(document, "tdxModuleIdentities", optional=True)
        ),
    )


def parse_qe_identity(text: bytes) -> QeIdentity:
    """Read an enclave identity of version 2, at most 256 KiB; CollateralError says what is wrong with it."""
    document = _document(text, "enclave identity", version=2)
    return QeIdentity(
        id=_text(document, "id"),
        validity=_validity(document),
        misc_select=_hex(document, "miscselect", size=4),
        misc_select_mask=_hex(document, "miscselectMask", size=4),
        attributes=_hex(document, "attributes", size=16),
        attributes_mask=_hex(document, "attributesMask", size=16),
        mr_signer=_hex(document, "mrsigner", size=32),
        isv_prod_id=_number(document, "isvprodid", most=0xFFFF),
        levels=tuple(map(_enclave_level, _list(document, "tcbLevels"))),
    )


def _platform_level(value: Any, *, tdx: bool) -> PlatformLevel:
    entry = _object(value)
    tcb = _object(entry.get("tcb"))
    return PlatformLevel(
        sgx_components=_components(tcb, "sgxtcbcomponents"),
        pce_svn=_number(tcb, "pcesvn", most=0xFFFF),
        tdx_components=_components(tcb, "tdxtcbcomponents") if tdx else (),
        level=_level(entry),
    )


def _components(tcb: dict[str, Any], name: str) -> tuple[int, ...]:
    items = _list(tcb, name)
    if len(items) != COMPONENTS:
        raise CollateralError(f"{name} has {len(items)} components, not {COMPONENTS}")
    return tuple(_number(_object(item), "svn", most=0xFF) for item in items)


def _module(entry: dict[str, Any], *, name: str) -> ModuleIdentity:
    return ModuleIdentity(
        id=name,
        mr_signer=_hex(entry, "mrsigner", size=48),
        attributes=_hex(entry, "attributes", size=8),
        attributes_mask=_hex(entry, "attributesMask", size=8),
        levels=tuple(map(_enclave_level, _list(entry, "tcbLevels", optional=True))),
    )


def _enclave_level(value: Any) -> EnclaveLevel:
    entry = _object(value)
    return EnclaveLevel(_number(_object(entry.get("tcb")), "isvsvn", most=0xFFFF), _level(entry))


def _level(entry: dict[str, Any]) -> Level:
    status = _text(entry, "tcbStatus")
    if status not in list(TcbStatus):
        raise CollateralError(f"TCB level has the unknown status {status!r}")
    advisories = _list(entry, "advisoryIDs", optional=True)
    if not all(map(_plain, advisories)):
        raise CollateralError("advisoryIDs is not a list of names")
    return Level(TcbStatus(status), _time(entry, "tcbDate"), tuple(advisories))


def _validity(document: dict[str, Any]) -> Validity:
    number = _number(document, "tcbEvaluationDataNumber", most=2**31)
    return Validity(_time(document, "issueDate"), _time(document, "nextUpdate"), number)


def _document(text: bytes, what: str, *, version: int) -> dict[str, Any]:
    if len(text) > MAX_TEXT_BYTES:
        raise CollateralError(f"{what} of {len(text)} bytes, at most {MAX_TEXT_BYTES}")
    try:
        document = json.loads(text, object_pairs_hook=_no_duplicates)
    except (ValueError, RecursionError) as error:
        raise CollateralError(f"{what} is not JSON") from error
    if not isinstance(document, dict) or document.get("version") != version:
        raise CollateralError(f"{what} is not of version {version}")
    return document


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise CollateralError("JSON object has a key twice")
    return found


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise CollateralError("JSON object expected")
    return value


def _list(entry: dict[str, Any], name: str, *, optional: bool = False) -> list[Any]:
    value = entry.get(name, [] if optional else None)
    if not isinstance(value, list) or len(value) > MAX_LEVELS:
        raise CollateralError(f"{name} is not a list of at most {MAX_LEVELS} elements")
    return value


def _text(entry: dict[str, Any], name: str) -> str:
    value = entry.get(name)
    if not _plain(value):
        raise CollateralError(f"{name} is not plain text")
    return str(value)


def _plain(value: Any) -> bool:
    """Text that may stand in logs as it is."""
    return isinstance(value, str) and len(value) <= MAX_WORD and value.isascii() and value.isprintable()


def _number(entry: dict[str, Any], name: str, *, most: int) -> int:
    value = entry.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise CollateralError(f"{name} is not a number from 0 to {most}")
    return value


def _hex(entry: dict[str, Any], name: str, *, size: int) -> bytes:
    try:
        value = bytes.fromhex(_text(entry, name))
    except ValueError as error:
        raise CollateralError(f"{name} is not hex") from error
    if len(value) != size:
        raise CollateralError(f"{name} has {len(value)} octets, not {size}")
    return value


def _time(entry: dict[str, Any], name: str) -> datetime:
    text = _text(entry, name)
    try:
        value = datetime.fromisoformat(text)
    except ValueError as error:
        raise CollateralError(f"{name} is not a time") from error
    if value.tzinfo is None:
        raise CollateralError(f"{name} has no time zone")
    return value
