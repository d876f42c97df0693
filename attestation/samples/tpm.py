"""TPM rows: a JSON file of structures (quote, certification, activated credential, Azure composite), or certificates.

The verifier's own knowledge: the challenge of the file, and the AK that it enrolled, by the name in the file, because
quotes of this folder come without AK certificates. Certificates are judged with the anchors of attestation.anchors_tpm,
a root that the row itself names, and the folder's other CAs to climb by.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from attestation.anchors_tpm import TPM
from attestation.case import Case
from attestation.errors import EvidenceError
from attestation.formats import tpm_parts
from attestation.formats.tpm_parts import tpm_evidence
from attestation.model import Collateral, Expectation
from attestation.policy import Policy
from attestation.policy_tpm import TpmPolicy
from attestation.reasons import Reason
from attestation.samples.azure_vtpm import load_azure
from attestation.samples.row_values import base64_octets, hex_octets
from attestation.samples.sample import Folder, Row, Sample
from attestation.samples.tpm_certificates import load_certificates
from attestation.samples.tpm_row import expectation, registers, sample_time
from attestation.tpm_collateral import TpmCollateral
from attestation.tpm_credential import Credential, parse_credential_file
from attestation.tpm_structures import parse_public

_STRICT: Final = Policy("strict")
_MILD: Final = Policy("SHA-1 and empty challenges allowed", tpm=TpmPolicy(allow_sha1=True, allow_empty_challenge=True))
_STRUCTURES: Final = {
    "tpms_attest": tpm_parts.ATTEST,
    "tpmt_signature": tpm_parts.SIGNATURE,
    "ak_tpmt_public": tpm_parts.AK_PUBLIC,
    "certified_tpmt_public": tpm_parts.CERTIFIED_PUBLIC,
    "create_attestation": tpm_parts.CREATION_ATTEST,
    "create_signature": tpm_parts.CREATION_SIGNATURE,
    "create_data": tpm_parts.CREATION_DATA,
    "ak_cert_der": tpm_parts.AK_CERTIFICATE,
}
_NAMES: Final = {"ak_name": tpm_parts.AK_NAME, "certified_name": tpm_parts.CERTIFIED_NAME}
PHRASES: Final = {
    "SHA-1": Reason.WEAK_HASH,
    "nonce": Reason.CHALLENGE_MISMATCH,
    "NONCE_MISMATCH": Reason.CHALLENGE_MISMATCH,
    "event log": Reason.EVENT_LOG_MISMATCH,
    "extraData": Reason.CHALLENGE_MISMATCH,
    "BAD_BINDING": Reason.BINDING_MISMATCH,
}


def load(row: Row, folder: Folder) -> Sample:
    documents = folder.files(row, ending=".json")
    if not documents:
        return load_certificates(row, folder)
    document = json.loads(folder.read(documents[0]))
    if "hcl_report" in document:
        return load_azure(row, document)
    if "secret_hex" in document:
        return _activation(row, document)
    return _statement(row, folder, document)


def _statement(row: Row, folder: Folder, document: Mapping[str, Any]) -> Sample:
    single = {part: base64_octets(document[key]) for key, part in _STRUCTURES.items() if key in document}
    single |= {part: hex_octets(document[key]) for key, part in _NAMES.items() if key in document}
    log = document.get("event_log") or document.get("event_log_file")
    if log:
        single[tpm_parts.EVENT_LOG] = folder.read(log)
    collateral = Collateral(tpm=TpmCollateral(enrolled_names=_enrolled(document)))
    strict = Case(
        tpm_evidence(single, registers=registers(document)),
        expectation(document),
        TPM,
        collateral,
        _STRICT,
        sample_time(row),
    )
    return Sample(strict, replace(strict, policy=_MILD))


def _enrolled(document: Mapping[str, Any]) -> frozenset[bytes]:
    """The AK by its name; by its public area where the file leaves the name out. None where it has a certificate."""
    if "ak_cert_der" in document:
        return frozenset()
    if "ak_name" in document:
        return frozenset({hex_octets(document["ak_name"])})
    return _name_of(base64_octets(document.get("ak_tpmt_public", "")))


def _activation(row: Row, document: Mapping[str, Any]) -> Sample:
    """The EK of the file is enrolled; the secret that the verifier chose is a claim of the row."""
    ek_public = base64_octets(document["ek_tpmt_public"])
    credential = _credential(base64_octets(document["credential_blob_tpm2tools"]))
    chosen = row["claims"].get("secret")
    secret = chosen.encode() if chosen else hex_octets(document["secret_hex"])
    evidence = tpm_evidence(
        {
            tpm_parts.EK_PUBLIC: ek_public,
            tpm_parts.AK_NAME: hex_octets(document["ak_name"]),
            tpm_parts.ID_OBJECT: credential.id_object,
            tpm_parts.ENCRYPTED_SECRET: credential.encrypted_secret,
            tpm_parts.ACTIVATED_SECRET: hex_octets(document["secret_hex"]),
        }
    )
    made_for = hex_octets(document["ak_name"])
    known = TpmCollateral(
        enrolled_names=_name_of(ek_public), credential_name=made_for, credential_ek=_key_of(ek_public)
    )
    return Sample(Case(evidence, Expectation(secret), TPM, Collateral(tpm=known), _STRICT, sample_time(row)))


def _credential(data: bytes) -> Credential:
    """Bytes that are no credential file are left to the judge."""
    try:
        return parse_credential_file(data)
    except EvidenceError:
        return Credential(data, b"")


def _key_of(public: bytes) -> bytes:
    try:
        return parse_public(public).spki
    except EvidenceError:
        return b""


def _name_of(public: bytes) -> frozenset[bytes]:
    try:
        return frozenset({parse_public(public).name})
    except EvidenceError:
        return frozenset()
