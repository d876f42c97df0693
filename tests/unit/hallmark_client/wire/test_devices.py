"""Evidence to the wire, claims from it."""

import pytest

from hallmark.v1 import devices_pb2
from hallmark_client import Evidence, EvidenceFormat, InvalidArgument
from hallmark_client.model.collateral import Anchor
from hallmark_client.wire.collateral import anchor_argument
from hallmark_client.wire.devices import evidence_argument, verdict_of


@pytest.mark.parametrize("given", [EvidenceFormat.TPM, "TPM", "tpm"], ids=["member", "name", "lower case"])
def test_a_format_is_a_member_or_its_name(given: EvidenceFormat) -> None:
    assert evidence_argument(Evidence(format=given)).format == devices_pb2.EVIDENCE_FORMAT_TPM
    anchor = anchor_argument(Anchor(display_name="root", spki=b"key", formats=(given,)))
    assert list(anchor.formats) == [devices_pb2.EVIDENCE_FORMAT_TPM]


def test_evidence_may_name_no_format() -> None:
    assert evidence_argument(Evidence(cmw=b"{}")).format == devices_pb2.EVIDENCE_FORMAT_UNSPECIFIED


@pytest.mark.parametrize("given", ["", "TPM3", "UNKNOWN"])
def test_a_format_of_nobody_is_refused_with_the_choices(given: EvidenceFormat) -> None:
    with pytest.raises(InvalidArgument, match="AWS_NITRO") as refused:
        evidence_argument(Evidence(format=given))
    assert refused.value.reason == "FIELD_INVALID"
    with pytest.raises(InvalidArgument, match="AWS_NITRO"):
        anchor_argument(Anchor(display_name="root", spki=b"key", formats=(given,)))


def test_integers_in_claims_are_integers_again() -> None:
    wire = devices_pb2.Verdict()
    wire.claims.update({"counter": 0, "versions": {"os": 160000}, "application": {"packages": [["app", 7]]}})
    wire.claims.update({"debug": False, "half": 0.5, "large": "9007199254740993", "none": None})
    claims = verdict_of(wire).claims
    assert claims == {
        "counter": 0,
        "versions": {"os": 160000},
        "application": {"packages": [["app", 7]]},
        "debug": False,
        "half": 0.5,
        "large": "9007199254740993",
        "none": None,
    }
    numbers = (claims["counter"], claims["versions"]["os"], claims["application"]["packages"][0][1])
    assert [type(number) for number in numbers] == [int, int, int]
    assert claims["debug"] is False
