"""Evidence in JSON: objects as devices' SDKs send them, and Hallmark's own form for evidence of several parts.

    any format       {"format": "tpm", "parts": [["tpms-attest", base64], ...]}: the parts that the format's file names
    WebAuthn         {"attestationObject", "clientDataJSON"}, or these in "response" (RegistrationResponseJSON)
    App Attest       {"attestation", "keyId"?, "assertion"?, "assertionClientData"?}, or {"assertion"} alone
    TPM 2.0          {"tpms_attest", "tpmt_signature", "ak_tpmt_public"?, "pcrs"?: {bank: {index: hex}}, "event_log"?,
                     "ak_cert_der"?, "ak_name"? (hex), "certified_tpmt_public"?, "certified_name"? (hex),
                     "create_attestation"?, "create_signature"?, "create_data"?, "intermediates"?: [..]}
    Azure vTPM       {"hcl_report", "tpms_attest", "tpmt_signature" or "raw_signature" with "signature_alg", "pcrs"?,
                     "vcek_der"?, "td_quote"?, "event_log"?, "ak_spki_der"?, "hcl_runtime_data"? (text)}
    NVIDIA           {"evidence", "certificate"} (a PEM chain), or a list of one such object

Bytes are base64 or base64url; an event log may instead be named as a file, and attached. Other members are not evidence
and passed over.
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from typing import Any, Final

from attestation.errors import EvidenceError
from attestation.evidence import load_chain
from attestation.formats import (
    apple_app_assertion,
    apple_attestation_object,
    azure_vtpm,
    nvidia_gpu,
    tpm_parts,
    webauthn_registration,
)
from attestation.formats.tpm_parts import Registers
from attestation.model import Evidence, Format, Part
from attestation.tpm_reader import TpmAlgorithm

MAX_PARTS: Final = 256

_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]*={0,2}")
_TPM: Final = {
    "tpms_attest": tpm_parts.ATTEST,
    "tpmt_signature": tpm_parts.SIGNATURE,
    "ak_tpmt_public": tpm_parts.AK_PUBLIC,
    "certified_tpmt_public": tpm_parts.CERTIFIED_PUBLIC,
    "create_attestation": tpm_parts.CREATION_ATTEST,
    "create_signature": tpm_parts.CREATION_SIGNATURE,
    "create_data": tpm_parts.CREATION_DATA,
    "ak_cert_der": tpm_parts.AK_CERTIFICATE,
    "event_log": tpm_parts.EVENT_LOG,
}
_TPM_NAMES: Final = {"ak_name": tpm_parts.AK_NAME, "certified_name": tpm_parts.CERTIFIED_NAME}
_HASHES: Final = {"sha1": 0x0004, "sha256": 0x000B, "sha384": 0x000C, "sha512": 0x000D}

Members = Mapping[str, Any]


def find_forms(document: Any) -> dict[str, Callable[[], Evidence]]:
    """The forms that a parsed document has, by name; each is read only when called, and may raise EvidenceError."""
    if isinstance(document, list):
        document = document[0] if len(document) == 1 else None
    if not isinstance(document, dict):
        return {}
    members: Members = document
    return {
        name: lambda read=read: read(members)  # type: ignore[misc]
        for name, (fits, read) in _FORMS.items()
        if fits(members)
    }


def octets(members: Members, name: str) -> bytes:
    """A member that is base64 or base64url, padded or not; EvidenceError otherwise."""
    return decode_base64(members.get(name), name)


def decode_base64(text: Any, name: str) -> bytes:
    if not isinstance(text, str) or not _BASE64.fullmatch(text):
        raise EvidenceError(f"member {name} is not base64")
    bare = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except ValueError as error:
        raise EvidenceError(f"member {name} is not base64") from error


def _hex(members: Members, name: str) -> bytes:
    try:
        return bytes.fromhex(members[name])
    except (ValueError, TypeError) as error:
        raise EvidenceError(f"member {name} is not hex") from error


def _optional(members: Members, name: str) -> bytes | None:
    return octets(members, name) if members.get(name) is not None else None


def _own(members: Members) -> Evidence:
    form, parts = members["format"], members["parts"]
    if form not in Format.__members__.values() or not isinstance(parts, list) or len(parts) > MAX_PARTS:
        raise EvidenceError(f"not a format with at most {MAX_PARTS} parts")
    pairs = [part for part in parts if isinstance(part, list) and len(part) == 2 and isinstance(part[0], str)]
    if len(pairs) != len(parts):
        raise EvidenceError("part is not a name and base64")
    return Evidence(Format(form), tuple(Part(name, decode_base64(text, name)) for name, text in pairs))


def to_json(evidence: Evidence) -> dict[str, Any]:
    """Evidence of any format in Hallmark's own form."""
    return {"format": str(evidence.format), "parts": [[p.name, b64encode(p.data).decode()] for p in evidence.parts]}


def _webauthn(members: Members) -> Evidence:
    inner = members.get("response", members)
    return webauthn_registration.evidence(octets(inner, "attestationObject"), octets(inner, "clientDataJSON"))


def _is_webauthn(members: Members) -> bool:
    inner = members.get("response", members)
    return isinstance(inner, dict) and "attestationObject" in inner and "clientDataJSON" in inner


def _app_attest(members: Members) -> Evidence:
    asserted = None
    if members.get("assertion") is not None:
        asserted = octets(members, "assertion"), octets(members, "assertionClientData")
    return apple_attestation_object.evidence(
        octets(members, "attestation"), key_id=_optional(members, "keyId"), assertion=asserted
    )


def _app_assertion(members: Members) -> Evidence:
    return apple_app_assertion.evidence(octets(members, "assertion"))


def _registers(members: Members) -> Registers:
    banks = members.get("pcrs", {})
    try:
        return {
            str(bank): {int(index): bytes.fromhex(value) for index, value in values.items()}
            for bank, values in banks.items()
        }
    except (AttributeError, ValueError, TypeError) as error:
        raise EvidenceError("pcrs are not banks of registers in hex") from error


def _tpm(members: Members) -> Evidence:
    named_file = _names_file(members.get("event_log"))
    given = {name: part for name, part in _TPM.items() if members.get(name) is not None}
    single = {part: octets(members, name) for name, part in given.items() if name != "event_log" or not named_file}
    single |= {part: _hex(members, name) for name, part in _TPM_NAMES.items() if name in members}
    issuers = members.get("intermediates", [])
    if not isinstance(issuers, list):
        raise EvidenceError("intermediates are not a list")
    return tpm_parts.tpm_evidence(
        single,
        registers=_registers(members),
        intermediates=[decode_base64(text, "intermediates") for text in issuers[:MAX_PARTS]],
    )


def _names_file(value: Any) -> bool:
    """An event log is large, so it may come as a file beside the object, which then has to be attached."""
    return isinstance(value, str) and "." in value


def _azure(members: Members) -> Evidence:
    certificates = (_optional(members, "vcek_der"), _optional(members, "vlek_der"))
    found = azure_vtpm.evidence(
        attest=octets(members, "tpms_attest"),
        signature=_signature(members),
        hcl_report=octets(members, "hcl_report"),
        registers=_registers(members),
        td_quote=_optional(members, "td_quote"),
        certificates=tuple(der for der in certificates if der is not None),
        event_log=_optional(members, "event_log"),
    )
    copies = []
    if isinstance(text := members.get("hcl_runtime_data"), str):
        copies.append(Part(azure_vtpm.RUNTIME_DATA, text.encode()))
    if (key := _optional(members, "ak_spki_der")) is not None:
        copies.append(Part(azure_vtpm.AK_KEY, key))
    return Evidence(found.format, (*found.parts, *copies))


def _signature(members: Members) -> bytes:
    """TPMT_SIGNATURE as it is, or from raw octets and words such as rsassa-sha256."""
    if "raw_signature" not in members:
        return octets(members, "tpmt_signature")
    scheme, _, digest = str(members.get("signature_alg")).partition("-")
    algorithm = TpmAlgorithm.RSAPSS if scheme == "rsapss" else TpmAlgorithm.RSASSA
    raw = octets(members, "raw_signature")
    if digest not in _HASHES or len(raw) > 0xFFFF:
        raise EvidenceError("signature_alg is not a scheme and a hash, such as rsassa-sha256")
    return algorithm.to_bytes(2) + _HASHES[digest].to_bytes(2) + len(raw).to_bytes(2) + raw


def _nvidia(members: Members) -> Evidence:
    return nvidia_gpu.evidence(octets(members, "evidence"), load_chain(octets(members, "certificate")))


def _has(*names: str, lacks: tuple[str, ...] = ()) -> Callable[[Members], bool]:
    return lambda members: all(name in members for name in names) and not any(name in members for name in lacks)


_FORMS: Final[dict[str, tuple[Callable[[Members], bool], Callable[[Members], Evidence]]]] = {
    "evidence in parts": (_has("format", "parts"), _own),
    "WebAuthn registration": (_is_webauthn, _webauthn),
    "App Attest attestation": (_has("attestation"), _app_attest),
    "App Attest assertion": (_has("assertion", lacks=("attestation",)), _app_assertion),
    "TPM statement": (_has("tpms_attest", lacks=("hcl_report",)), _tpm),
    "Azure vTPM": (_has("tpms_attest", "hcl_report"), _azure),
    "NVIDIA GPU": (_has("evidence", "certificate"), _nvidia),
}
FORM_NAMES: Final = tuple(_FORMS)
