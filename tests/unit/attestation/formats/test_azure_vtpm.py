"""Rules of Azure's composites that the catalogue does not show."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from attestation import Expectation, Reason, Unchecked, verify_case
from attestation.formats import azure_vtpm
from attestation.formats.azure_hcl import HclTee, parse_hcl_report, parse_runtime_data
from attestation.model import Anchors, Part
from attestation.testing.azure import CHALLENGE, VirtualVm, added
from attestation.testing.certificates import spki_of

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
VMS = {tee: VirtualVm.create(tee, now=NOW) for tee in HclTee}


@pytest.fixture(params=HclTee, ids=lambda tee: tee.name)
def vm(request):
    return VMS[request.param]


def test_claims_are_those_of_cpu_and_tpm(vm):
    verdict = verify_case(vm.case())
    claims, vendor = verdict.claims, dict(verdict.claims.vendor)
    assert claims.key.spki == spki_of(vm.tpm.ak)
    assert claims.freshness.challenge == CHALLENGE
    assert claims.device.serial == "26F8BC30-774E-4290-8E7A-535F3B672AEE"
    names = [item.name for item in claims.measurements]
    assert {"sha256:0", "sha256:7", "sha256:16"} < set(names)
    assert (vendor["vm.secure-boot"], vendor["vtpm.secure_boot"], vendor["vtpm.reset_count"]) == (True, True, 5)
    assert claims.debug is False


def test_what_is_left_unchecked(vm):
    verdict = verify_case(vm.case())
    assert {Unchecked.AK_ATTRIBUTES, Unchecked.KEY_BINDING, Unchecked.CLOCK} <= set(verdict.not_checked)
    bound = verify_case(replace(vm.case(), expectation=Expectation(CHALLENGE, spki_of(vm.tpm.ak))))
    assert bound.appraised
    assert Unchecked.KEY_BINDING not in bound.not_checked


def test_the_anchors_of_the_cpu_are_covered_by_the_digest(vm):
    case = vm.case()
    fewer = replace(case, anchors=Anchors(case.anchors.items[:-1]))
    none = replace(case, anchors=Anchors(()))
    digests = {verify_case(item).inputs.anchors for item in (case, fewer, none)}
    assert len(digests) == 3


def test_policies_of_the_cpu_hold(vm):
    """Without the collateral of the CPU's maker its policy refuses; the evidence stays authentic."""
    refused = verify_case(replace(vm.case(), collateral=replace(vm.case().collateral, amd=None, intel=None)))
    assert refused.authentic
    assert not refused.appraised


def test_a_report_asked_for_below_the_paravisor_vouches_for_no_tpm():
    """A guest may ask for reports with any report data: it could vouch for a key of its own making."""
    vm = VMS[HclTee.SNP]
    guest = replace(vm, host=replace(vm.host, fields=replace(vm.host.fields, vmpl=2)))
    verdict = verify_case(guest.case())
    assert (verdict.authentic, verdict.reasons) == (False, (Reason.BINDING_MISMATCH,))


def test_half_a_surrogate_pair_is_no_text(vm):
    odd = replace(vm, runtime={"user-data": "\ud800"})
    assert verify_case(odd.case()).reasons == (Reason.MALFORMED,)


def test_an_snp_machine_has_no_td_quote():
    case = VMS[HclTee.SNP].case()
    odd = replace(case, evidence=added(case.evidence, Part(azure_vtpm.TD_QUOTE, b"")))
    assert verify_case(odd).reasons == (Reason.MALFORMED,)


def test_a_td_needs_its_quote():
    case = VMS[HclTee.TDX].case()
    parts = tuple(part for part in case.evidence.parts if part.name != azure_vtpm.TD_QUOTE)
    verdict = verify_case(replace(case, evidence=replace(case.evidence, parts=parts)))
    assert verdict.reasons[0] is Reason.MALFORMED


def test_runtime_data(vm):
    hcl = parse_hcl_report(vm.hcl_report())
    assert hcl.runtime_data == vm.runtime_data
    runtime = parse_runtime_data(hcl.runtime_data)
    assert runtime.ak_spki == spki_of(vm.tpm.ak)
    assert runtime.claims["vm.user-data"] == "00" * 64


@pytest.mark.parametrize(
    "data",
    [
        b"[]",
        b"{}",
        b'{"keys": 1}',
        b'{"keys": [1]}',
        b'{"keys": []}',
        b'{"keys": [], "keys": []}',
        b'{"keys": [{"kid": "HCLAkPub", "kty": "RSA"}]}',
        b'{"keys": [{"kid": "HCLAkPub", "kty": "RSA", "n": "*", "e": "AQAB"}]}',
        b'{"keys": [{"kid": "HCLAkPub", "kty": "RSA", "n": "AQ", "e": "AQ"}]}',
        b"[" * 20_000,
        b"\xff",
    ],
)
def test_runtime_data_of_other_shapes_are_refused(vm, data):
    report = vm.hcl_report(runtime_data=data) if len(data) < 30_000 else vm.hcl_report()[:32] + data
    verdict = verify_case(vm.case(vm.attest(hcl_report=report)))
    assert verdict.reasons == (Reason.MALFORMED,)
