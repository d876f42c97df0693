"""SPDM 1.1 GET_MEASUREMENTS (DMTF DSP0274, 10.11) as NVIDIA GPUs answer it: request, then response, without a gap.

    request   37 octets: version 0x11, code 0xE0, attributes (bit 0: signed), operation (0xFF: all), nonce (32), slot
    response  version 0x11, code 0x60, two parameters, number of blocks, length of the record (3, little endian),
              the blocks, nonce of the responder (32), length of the opaque data (2), opaque data, signature (96)

A block has index, specification (1: DMTF), size (2), then type, size (2) and value. NVIDIA's opaque data are fields of
type, size (2 octets each, little endian) and value.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from attestation.errors import EvidenceError
from attestation.reasons import Reason

REQUEST_BYTES: Final = 37
NONCE_BYTES: Final = 32
SIGNATURE_BYTES: Final = 96  # r and s of ECDSA on P-384, big endian
MAX_REPORT_BYTES: Final = 32 * 1024
DIGEST_BYTES: Final = 48

_VERSION: Final = 0x11
_GET_MEASUREMENTS: Final = 0xE0
_MEASUREMENTS: Final = 0x60
_SIGNED: Final = 0x01
_ALL: Final = 0xFF
_DMTF: Final = 1
_MAX_FIELDS: Final = 64


class OpaqueField:
    """Types of opaque fields that are read (NVIDIA nvtrust, GPU attestation report)."""

    DRIVER_VERSION: Final = 3
    VBIOS_VERSION: Final = 6
    BOARD_ID: Final = 14
    CHIP_SKU: Final = 15
    PROJECT: Final = 17
    PROJECT_SKU: Final = 18
    FIRMWARE_ID: Final = 20


@dataclass(frozen=True, slots=True)
class GpuReport:
    """`nonce` is the requester's. `measurements` map the index of a block to its value; `fields` the type of an opaque
    field to its value. `signed` is what the signature is over.
    """

    nonce: bytes
    slot: int
    measurements: Mapping[int, bytes]
    fields: Mapping[int, bytes]
    signed: bytes
    signature: bytes

    def field_text(self, kind: int) -> str | None:
        """A field that is a text ending in zeros."""
        value = self.fields.get(kind)
        return None if value is None else value.rstrip(b"\0").decode("ascii", "replace")

    @property
    def vbios_version(self) -> tuple[int, ...]:
        """96.00.9F.00.01 as numbers. The eight octets hold it in two little-endian words, the last part first."""
        value = self.fields.get(OpaqueField.VBIOS_VERSION, b"")
        return () if len(value) != 8 else (*value[3::-1], value[4])


def parse_report(data: bytes) -> GpuReport:
    """Read request and response that fill `data`; EvidenceError otherwise."""
    if len(data) > MAX_REPORT_BYTES:
        raise EvidenceError(f"report of {len(data)} bytes, at most {MAX_REPORT_BYTES}")
    reader = _Reader(data)
    version, code, attributes, operation = reader.take(4)
    if (version, code) != (_VERSION, _GET_MEASUREMENTS):
        raise EvidenceError("report does not begin with an SPDM 1.1 request for measurements")
    if not attributes & _SIGNED or operation != _ALL:
        raise EvidenceError("the request is not for all measurements, signed", reason=Reason.WRONG_TYPE)
    nonce, slot = reader.take(NONCE_BYTES), reader.number(1)
    if reader.take(2) != bytes([_VERSION, _MEASUREMENTS]):
        raise EvidenceError("the answer is not SPDM 1.1 measurements")
    reader.take(2)
    count, record = reader.number(1), _Reader(reader.take(reader.number(3)))
    measurements = _blocks(record, count)
    reader.take(NONCE_BYTES)
    fields = _fields(_Reader(reader.take(reader.number(2))))
    signed, signature = data[: reader.offset], reader.take(SIGNATURE_BYTES)
    reader.must_end()
    return GpuReport(nonce, slot, measurements, fields, signed, signature)


def _blocks(reader: "_Reader", count: int) -> Mapping[int, bytes]:
    found: dict[int, bytes] = {}
    for _ in range(count):
        index, specification, size = reader.number(1), reader.number(1), reader.number(2)
        block = _Reader(reader.take(size))
        if specification != _DMTF or index in found:
            raise EvidenceError(f"measurement {index} comes twice or is not as DMTF specifies")
        block.number(1)  # what kind of thing was measured
        found[index] = block.take(block.number(2))
        block.must_end()
    reader.must_end()
    return MappingProxyType(found)


def _fields(reader: "_Reader") -> Mapping[int, bytes]:
    found: dict[int, bytes] = {}
    while reader.offset < len(reader.data):
        kind, size = reader.number(2), reader.number(2)
        if kind in found or len(found) == _MAX_FIELDS:
            raise EvidenceError(f"opaque field {kind} comes twice, or there are too many")
        found[kind] = reader.take(size)
    return MappingProxyType(found)


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.offset = 0

    def take(self, size: int) -> bytes:
        end = self.offset + size
        if end > len(self.data):
            raise EvidenceError("report is cut short")
        taken = self.data[self.offset : end]
        self.offset = end
        return taken

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little")

    def must_end(self) -> None:
        if self.offset != len(self.data):
            raise EvidenceError(f"{len(self.data) - self.offset} bytes are left over")
