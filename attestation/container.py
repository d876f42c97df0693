"""From bytes of any kind to evidence: what format is this, and what are its parts?

    evidence = read_evidence(data)
    evidence = read_evidence(report, attachments=[certificate])   # where a vendor hands out several files

Understood are the raw forms of every format (attestation.evidence_binary), JSON objects (attestation.evidence_json) and
conceptual message wrappers around either (attestation.cmw). Exactly one form must fit: what fits none, or several, is
an EvidenceError that names what was tried or found. Nothing is believed here; `verify` judges.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from attestation import cbor, cmw, evidence_binary, evidence_json
from attestation.cmw import Cmw, Collection, Record
from attestation.errors import EvidenceError
from attestation.evidence import load_chain
from attestation.evidence_binary import Reader
from attestation.formats import (
    apple_app_assertion,
    apple_attestation_object,
    arm_psa,
    azure_vtpm,
    intel,
    nitro,
    nvidia_gpu,
    sev_snp_evidence,
    software,
    tpm_parts,
)
from attestation.formats.webauthn_registration import ATTESTATION_OBJECT, CLIENT_DATA
from attestation.model import CERTIFICATE, Evidence, Format, Part

MAX_CONTAINER_BYTES: Final = 2 * 1024 * 1024  # a boot event log of 1 MiB in base64, and what belongs to it
MAX_ATTACHMENTS: Final = 8

_EVENT_LOG_MARK: Final = b"Spec ID Event03"  # TCG PC Client Platform Firmware Profile, 10.4.5.1
_CLIENT_DATA_MARKS: Final = (b'"webauthn.create"', b'"challenge"')

_COSE: Final = frozenset(
    {Format.ARM_PSA, Format.ARM_CCA, Format.AWS_NITRO, Format.SOFTWARE}
)  # what an EAT in CWT form may be here
_MEDIA_TYPES: Final[dict[str, frozenset[Format]]] = {
    "application/eat+cwt": _COSE,  # RFC 9782
    "application/psa-attestation-token": frozenset({Format.ARM_PSA}),
    "application/pem-certificate-chain": frozenset({Format.ANDROID_KEY, Format.TPM, Format.AMD_SEV_SNP}),
    "application/pkix-cert": frozenset({Format.ANDROID_KEY, Format.TPM, Format.AMD_SEV_SNP}),
}
_MAIN_PART: Final[dict[Format, str]] = {  # what a file of unknown content must be when its format is said
    Format.ANDROID_KEY: CERTIFICATE,
    Format.APPLE_APP_ATTEST: apple_attestation_object.ATTESTATION_OBJECT,
    Format.APPLE_APP_ASSERTION: apple_app_assertion.ASSERTION,
    Format.WEBAUTHN: ATTESTATION_OBJECT,
    Format.INTEL_SGX: intel.QUOTE,
    Format.INTEL_TDX: intel.QUOTE,
    Format.AMD_SEV_SNP: sev_snp_evidence.REPORT,
    Format.AWS_NITRO: nitro.DOCUMENT,
    Format.TPM: tpm_parts.ATTEST,
    Format.AZURE_VTPM: azure_vtpm.HCL_REPORT,
    Format.ARM_PSA: arm_psa.TOKEN,
    Format.ARM_CCA: arm_psa.TOKEN,
    Format.NVIDIA_GPU: nvidia_gpu.REPORT,
    Format.SOFTWARE: software.STATEMENT,
}
_CONTENT_FORMATS: Final = {263: "application/eat+cwt"}  # RFC 9782, 6.2


def read_evidence(data: bytes, *, media_type: str | None = None, attachments: Sequence[bytes] = ()) -> Evidence:
    """The one piece of evidence in `data` (at most 2 MiB). A media type that is known here narrows what it may be;
    others say nothing. `attachments` (at most 8) are certificates, a boot event log or WebAuthn client data that came
    in files of their own. EvidenceError (MALFORMED) when no form fits, several do, or an attachment is none of these.
    """
    if len(attachments) > MAX_ATTACHMENTS:
        raise EvidenceError(f"{len(attachments)} attachments, at most {MAX_ATTACHMENTS}")
    extra = [part for attachment in attachments for part in _attachment(attachment)]
    found = _read(data)
    _must_fit(found, media_type)
    return _with(found, extra)


def read_evidence_as(form: Format, data: bytes, *, attachments: Sequence[bytes] = ()) -> Evidence:
    """Evidence of this format, whatever `data` looks like: a form of it that fits, or the bytes as its main part, which
    its judge then finds malformed. EvidenceError for too many bytes, and as `read_evidence` for attachments.
    """
    if len(attachments) > MAX_ATTACHMENTS:
        raise EvidenceError(f"{len(attachments)} attachments, at most {MAX_ATTACHMENTS}")
    if len(data) > MAX_CONTAINER_BYTES:
        raise EvidenceError(f"{len(data)} bytes, at most {MAX_CONTAINER_BYTES}")
    extra = [part for attachment in attachments for part in _attachment(attachment)]
    return _with(_of_form(form, data), extra)


def _of_form(form: Format, data: bytes) -> Evidence:
    for read in (lambda: _read(data), *_forms(data).values()):
        try:
            found = read()
        except EvidenceError:
            continue
        if found.format is form:
            return found
    return Evidence(form, (Part(_MAIN_PART[form], data),))


def _with(found: Evidence, extra: Sequence[Part]) -> Evidence:
    return Evidence(found.format, (*found.parts, *extra)) if extra else found


def read_collection(data: bytes) -> Mapping[str, Evidence]:
    """Every piece of evidence in a collection of wrappers, by label; those of inner collections as outer/inner."""
    wrapper = _wrapper(data)
    if not isinstance(wrapper, Collection):
        raise EvidenceError("not a collection of conceptual message wrappers")
    return _all_evidence(wrapper, "")


def _read(data: bytes) -> Evidence:
    wrapper = _wrapper(data)
    if wrapper is not None:
        return _unwrap(wrapper)
    return _only(_forms(data))


def _forms(data: bytes) -> dict[str, Reader]:
    if (document := _json(data)) is not None:
        return evidence_json.find_forms(document)
    found = evidence_binary.find_binary(data)
    if not found:
        try:  # bytes behind the first item are for the judge of the format to refuse
            found = evidence_binary.find_cbor(cbor.decode_first(data)[0], data)
        except EvidenceError:
            return {}
    return found


def _only(found: Mapping[str, Reader]) -> Evidence:
    if len(found) > 1:
        raise EvidenceError(f"evidence is ambiguous, it may be: {', '.join(found)}")
    if not found:
        names = (*evidence_binary.FORM_NAMES, *evidence_binary.CBOR_NAMES)
        raise EvidenceError(
            f"evidence of no known form; tried {', '.join(names)}; in JSON {', '.join(evidence_json.FORM_NAMES)};"
            " conceptual message wrappers of these"
        )
    (read,) = found.values()
    return read()


def _json(data: bytes) -> Any:
    """The parsed document, or None for what is no JSON object or array."""
    if data.lstrip(b" \t\r\n\xef\xbb\xbf")[:1] not in (b"{", b"["):
        return None
    try:
        return cmw.parse_json(data)
    except EvidenceError:
        return None


def _wrapper(data: bytes) -> Cmw | None:
    if len(data) > MAX_CONTAINER_BYTES:
        raise EvidenceError(f"{len(data)} bytes, at most {MAX_CONTAINER_BYTES}")
    document = _json(data)
    if document is not None:
        return cmw.from_json(document) if cmw.is_json_cmw(document) else None
    try:
        value = cbor.decode(data)
    except EvidenceError:
        return None
    return cmw.from_cbor(value) if cmw.is_cbor_cmw(value) else None


def _unwrap(wrapper: Cmw) -> Evidence:
    if isinstance(wrapper, Record):
        return _record(wrapper)
    found = _all_evidence(wrapper, "")
    if len(found) != 1:
        labels = ", ".join(found) or "none"
        raise EvidenceError(f"collection does not hold one piece of evidence but: {labels}")
    (evidence,) = found.values()
    endorsements = [part for record in _records(wrapper) for part in _endorsement(record)]
    return Evidence(evidence.format, (*evidence.parts, *endorsements))


def _record(record: Record) -> Evidence:
    if record.indicator is not None and not record.indicator & cmw.EVIDENCE:
        raise EvidenceError("the wrapper says that what it holds is no evidence")
    if len(record.value) > MAX_CONTAINER_BYTES:
        raise EvidenceError(f"{len(record.value)} bytes, at most {MAX_CONTAINER_BYTES}")
    found = _only(_forms(record.value))
    _must_fit(found, record.type if isinstance(record.type, str) else _CONTENT_FORMATS.get(record.type))
    return found


def _all_evidence(collection: Collection, prefix: str) -> dict[str, Evidence]:
    found: dict[str, Evidence] = {}
    for label, item in collection.items.items():
        if isinstance(item, Collection):
            found |= _all_evidence(item, f"{prefix}{label}/")
        elif item.indicator is None or item.indicator & cmw.EVIDENCE:
            found[f"{prefix}{label}"] = _record(item)
    return found


def _records(collection: Collection) -> list[Record]:
    inner = collection.items.values()
    return [record for item in inner for record in (_records(item) if isinstance(item, Collection) else [item])]


def _endorsement(record: Record) -> list[Part]:
    """Certificates that a collection carries beside the evidence, such as that of AMD's key. Other endorsements are the
    business of whoever collects collateral.
    """
    if record.indicator is None or record.indicator & cmw.EVIDENCE or not record.indicator & cmw.ENDORSEMENTS:
        return []
    try:
        return [part for part in _attachment(record.value) if part.name == CERTIFICATE]
    except EvidenceError:
        return []


def _must_fit(found: Evidence, media_type: str | None) -> None:
    kind = (media_type or "").partition(";")[0].strip().lower()
    allowed = _MEDIA_TYPES.get(kind)
    if allowed is not None and found.format not in allowed:
        raise EvidenceError(f"evidence of format {found.format} under the media type {kind}")


def _attachment(data: bytes) -> list[Part]:
    if _EVENT_LOG_MARK in data[:128]:
        return [Part(tpm_parts.EVENT_LOG, data)]
    if all(mark in data[:4096] for mark in _CLIENT_DATA_MARKS):
        return [Part(CLIENT_DATA, data)]
    if evidence_binary.is_certificates(data):
        return [Part(CERTIFICATE, der) for der in load_chain(data)]
    raise EvidenceError("attachment is neither certificates, nor a boot event log, nor WebAuthn client data")
