"""What a boot event log says of UEFI Secure Boot: on or off, and the signature databases in force.

Only what was measured counts. Of an event the digest is measured, not its type and not its data, so data are read only
where their hash is the digest, and events are taken for what their digests say (an edited type could hide a separator
or make one up). Variables count only before the separator of PCR 7: what follows it is written by the boot loader.

Sources: TCG PC Client Platform Firmware Profile 1.06, 3.3.4.8 (PCR 7), 10.2.6 (UEFI_VARIABLE_DATA); UEFI 2.10, 32.4.1
(EFI_SIGNATURE_LIST).
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from attestation.errors import EvidenceError
from attestation.event_log import EV_EFI_VARIABLE_DRIVER_CONFIG, EV_NO_ACTION, Event, EventLog, HashId

SECURE_BOOT_PCR: Final = 7
MAX_VARIABLE_BYTES: Final = 256 * 1024
MAX_SIGNATURES: Final = 4096

KNOWN_EVENTS: Final = frozenset({*range(0x14), *range(0x80000000, 0x80000013), *range(0x800000E0, 0x800000E5)})

_GLOBAL: Final = bytes.fromhex("61dfe48bca93d211aa0d00e098032b8c")  # EFI_GLOBAL_VARIABLE
_IMAGE_SECURITY: Final = bytes.fromhex("cbb219d73a3d9645a3bcdad00e67656f")  # EFI_IMAGE_SECURITY_DATABASE_GUID
_OWNERS: Final = {"SecureBoot": _GLOBAL, "PK": _GLOBAL, "KEK": _GLOBAL, "db": _IMAGE_SECURITY, "dbx": _IMAGE_SECURITY}
_CERT_X509: Final = bytes.fromhex("a159c0a5e494a74a87b5ab155c2bf072")
_CERT_SHA256: Final = bytes.fromhex("2616c4c14c509240aca941f936934328")
_SEPARATORS: Final = (bytes(4), b"\xff" * 4, b"\x01\0\0\0")  # the last two: an error before, a reboot asked for


@dataclass(frozen=True, slots=True)
class SecureBoot:
    """`enabled` and `db` are None where the log does not say: whoever wrote the log may have left them out. Databases
    hold SHA-256 digests: of certificates (their DER) and of images as UEFI hashes them.
    """

    enabled: bool | None
    db: frozenset[bytes] | None
    dbx: frozenset[bytes]


def read_secure_boot(log: EventLog, algorithm: HashId) -> SecureBoot:
    """Read the measured variables of PCR 7; EvidenceError (MALFORMED) when one is measured twice or not well formed.

    Believe it only when the log's replay in this algorithm gave the quoted value of PCR 7.
    """
    variables: dict[str, bytes] = {}
    for event in log.events:
        if event.index != SECURE_BOOT_PCR or event.event_type == EV_NO_ACTION:
            continue  # the latter extends nothing, so anybody may add it
        if _is_separator(event, algorithm):
            break
        if event.event_type == EV_EFI_VARIABLE_DRIVER_CONFIG and _measured(event, algorithm):
            owner, name, value = _variable(event.data)
            if _OWNERS.get(name) != owner:
                continue
            if name in variables:
                raise EvidenceError(f"Secure Boot variable {name} is measured twice")
            variables[name] = value
    else:
        return SecureBoot(None, None, frozenset())  # no separator: the firmware never finished
    switch = variables.get("SecureBoot")
    enabled = None if switch is None else switch == b"\x01"
    db = _database(variables["db"]) if "db" in variables else None
    return SecureBoot(enabled, db, _database(variables.get("dbx", b"")))


def unknown_events(log: EventLog) -> tuple[int, ...]:
    """Types outside the profile's table, ascending. Their digests were replayed like all others."""
    return tuple(sorted({event.event_type for event in log.events} - KNOWN_EVENTS))


def _is_separator(event: Event, algorithm: HashId) -> bool:
    digest = event.digest(algorithm)
    return any(digest == hashlib.new(algorithm.hash_name, value).digest() for value in _SEPARATORS)


def _measured(event: Event, algorithm: HashId) -> bool:
    return event.digest(algorithm) == hashlib.new(algorithm.hash_name, event.data).digest()


def _variable(data: bytes) -> tuple[bytes, str, bytes]:
    """UEFI_VARIABLE_DATA: owner GUID, name, value."""
    name_size, value_size = (int.from_bytes(data[at : at + 8], "little") for at in (16, 24))
    if len(data) < 32 or name_size > 512 or value_size > MAX_VARIABLE_BYTES:
        raise EvidenceError("Secure Boot variable is not well formed")
    value_at = 32 + 2 * name_size
    if len(data) != value_at + value_size:
        raise EvidenceError("Secure Boot variable has not the size that it names")
    return data[:16], data[32:value_at].decode("utf-16-le", "replace"), data[value_at:]


def _database(data: bytes) -> frozenset[bytes]:
    found: set[bytes] = set()
    for kind, entry in _signatures(data):
        if len(found) == MAX_SIGNATURES:
            raise EvidenceError(f"Secure Boot database of more than {MAX_SIGNATURES} entries")
        if kind == _CERT_X509:
            found.add(hashlib.sha256(entry).digest())
        elif kind == _CERT_SHA256:
            found.add(entry)
    return frozenset(found)


def _signatures(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of every entry of the lists that follow one another; each entry begins with its owner's GUID."""
    offset = 0
    while offset < len(data):
        head, left = data[offset : offset + 28], len(data) - offset
        list_size, header_size, entry_size = (int.from_bytes(head[at : at + 4], "little") for at in (16, 20, 24))
        body = list_size - 28 - header_size
        if left < 28 or list_size > left or entry_size < 16 or body < 0 or body % entry_size:
            raise EvidenceError("Secure Boot signature list is not well formed")
        for at in range(offset + 28 + header_size, offset + list_size, entry_size):
            yield head[:16], data[at + 16 : at + entry_size]
        offset += list_size
