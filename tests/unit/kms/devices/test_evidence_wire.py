"""Evidence from the wire: bounds first, then the format, which may be left out."""

import base64
import json

import cbor2
import pytest

from attestation.formats.intel import evidence as intel_evidence
from attestation.model import Format
from attestation.testing import VirtualPhone, VirtualVendor
from attestation.testing.catalogue import FACTORIES
from hallmark.v1 import devices_pb2 as pb
from kms.core.errors import InvalidArgument, Reason
from kms.devices.evidence_wire import FORMATS, evidence_from_wire
from kms.devices.model import EVIDENCE_BYTES_MAX, PARTS_MAX
from support.clock import START


def _chain() -> list[bytes]:
    phone = VirtualPhone.create(VirtualVendor.create(now=START), now=START)
    return list(phone.attest(bytes(32)).named("certificate"))


def test_named_parts_and_certificates_become_parts() -> None:
    evidence = evidence_from_wire(
        pb.Evidence(
            format=pb.EVIDENCE_FORMAT_AMD_SEV_SNP,
            parts=[pb.EvidencePart(name="report", data=b"r")],
            certificates=[b"c"],
        )
    )
    assert evidence.format is Format.AMD_SEV_SNP
    assert [(part.name, part.data) for part in evidence.parts] == [("report", b"r"), ("certificate", b"c")]


def test_a_chain_without_a_format_is_detected() -> None:
    chain = _chain()
    evidence = evidence_from_wire(pb.Evidence(certificates=chain))
    assert evidence.format is Format.ANDROID_KEY
    assert evidence.named("certificate") == tuple(chain)


def test_a_quote_in_a_cmw_is_detected_in_cbor_and_json() -> None:
    quote = next(iter(FACTORIES[Format.INTEL_TDX].good(START))).case.evidence
    assert intel_evidence(quote.named("quote")[0]) == quote
    media_type = "application/vnd.example.quote"
    as_json = json.dumps([media_type, base64.urlsafe_b64encode(quote.named("quote")[0]).rstrip(b"=").decode()]).encode()
    as_cbor = cbor2.dumps([media_type, quote.named("quote")[0]])
    for cmw in (as_json, as_cbor):
        assert evidence_from_wire(pb.Evidence(cmw=cmw)) == quote
        assert evidence_from_wire(pb.Evidence(cmw=cmw, format=pb.EVIDENCE_FORMAT_INTEL_TDX)) == quote
        with pytest.raises(InvalidArgument) as refused:
            evidence_from_wire(pb.Evidence(cmw=cmw, format=pb.EVIDENCE_FORMAT_ANDROID_KEY))
        assert refused.value.field == "evidence.format"


def test_one_part_says_what_it_is() -> None:
    quote = next(iter(FACTORIES[Format.INTEL_SGX].good(START))).case.evidence
    part = pb.EvidencePart(name="whatever", data=quote.named("quote")[0])
    assert evidence_from_wire(pb.Evidence(parts=[part])) == quote


@pytest.mark.parametrize(
    ("evidence", "reason"),
    [
        ({}, Reason.FIELD_INVALID),
        ({"format": 1}, Reason.FIELD_INVALID),
        ({"cmw": b"x", "certificates": [b"y"]}, Reason.FIELD_INVALID),
        ({"cmw": b"x"}, Reason.FIELD_INVALID),
        ({"format": 99, "certificates": [b"y"]}, Reason.FIELD_INVALID),
        ({"parts": [pb.EvidencePart(name="a", data=b"1"), pb.EvidencePart(name="b", data=b"2")]}, Reason.FIELD_INVALID),
        ({"format": 9, "parts": [pb.EvidencePart(data=b"1")]}, Reason.FIELD_INVALID),
        ({"format": 9, "parts": [pb.EvidencePart(name="n" * 65, data=b"1")]}, Reason.FIELD_INVALID),
        ({"cmw": b"{}", "media_type": "x" * 257}, Reason.FIELD_INVALID),
        ({"format": 9, "parts": [pb.EvidencePart(name="a")] * (PARTS_MAX + 1)}, Reason.EVIDENCE_TOO_LARGE),
        ({"cmw": bytes(EVIDENCE_BYTES_MAX + 1)}, Reason.EVIDENCE_TOO_LARGE),
        ({"format": 1, "certificates": [bytes(64 * 1024), b"x"]}, Reason.EVIDENCE_TOO_LARGE),
    ],
)
def test_what_can_not_be_evidence(evidence: dict, reason: Reason) -> None:
    with pytest.raises(InvalidArgument) as refused:
        evidence_from_wire(pb.Evidence(**evidence))
    assert refused.value.reason is reason


def test_every_format_of_the_wire_is_one_of_ours() -> None:
    assert set(pb.EvidenceFormat.values()) == {0, *FORMATS.values()}
