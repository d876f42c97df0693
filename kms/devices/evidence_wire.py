"""Evidence from the wire: checked for presence and bounds before a byte is parsed; its format detected."""

from typing import Final

from attestation.container import read_evidence
from attestation.errors import AttestationError
from attestation.model import CERTIFICATE, Evidence, Format, Part
from hallmark.v1 import devices_pb2
from kms.core.errors import InvalidArgument, Reason
from kms.devices.model import ANDROID_BYTES_MAX, CERTIFICATES_MAX, EVIDENCE_BYTES_MAX, PARTS_MAX

_NAME_MAX: Final = 64
_MEDIA_TYPE_MAX: Final = 256

FORMATS: Final[dict[Format, devices_pb2.EvidenceFormat]] = {
    Format.ANDROID_KEY: devices_pb2.EVIDENCE_FORMAT_ANDROID_KEY,
    Format.APPLE_APP_ATTEST: devices_pb2.EVIDENCE_FORMAT_APPLE_APP_ATTEST,
    Format.APPLE_APP_ASSERTION: devices_pb2.EVIDENCE_FORMAT_APPLE_APP_ASSERTION,
    Format.WEBAUTHN: devices_pb2.EVIDENCE_FORMAT_WEBAUTHN,
    Format.INTEL_SGX: devices_pb2.EVIDENCE_FORMAT_INTEL_SGX,
    Format.INTEL_TDX: devices_pb2.EVIDENCE_FORMAT_INTEL_TDX,
    Format.AMD_SEV_SNP: devices_pb2.EVIDENCE_FORMAT_AMD_SEV_SNP,
    Format.AWS_NITRO: devices_pb2.EVIDENCE_FORMAT_AWS_NITRO,
    Format.TPM: devices_pb2.EVIDENCE_FORMAT_TPM,
    Format.AZURE_VTPM: devices_pb2.EVIDENCE_FORMAT_AZURE_VTPM,
    Format.ARM_PSA: devices_pb2.EVIDENCE_FORMAT_ARM_PSA,
    Format.ARM_CCA: devices_pb2.EVIDENCE_FORMAT_ARM_CCA,
    Format.NVIDIA_GPU: devices_pb2.EVIDENCE_FORMAT_NVIDIA_GPU,
    Format.SOFTWARE: devices_pb2.EVIDENCE_FORMAT_SOFTWARE,
}
_NAMED: Final = {number: form for form, number in FORMATS.items()}


def evidence_from_wire(evidence: devices_pb2.Evidence) -> Evidence:
    """Raises InvalidArgument; EVIDENCE_TOO_LARGE where it is that."""
    parts = tuple(Part(part.name, part.data) for part in evidence.parts)
    parts += tuple(Part(CERTIFICATE, der) for der in evidence.certificates)
    _check_bounds(evidence, parts)
    if bool(parts) is bool(evidence.cmw):
        sentence = "send certificates (leaf first, root last), parts, or one cmw; not both"
        raise _invalid(sentence, "evidence.certificates")
    if evidence.format == devices_pb2.EVIDENCE_FORMAT_UNSPECIFIED:
        return _detected(evidence, parts)
    if evidence.format not in _NAMED:
        raise _invalid("evidence.format is not one that this server knows", "evidence.format")
    form = _NAMED[evidence.format]
    if evidence.cmw:
        found = _read(evidence.cmw, evidence.media_type, "evidence.cmw")
        if found.format is not form:
            raise _invalid(f"evidence.cmw holds {found.format}, not {form}", "evidence.format")
        return found
    certificates = sum(part.name == CERTIFICATE for part in parts)
    too_large = sum(len(part.data) for part in parts) > ANDROID_BYTES_MAX
    if form is Format.ANDROID_KEY and (certificates > CERTIFICATES_MAX or too_large):
        raise _too_large(f"{CERTIFICATES_MAX} certificates and {ANDROID_BYTES_MAX} bytes together")
    return Evidence(form, parts)


def _check_bounds(evidence: devices_pb2.Evidence, parts: tuple[Part, ...]) -> None:
    if len(parts) > PARTS_MAX or len(evidence.cmw) + sum(len(part.data) for part in parts) > EVIDENCE_BYTES_MAX:
        raise _too_large(f"{PARTS_MAX} parts and {EVIDENCE_BYTES_MAX} bytes together")
    if any(not 1 <= len(part.name) <= _NAME_MAX for part in parts):
        raise _invalid(f"names of parts have 1 to {_NAME_MAX} characters", "evidence.parts.name")
    if len(evidence.media_type) > _MEDIA_TYPE_MAX:
        raise _invalid(f"a media type has at most {_MEDIA_TYPE_MAX} characters", "evidence.media_type")


def _detected(evidence: devices_pb2.Evidence, parts: tuple[Part, ...]) -> Evidence:
    if evidence.cmw:
        return _read(evidence.cmw, evidence.media_type, "evidence.cmw")
    if all(part.name == CERTIFICATE for part in parts):
        return _read(b"".join(part.data for part in parts), "", "evidence.certificates")
    if len(parts) == 1:
        return _read(parts[0].data, evidence.media_type, "evidence.parts")
    raise _invalid("name evidence.format: several parts do not say what they are", "evidence.format")


def _read(data: bytes, media_type: str, field: str) -> Evidence:
    try:
        return read_evidence(data, media_type=media_type or None)
    except AttestationError as error:
        raise _invalid(f"{field} is not understood, name evidence.format: {error}", field) from error


def _too_large(sentence: str) -> InvalidArgument:
    return InvalidArgument(Reason.EVIDENCE_TOO_LARGE, f"evidence may have {sentence}", field="evidence")


def _invalid(sentence: str, field: str) -> InvalidArgument:
    return InvalidArgument(Reason.FIELD_INVALID, sentence, field=field)
