"""The attestation document of the Nitro hypervisor: what is in the payload of the COSE message.

Source: https://github.com/aws/aws-nitro-enclaves-nsm-api/blob/main/docs/attestation_process.md, 3.1 and 3.2.1: fields,
types and bounds. Fields that page does not know are signed like the rest and passed over.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

from attestation import cbor
from attestation.cbor import CborKey, CborValue
from attestation.errors import EvidenceError

MAX_PCRS: Final = 32
MAX_CABUNDLE: Final = 7  # with the leaf, the longest chain that is read
MAX_CERTIFICATE_BYTES: Final = 1024
MAX_PUBLIC_KEY_BYTES: Final = 1024
MAX_USER_BYTES: Final = 512  # user data and nonce

_PCR_BYTES: Final = frozenset({32, 48, 64})
_MAX_MILLISECONDS: Final = 253_402_300_799_999  # the last of the year 9999
_CODE_PCRS: Final = (0, 1, 2)


@dataclass(frozen=True, slots=True)
class NitroDocument:
    """The fields of a document. `pcrs` maps indices to digests; `chain` is leaf first, root last, DER. A key or a nonce
    of no bytes is none.
    """

    module_id: str
    made_at: datetime
    pcrs: Mapping[int, bytes]
    chain: tuple[bytes, ...]
    public_key: bytes | None
    user_data: bytes | None
    nonce: bytes | None

    @property
    def debug(self) -> bool:
        """Whether one of the registers that measure the code (PCR0 to 2) is zero, as all are in debug mode."""
        return any(index in self.pcrs and not any(self.pcrs[index]) for index in _CODE_PCRS)


def parse_document(payload: bytes) -> NitroDocument:
    """Read a payload; EvidenceError for fields that are missing, of wrong types or out of bounds."""
    fields = cbor.decode(payload, indefinite=True)  # newer hypervisors write the map without its length
    if not isinstance(fields, dict):
        raise EvidenceError("attestation document is not a map")
    module_id = fields.get("module_id")
    if not isinstance(module_id, str) or not module_id:
        raise EvidenceError("module_id is not a text")
    if fields.get("digest") != "SHA384":
        raise EvidenceError("digest is not SHA384")
    return NitroDocument(
        module_id=module_id,
        made_at=_time(fields.get("timestamp")),
        pcrs=_pcrs(fields.get("pcrs")),
        chain=(_octets(fields, "certificate", MAX_CERTIFICATE_BYTES), *reversed(_cabundle(fields.get("cabundle")))),
        public_key=_optional(fields, "public_key", MAX_PUBLIC_KEY_BYTES) or None,
        user_data=_optional(fields, "user_data", MAX_USER_BYTES),
        nonce=_optional(fields, "nonce", MAX_USER_BYTES) or None,
    )


def _time(milliseconds: CborValue) -> datetime:
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, int) or not 0 < milliseconds < _MAX_MILLISECONDS:
        raise EvidenceError("timestamp is not a time in milliseconds")
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _pcrs(found: CborValue) -> Mapping[int, bytes]:
    if not isinstance(found, dict) or not 1 <= len(found) <= MAX_PCRS:
        raise EvidenceError(f"pcrs is not a map of 1 to {MAX_PCRS} registers")
    pcrs: dict[int, bytes] = {}
    for index, digest in found.items():
        if not isinstance(index, int) or not 0 <= index < MAX_PCRS:
            raise EvidenceError("pcrs has an index out of bounds")
        if not isinstance(digest, bytes) or len(digest) not in _PCR_BYTES:
            raise EvidenceError(f"PCR {index} is not a digest")
        pcrs[index] = digest
    return MappingProxyType(pcrs)


def _cabundle(found: CborValue) -> list[bytes]:
    """AWS sends the root first."""
    if not isinstance(found, tuple) or not 1 <= len(found) <= MAX_CABUNDLE:
        raise EvidenceError(f"cabundle is not a list of 1 to {MAX_CABUNDLE} certificates")
    bundle: list[bytes] = []
    for item in found:
        if not isinstance(item, bytes) or not 1 <= len(item) <= MAX_CERTIFICATE_BYTES:
            raise EvidenceError("cabundle has an item that is no certificate")
        bundle.append(item)
    return bundle


def _octets(fields: dict[CborKey, CborValue], name: str, most: int) -> bytes:
    value = fields.get(name)
    if not isinstance(value, bytes) or not 1 <= len(value) <= most:
        raise EvidenceError(f"{name} is not 1 to {most} bytes")
    return value


def _optional(fields: dict[CborKey, CborValue], name: str, most: int) -> bytes | None:
    value = fields.get(name)
    if value is not None and (not isinstance(value, bytes) or len(value) > most):
        raise EvidenceError(f"{name} is not at most {most} bytes")
    return value
