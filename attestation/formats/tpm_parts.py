"""The named parts of TPM evidence: what may come, how often, how large.

`quote`, `certify` and `certificates` put the usual kinds together from what a device sends, `tpm_evidence` any other.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from attestation.errors import EvidenceError
from attestation.model import CERTIFICATE, Evidence, Format, Part

ATTEST: Final = "tpms-attest"  # TPMS_ATTEST of a quote or a certification
SIGNATURE: Final = "tpmt-signature"
AK_PUBLIC: Final = "ak-public"  # TPMT_PUBLIC
AK_NAME: Final = "ak-name"  # as the TPM gave it; must be the name of ak-public
CERTIFIED_PUBLIC: Final = "certified-public"  # TPMT_PUBLIC of the key that the AK certifies
CERTIFIED_NAME: Final = "certified-name"
CREATION_ATTEST: Final = "creation-attest"  # TPM2_CertifyCreation of the AK, signed by itself
CREATION_SIGNATURE: Final = "creation-signature"
CREATION_DATA: Final = "creation-data"  # TPMS_CREATION_DATA
EVENT_LOG: Final = "event-log"
AK_CERTIFICATE: Final = "ak-certificate"
EK_CERTIFICATE: Final = "ek-certificate"
EK_PUBLIC: Final = "ek-public"
ID_OBJECT: Final = "id-object"  # TPM2B_ID_OBJECT, from MakeCredential
ENCRYPTED_SECRET: Final = "encrypted-secret"  # noqa: S105 - a name; TPM2B_ENCRYPTED_SECRET, from MakeCredential
ACTIVATED_SECRET: Final = "activated-secret"  # noqa: S105 - a name; what ActivateCredential returned
PCR: Final = "pcr"  # pcr.<bank>.<index>, such as pcr.sha256.7

MAX_EVIDENCE_BYTES: Final = 64 * 1024
MAX_EVENT_LOG_BYTES: Final = 1024 * 1024
MAX_INTERMEDIATES: Final = 6
MAX_EK_CERTIFICATES: Final = 4
BANKS: Final = frozenset({"sha1", "sha256", "sha384", "sha512", "sha3_256", "sha3_384", "sha3_512"})

_SINGLE: Final = frozenset(
    {
        ATTEST, SIGNATURE, AK_PUBLIC, AK_NAME, CERTIFIED_PUBLIC, CERTIFIED_NAME, CREATION_ATTEST, CREATION_SIGNATURE,
        CREATION_DATA, EVENT_LOG, AK_CERTIFICATE, EK_PUBLIC, ID_OBJECT, ENCRYPTED_SECRET,
        ACTIVATED_SECRET,
    }
)  # fmt: skip

Registers = Mapping[str, Mapping[int, bytes]]  # bank -> index -> value


@dataclass(frozen=True, slots=True)
class TpmParts:
    """Evidence sorted by name: single parts, register values, EK certificates (a TPM has several EKs), and certificates
    of issuing CAs.
    """

    single: Mapping[str, bytes]
    registers: Registers
    ek_certificates: tuple[bytes, ...]
    intermediates: tuple[bytes, ...]

    def get(self, name: str) -> bytes | None:
        return self.single.get(name)

    def need(self, name: str) -> bytes:
        """A part that must be there; EvidenceError (MALFORMED) otherwise."""
        if name not in self.single:
            raise EvidenceError(f"evidence has no part {name}")
        return self.single[name]


def sort_parts(evidence: Evidence, *, single: frozenset[str] = _SINGLE) -> TpmParts:
    """Sort and bound the parts; EvidenceError (MALFORMED) for unknown or repeated ones."""
    log_bytes = sum(len(data) for data in evidence.named(EVENT_LOG))
    if log_bytes > MAX_EVENT_LOG_BYTES or evidence.size - log_bytes > MAX_EVIDENCE_BYTES:
        raise EvidenceError(f"evidence of {evidence.size} bytes, {log_bytes} of them event log")
    found: dict[str, bytes] = {}
    registers: dict[str, dict[int, bytes]] = {}
    intermediates = evidence.named(CERTIFICATE)
    ek_certificates = evidence.named(EK_CERTIFICATE)
    if len(intermediates) > MAX_INTERMEDIATES or len(ek_certificates) > MAX_EK_CERTIFICATES:
        raise EvidenceError(f"{len(intermediates)} certificates of issuers, {len(ek_certificates)} of EKs")
    for part in evidence.parts:
        if part.name.startswith(f"{PCR}."):
            _add_register(registers, part)
        elif part.name in single and part.name not in found:
            found[part.name] = part.data
        elif part.name not in (CERTIFICATE, EK_CERTIFICATE):
            raise EvidenceError(f"part {part.name[:64]!r} is unknown or comes twice")
    return TpmParts(found, registers, ek_certificates, intermediates)


def _add_register(registers: dict[str, dict[int, bytes]], part: Part) -> None:
    _, bank, index = part.name.split(".") if part.name.count(".") == 2 else ("", "", "")
    if bank not in BANKS or not (index.isascii() and index.isdigit() and len(index) <= 2 and str(int(index)) == index):
        raise EvidenceError(f"part {part.name[:64]!r} names no register")
    values = registers.setdefault(bank, {})
    if int(index) in values:
        raise EvidenceError(f"part {part.name!r} comes twice")
    values[int(index)] = part.data


def register_parts(registers: Registers) -> tuple[Part, ...]:
    return tuple(
        Part(f"{PCR}.{bank}.{index}", value)
        for bank, values in sorted(registers.items())
        for index, value in sorted(values.items())
    )


def tpm_evidence(
    single: Mapping[str, bytes], *, registers: Registers | None = None, intermediates: Iterable[bytes] = ()
) -> Evidence:
    """Evidence from single parts by name (the constants above), register values and issuers' certificates."""
    parts = [Part(name, bytes(data)) for name, data in single.items()]
    issuers = [Part(CERTIFICATE, bytes(der)) for der in intermediates]
    return Evidence(Format.TPM, (*parts, *register_parts(registers or {}), *issuers))


def quote(
    *, attest: bytes, signature: bytes, ak_public: bytes, registers: Registers, event_log: bytes | None = None
) -> Evidence:
    """A TPM2_Quote: TPMS_ATTEST, TPMT_SIGNATURE, TPMT_PUBLIC of the AK, the quoted values, perhaps the boot log."""
    log = {} if event_log is None else {EVENT_LOG: event_log}
    return tpm_evidence({ATTEST: attest, SIGNATURE: signature, AK_PUBLIC: ak_public, **log}, registers=registers)


def certify(*, attest: bytes, signature: bytes, ak_public: bytes, certified_public: bytes) -> Evidence:
    """A TPM2_Certify of a key by the AK, with the public areas (TPMT_PUBLIC) of both."""
    single = {ATTEST: attest, SIGNATURE: signature, AK_PUBLIC: ak_public, CERTIFIED_PUBLIC: certified_public}
    return tpm_evidence(single)


def certificates(*, ek: Iterable[bytes] = (), ak: bytes | None = None, intermediates: Iterable[bytes] = ()) -> Evidence:
    """EK certificates (perhaps padded, as read from NV memory) or an AK certificate, each DER."""
    issuers = tuple(Part(CERTIFICATE, bytes(der)) for der in intermediates)
    leaves = [Part(EK_CERTIFICATE, bytes(der)) for der in ek]
    leaves += [] if ak is None else [Part(AK_CERTIFICATE, bytes(ak))]
    return Evidence(Format.TPM, (*leaves, *issuers))
