"""Arm tokens, GPU reports and software statements with bytes changed: always a verdict, and never an acceptance that was
not there. Files of endorsements raise only their own error.
"""

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

import cbor2
from cryptography.hazmat.primitives.asymmetric import mldsa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from attestation import CollateralError, Evidence, Part, verify_case
from attestation.arm_collateral import parse_arm_devices
from attestation.case import Case
from attestation.collateral_files import CollateralFile, read_collateral_files
from attestation.corim import parse_corim
from attestation.formats import arm_cca, arm_psa
from attestation.model import Collateral
from attestation.nvidia_collateral import NvidiaCollateral
from attestation.testing import arm_cca as cca_cases
from attestation.testing import arm_psa as psa_cases
from attestation.testing import nvidia_gpu as gpu_cases
from attestation.testing import software as software_cases
from attestation.testing.arm_device import CHALLENGE, CcaPlatform, PsaDevice
from attestation.testing.cose import sign1
from attestation.testing.crl import CrlRequest, issue_crl
from attestation.testing.gpu import VirtualGpu, ca_name
from support.mutations import mutated

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
DEVICE, PLATFORM, GPU = PsaDevice.create(), CcaPlatform.create(), VirtualGpu.create(now=NOW)
PSA = psa_cases.good_case(DEVICE, now=NOW)
CCA = cca_cases.good_case(PLATFORM, now=NOW)
NVIDIA = gpu_cases.good_case(GPU, now=NOW)
SOFTWARE = software_cases.good_case(mldsa.MLDSA65PrivateKey.generate())(NOW)
CRL = issue_crl(
    CrlRequest(issuer=ca_name(1), this_update=NOW, next_update=None, revoked={1: NOW}), signer=GPU.ca_keys[1]
)

quick = settings(max_examples=60, deadline=1000, suppress_health_check=[HealthCheck.too_slow])

CBOR = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.binary(max_size=70) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.integers(-5, 40) | st.text(max_size=9), inner),
    max_leaves=12,
)


def with_part(case: Case, index: int, data: bytes) -> Case:
    parts = case.evidence.parts
    changed = (*parts[:index], replace(parts[index], data=data), *parts[index + 1 :])
    return replace(case, evidence=Evidence(case.evidence.format, changed))


@quick
@given(data=st.data(), case=st.sampled_from([PSA, CCA, SOFTWARE, NVIDIA]))
def test_mutated_evidence(data, case):
    """A tag before a message and a NUL behind a report are the only bytes that may come or go."""
    index = data.draw(st.integers(0, len(case.evidence.parts) - 1))
    original = case.evidence.parts[index].data
    changed = data.draw(mutated(original))
    verdict = verify_case(with_part(case, index, changed))
    same = (original, original.removeprefix(b"\xd2"), b"\xd2" + original, original + b"\0")
    assert changed in same or not verdict.authentic
    assert verdict.authentic or verdict.reasons
    assert all(finding.detail for finding in verdict.findings)


@quick
@given(case=st.sampled_from([PSA, CCA, SOFTWARE, NVIDIA]), data=st.data())
def test_parts_of_anything(case, data):
    names = st.sampled_from([*{part.name for part in case.evidence.parts}, "x"])
    parts = data.draw(st.lists(st.builds(Part, names, st.binary(max_size=200)), max_size=4))
    assert not verify_case(replace(case, evidence=Evidence(case.evidence.format, tuple(parts)))).authentic


@quick
@given(fields=st.dictionaries(st.sampled_from([10, 256, 265, *range(2394, 2403), -75000, -75008]), CBOR, max_size=4))
def test_psa_claims_of_anything_properly_signed(fields):
    """The worst case: a genuine device signs claims that mean nothing."""
    payload = cbor2.dumps(DEVICE.claims() | fields)
    verdict = verify_case(replace(PSA, evidence=arm_psa.evidence(sign1(DEVICE.key, payload))))
    assert not verdict.authentic or fields.get(10, CHALLENGE) == CHALLENGE


@quick
@given(
    platform=st.dictionaries(st.sampled_from([10, 256, 265, *range(2395, 2403)]), CBOR, max_size=3),
    realm=st.dictionaries(st.sampled_from([10, 265, *range(44235, 44241)]), CBOR, max_size=3),
)
def test_cca_claims_of_anything_properly_signed(platform, realm):
    found = PLATFORM.attest(platform=PLATFORM.platform_token(platform), realm=PLATFORM.realm_token(realm))
    verdict = verify_case(replace(CCA, evidence=found))
    assert all(finding.detail for finding in verdict.findings)


@quick
@given(
    collection=CBOR | st.dictionaries(st.sampled_from([44234, 44241, "__cmwc_t"]), CBOR),
    tag=st.sampled_from([399, 907]),
)
def test_collections_of_anything(collection, tag):
    found = arm_cca.evidence(cbor2.dumps(cbor2.CBORTag(tag, collection)))
    assert not verify_case(replace(CCA, evidence=found)).authentic


@quick
@given(data=st.data())
def test_reports_of_anything_properly_signed(data):
    fields = data.draw(st.dictionaries(st.integers(0, 40), st.binary(max_size=60), max_size=4))
    blocks = data.draw(st.dictionaries(st.integers(0, 255), st.binary(max_size=60), min_size=1, max_size=4))
    message = data.draw(mutated(GPU.report(CHALLENGE, fields=fields, measurements=blocks)[:-96]))
    for report in (GPU.sign(message), GPU.report(CHALLENGE, fields=fields, measurements=blocks)):
        verdict = verify_case(replace(NVIDIA, evidence=GPU.attest(b"", report=report)))
        assert all(finding.detail for finding in verdict.findings)


@quick
@given(data=st.data())
def test_mutated_revocation_lists(data):
    with suppress(CollateralError):
        crls = NvidiaCollateral.parse([data.draw(mutated(CRL))])
        verify_case(replace(NVIDIA, collateral=Collateral(nvidia=crls)))


@quick
@given(payload=CBOR, key=CBOR)
def test_statements_of_anything_properly_signed(payload, key):
    signer = mldsa.MLDSA65PrivateKey.from_seed_bytes(bytes(32))
    for claims in (payload, {8: key, 10: b"x", 265: "tag:hallmark,2026:software-device#1"}):
        found = software_cases.evidence(software_cases.sign(signer, cbor2.dumps(claims, canonical=True)))
        assert not verify_case(replace(SOFTWARE, evidence=found)).authentic


CORIM = cbor2.dumps(
    cbor2.CBORTag(
        501,
        {0: "c", 1: [cbor2.CBORTag(506, cbor2.dumps({4: {0: [[{0: {0: cbor2.CBORTag(600, bytes(32))}}, [
            {0: cbor2.CBORTag(601, {1: "BL"}), 1: {2: [[1, bytes(32)]], 14: {"rim": [[1, bytes(32)]]}}}]]]}}))]},
    )
)  # fmt: skip


@quick
@given(data=st.data())
def test_endorsements_of_anything(data):
    changed = data.draw(mutated(CORIM) | st.binary(max_size=80) | CBOR.map(cbor2.dumps))
    for read in (parse_corim, parse_arm_devices):
        with suppress(CollateralError):
            read(changed)
    with suppress(CollateralError):
        read_collateral_files([CollateralFile(changed, "file", NOW)], PSA.evidence)


@quick
@given(triples=CBOR)
def test_corim_triples_of_anything(triples):
    for kind in (0, 3):
        content = {1: [cbor2.CBORTag(506, cbor2.dumps({4: {kind: triples}}))]}
        with suppress(CollateralError):
            parse_corim(cbor2.dumps(cbor2.CBORTag(501, content)))
