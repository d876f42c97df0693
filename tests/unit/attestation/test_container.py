"""Evidence of every format in every form it may come in, told apart by its content."""

import json
from base64 import b64encode, urlsafe_b64encode
from dataclasses import replace
from datetime import UTC, datetime

import cbor2
import pytest

from attestation import Evidence, EvidenceError, Format, Part
from attestation.container import MAX_CONTAINER_BYTES, read_collection, read_evidence, read_evidence_as
from attestation.evidence_json import to_json
from attestation.formats import arm_cca, arm_psa, nitro, nvidia_gpu, software, tpm_parts
from attestation.formats.webauthn_registration import ATTESTATION_OBJECT, CLIENT_DATA
from attestation.testing import FACTORIES
from attestation.verify import verify_case

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
GOOD = {form: next(iter(factory.good(NOW))).case.evidence for form, factory in FACTORIES.items()}
FIRST_TAG = 1668546817


def only_part(form: Format) -> bytes:
    (part,) = GOOD[form].parts
    return part.data


def record(value: bytes, kind: str | int = "application/octet-stream", *indicator: int) -> bytes:
    return cbor2.dumps([kind, value, *indicator])


def json_record(value: bytes, *indicator: int) -> list[object]:
    return ["application/octet-stream", urlsafe_b64encode(value).rstrip(b"=").decode(), *indicator]


@pytest.mark.parametrize("form", Format)
def test_hallmarks_own_form_brings_back_every_format(form):
    assert read_evidence(json.dumps(to_json(GOOD[form])).encode()) == GOOD[form]


WRAPPERS = {
    "record": record,
    "record of evidence": lambda data: record(data, "application/x", 4),
    "tag": lambda data: cbor2.dumps(cbor2.CBORTag(FIRST_TAG + 42, data)),
    "JSON record": lambda data: json.dumps(json_record(data, 4)).encode(),
    "JSON collection": lambda data: json.dumps(
        {"__cmwc_t": "tag:example.org,2026:x", "device": json_record(data)}
    ).encode(),
    "collection": lambda data: cbor2.dumps({"device": ["application/x", data]}),
    "tagged collection": lambda data: cbor2.dumps(cbor2.CBORTag(FIRST_TAG + 274, {1: ["application/x", data]})),
    "JSON in a tag": lambda data: cbor2.dumps(
        cbor2.CBORTag(FIRST_TAG + 276, json.dumps({"device": json_record(data)}).encode())
    ),
}


@pytest.mark.parametrize("wrap", WRAPPERS)
@pytest.mark.parametrize(
    "form",
    [Format.ARM_PSA, Format.ARM_CCA, Format.AWS_NITRO, Format.SOFTWARE, Format.APPLE_APP_ASSERTION],
)
def test_messages_of_one_part_are_known_by_their_claims(form, wrap):
    data = only_part(form)
    assert read_evidence(data) == read_evidence(WRAPPERS[wrap](data)) == GOOD[form]


@pytest.mark.parametrize("tagged", [False, True])
def test_content_formats_are_media_types(tagged):
    def wrap(data: bytes) -> bytes:
        return cbor2.dumps(cbor2.CBORTag(FIRST_TAG + 263, data)) if tagged else record(data, 263)

    assert read_evidence(wrap(only_part(Format.ARM_PSA))) == GOOD[Format.ARM_PSA]
    with pytest.raises(EvidenceError, match=r"eat\+cwt"):
        read_evidence(wrap(only_part(Format.APPLE_APP_ASSERTION)))


def test_android_chains_in_pem_and_der():
    chain = GOOD[Format.ANDROID_KEY].named("certificate")
    pem = b"".join(
        b"-----BEGIN CERTIFICATE-----\n" + b64encode(der) + b"\n-----END CERTIFICATE-----\n" for der in chain
    )
    assert read_evidence(pem) == read_evidence(b"".join(chain)) == GOOD[Format.ANDROID_KEY]


def test_quotes_and_reports_with_what_belongs_to_them():
    for form in (Format.INTEL_SGX, Format.INTEL_TDX):
        (quote,) = GOOD[form].named("quote")
        assert read_evidence(quote).format is form
    (report,) = GOOD[Format.AMD_SEV_SNP].named("report")
    certificates = GOOD[Format.AMD_SEV_SNP].named("certificate")
    assert read_evidence(report, attachments=[b"".join(certificates)]) == GOOD[Format.AMD_SEV_SNP]
    (report,) = GOOD[Format.NVIDIA_GPU].named(nvidia_gpu.REPORT)
    certificates = GOOD[Format.NVIDIA_GPU].named("certificate")
    assert read_evidence(report, attachments=certificates) == GOOD[Format.NVIDIA_GPU]


def test_webauthn_in_json_and_in_two_files():
    good = GOOD[Format.WEBAUTHN]
    (attested,), (client_data,) = good.named(ATTESTATION_OBJECT), good.named(CLIENT_DATA)
    members = {"attestationObject": b64encode(attested).decode(), "clientDataJSON": b64encode(client_data).decode()}
    assert read_evidence(json.dumps(members).encode()) == good
    assert read_evidence(json.dumps({"id": "x", "type": "public-key", "response": members}).encode()) == good
    assert read_evidence(attested, attachments=[client_data]) == good


def test_app_attest_object():
    good = GOOD[Format.APPLE_APP_ATTEST]
    attested = good.parts[0].data
    assert read_evidence(attested).format is Format.APPLE_APP_ATTEST
    assert read_evidence(json.dumps({"attestation": b64encode(attested).decode()}).encode()).parts[0].data == attested


def test_tpm_and_nvidia_objects():
    members = {"tpms_attest": "/1RDRw==", "tpmt_signature": "AA==", "pcrs": {"sha256": {"7": "00ff"}}, "ak_name": "0b"}
    found = read_evidence(json.dumps(members).encode())
    assert found == tpm_parts.tpm_evidence(
        {tpm_parts.ATTEST: b"\xffTCG", tpm_parts.SIGNATURE: b"\0", tpm_parts.AK_NAME: b"\x0b"},
        registers={"sha256": {7: b"\0\xff"}},
    )
    good = GOOD[Format.NVIDIA_GPU]
    report, chain = good.named(nvidia_gpu.REPORT)[0], b"".join(good.named("certificate"))
    members = {"arch": "HOPPER", "evidence": b64encode(report).decode(), "certificate": b64encode(chain).decode()}
    assert read_evidence(json.dumps([members]).encode()) == good


def test_a_collection_gives_its_only_evidence_and_the_certificates_beside_it():
    (report,) = GOOD[Format.AMD_SEV_SNP].named("report")
    chain = b"".join(GOOD[Format.AMD_SEV_SNP].named("certificate"))
    wrapped = {"report": ["application/x", report, 4], "chain": ["application/pkix-cert", chain, 2],
               "values": ["application/y", b"reference values", 1], "more": ["application/z", b"not known", 2]}  # fmt: skip
    assert read_evidence(cbor2.dumps(wrapped)) == GOOD[Format.AMD_SEV_SNP]


def test_a_collection_of_several_is_read_as_one():
    psa, nitro_document = only_part(Format.ARM_PSA), only_part(Format.AWS_NITRO)
    wrapped = cbor2.dumps({"psa": ["application/x", psa], "inner": {1: ["application/x", nitro_document, 4]}})
    with pytest.raises(EvidenceError, match="psa, inner/1"):
        read_evidence(wrapped)
    assert read_collection(wrapped) == {"psa": arm_psa.evidence(psa), "inner/1": nitro.evidence(nitro_document)}
    with pytest.raises(EvidenceError):
        read_collection(psa)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "tried"),
        (b"\0", "tried"),
        (b"no evidence at all", "PSA token"),
        (b"{}", "in JSON"),
        (b"[1]", "tried"),
        (b"{", "tried"),
        (b'{"format": "android-key", "parts": [], "attestation": "AA=="}', "ambiguous.*App Attest"),
        (b'{"format": "none", "parts": []}', "format"),
        (b'{"format": "tpm", "parts": [["x", "*"]]}', "base64"),
        (b'{"format": "tpm", "parts": [["x", "AA", 1]]}', "part"),
        (b'{"tpms_attest": 1, "tpmt_signature": ""}', "base64"),
        (b'{"tpms_attest": "AA==", "pcrs": {"sha256": [1]}}', "pcrs"),
        (b'{"a": ["application/x", "*"]}', "base64url"),
        (b'{"a": ["no type", "AA"]}', "media type"),
        (b'["application/x", "AA", true]', "indicator"),
        (b'["application/x", "AA", 2]', "no evidence"),
        (b'["application/x", "AA"]', "tried"),
        (b'{"__cmwc_t": "x"}', "collection"),
        (cbor2.dumps(cbor2.CBORTag(FIRST_TAG + 275, [])), "signed"),
        (cbor2.dumps({"a": {"b": {"c": {"d": {"e": {"f": ["application/x", b""]}}}}}}), "deeper"),
        (bytes(MAX_CONTAINER_BYTES + 1), "at most"),
    ],
)
def test_what_is_no_evidence_is_refused_in_words(data: bytes, words: str):
    with pytest.raises(EvidenceError, match=words):
        read_evidence(data)


def test_a_message_of_two_formats_is_ambiguous():
    payload = cbor2.dumps({"module_id": "x", 256: bytes(33)})
    with pytest.raises(EvidenceError, match="Nitro document, PSA token"):
        read_evidence(cbor2.dumps([b"\xa1\x01\x26", {}, payload, b""]))


def test_media_types_narrow_what_may_come():
    token = only_part(Format.ARM_CCA)
    assert read_evidence(token, media_type='application/eat+cwt; eat_profile="x"') == arm_cca.evidence(token)
    assert read_evidence(token, media_type="application/of-somebody") == arm_cca.evidence(token)
    with pytest.raises(EvidenceError, match="media type"):
        read_evidence(token, media_type="application/psa-attestation-token")


def test_attachments():
    token = only_part(Format.SOFTWARE)
    with pytest.raises(EvidenceError, match="attachment"):
        read_evidence(token, attachments=[b"something"])
    with pytest.raises(EvidenceError, match="at most"):
        read_evidence(token, attachments=[token] * 9)
    log = bytes(40) + b"Spec ID Event03" + bytes(9)
    assert read_evidence(token, attachments=[log]) == Evidence(
        Format.SOFTWARE, (Part(software.STATEMENT, token), Part(tpm_parts.EVENT_LOG, log))
    )


@pytest.mark.parametrize("form", Format)
def test_a_format_that_is_said_is_taken(form: Format):
    assert read_evidence_as(form, json.dumps(to_json(GOOD[form])).encode()) == GOOD[form]
    case = next(iter(FACTORIES[form].good(NOW))).case
    for data in (b"\xa3\x01", b"", b"{}", *(part.data for other in GOOD.values() for part in other.parts[:1])):
        forced = read_evidence_as(form, data)
        assert forced.format is form
        if data not in [part.data for part in GOOD[form].parts]:
            verdict = verify_case(replace(case, evidence=forced))
            assert (verdict.format, verdict.authentic, verdict.appraised) == (form, False, False)


def test_evidence_of_a_said_format_is_bounded():
    with pytest.raises(EvidenceError, match="at most"):
        read_evidence_as(Format.TPM, bytes(MAX_CONTAINER_BYTES + 1))
    with pytest.raises(EvidenceError, match="attachment"):
        read_evidence_as(Format.TPM, b"", attachments=[b"x"])
    with pytest.raises(EvidenceError, match="attachments, at most"):
        read_evidence_as(Format.TPM, b"", attachments=[b"x"] * 9)
