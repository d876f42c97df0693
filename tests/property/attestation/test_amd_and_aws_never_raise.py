"""SEV-SNP reports and Nitro documents with bytes changed: always a verdict, and never an acceptance that was not there.

Signatures cover nearly every byte. What they do not cover is said here, and is refused or read as before.
"""

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import cbor2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from attestation import CollateralError, Evidence, EvidenceError, Format, Part, verify_case
from attestation.amd_collateral import AmdCollateral
from attestation.cose_sign1 import CoseAlgorithm, parse_cose_sign1
from attestation.formats import sev_snp_table as table
from attestation.formats.nitro import DOCUMENT
from attestation.formats.nitro_document import parse_document
from attestation.formats.sev_snp_evidence import CERTIFICATE_TABLE, REPORT, extended_evidence
from attestation.formats.sev_snp_key import parse_endorsement
from attestation.formats.sev_snp_report import SigningKey
from attestation.formats.sev_snp_tcb import Product
from attestation.testing import asn1, nitro, sev_snp
from attestation.testing.nitro_enclave import NitroEnclave
from attestation.testing.snp_machine import SnpMachine
from attestation.x509 import parse_certificate
from support.mutations import mutated

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
MACHINE = SnpMachine.create(Product.TURIN, now=NOW)
SNP = sev_snp.good_case(MACHINE, now=NOW)
SIGNER, ROOT = MACHINE.amd.chain(SigningKey.VCEK)
TABLE = sev_snp.certificate_table({table.VCEK: MACHINE.certificate, table.ASK: SIGNER, table.ARK: ROOT})
ENCLAVE = NitroEnclave.create(now=NOW)
NITRO = nitro.good_case(ENCLAVE, now=NOW)
(DOCUMENT_BYTES,) = NITRO.evidence.named(DOCUMENT)
PAYLOAD = parse_cose_sign1(DOCUMENT_BYTES).payload
CRL = MACHINE.amd.collateral({1: NOW, 0x10001: NOW})

quick = settings(max_examples=150, deadline=1000, suppress_health_check=[HealthCheck.too_slow])


def snp_with(part: int, data: bytes) -> Any:
    parts = SNP.evidence.parts
    changed = Evidence(Format.AMD_SEV_SNP, (*parts[:part], replace(parts[part], data=data), *parts[part + 1 :]))
    return verify_case(replace(SNP, evidence=changed))


@quick
@given(data=st.data(), part=st.integers(0, 3))
def test_mutated_reports_and_chains(data, part):
    original = SNP.evidence.parts[part].data
    changed = data.draw(mutated(original))
    verdict = snp_with(part, changed)
    assert verdict.authentic is (changed == original)
    assert verdict.authentic or verdict.reasons


@quick
@given(data=st.data())
def test_mutated_tables(data):
    """A table is not signed: what it holds may be moved, but only the genuine chain is believed."""
    changed = data.draw(mutated(TABLE) | st.binary(max_size=300))
    found = extended_evidence(report=MACHINE.report(sev_snp.CHALLENGE), certificate_table=changed)
    verdict = verify_case(replace(SNP, evidence=found))
    with suppress(EvidenceError):
        if table.parse_certificate_table(changed).get(table.VCEK) != MACHINE.certificate:
            assert not verdict.authentic


@quick
@given(
    parts=st.lists(
        st.builds(Part, st.sampled_from([REPORT, CERTIFICATE_TABLE, "certificate", "x"]), st.binary(max_size=1300)),
        max_size=5,
    )
)
def test_parts_of_anything(parts):
    assert not verify_case(replace(SNP, evidence=Evidence(Format.AMD_SEV_SNP, tuple(parts)))).authentic


@quick
@given(data=st.data())
def test_reports_of_anything_properly_signed(data):
    """The worst case: genuine firmware signs fields that mean nothing."""
    fields = MACHINE.fields
    changed = MACHINE.changed(
        version=data.draw(st.integers(0, 9)),
        key_bits=data.draw(st.integers(0, 2**32 - 1)),
        policy=data.draw(st.integers(0, 2**64 - 1)),
        platform_info=data.draw(st.integers(0, 2**64 - 1)),
        vmpl=data.draw(st.integers(0, 2**32 - 1)),
        cpuid=tuple(data.draw(st.binary(min_size=3, max_size=3))),
        chip_id=data.draw(st.just(fields.chip_id) | st.binary(min_size=64, max_size=64)),
        current_tcb=data.draw(st.binary(min_size=8, max_size=8)),
        committed_tcb=data.draw(st.binary(min_size=8, max_size=8)),
        mitigations=(data.draw(st.integers(0, 2**64 - 1)), 0),
    )
    verdict = verify_case(sev_snp.good_case(changed, now=NOW))
    assert all(finding.detail for finding in verdict.findings)


@quick
@given(data=st.data())
def test_endorsements_of_anything_properly_signed(data):
    endorsed = MACHINE.endorsed
    changed = MACHINE.endorsed_as(
        product_name=data.draw(st.text("abcMilanGeTur-0", max_size=20)),
        hardware_id=data.draw(st.none() | mutated(endorsed.hardware_id)),
        csp_id=data.draw(st.none() | st.text("abc", max_size=10)),
        product=data.draw(st.sampled_from(list(Product))),
    )
    with suppress(EvidenceError):
        parse_endorsement(parse_certificate(changed.certificate))
    verify_case(sev_snp.good_case(changed, now=NOW))


@given(value=st.binary(max_size=80), index=st.integers(0, 6))
def test_extensions_of_anything(value, index):
    certificate = parse_certificate(MACHINE.certificate)
    extensions = list(certificate.extensions)
    extensions[index] = replace(extensions[index], value=value)
    with suppress(EvidenceError):
        parse_endorsement(replace(certificate, extensions=tuple(extensions)))


@quick
@given(data=st.data())
def test_mutated_revocation_lists(data):
    raw = CRL.crls[0]
    signed = asn1.sequence(raw.tbs, raw.outer_algorithm, asn1.bits(raw.signature))
    changed = data.draw(mutated(signed) | st.binary(max_size=200))
    with suppress(CollateralError):
        parsed = AmdCollateral.parse([changed])
        verdict = verify_case(replace(SNP, collateral=replace(SNP.collateral, amd=parsed)))
        assert not verdict.appraised


@quick
@given(data=st.data())
def test_mutated_documents(data):
    changed = data.draw(mutated(DOCUMENT_BYTES))
    found = Evidence(Format.AWS_NITRO, (Part(DOCUMENT, changed),))
    verdict = verify_case(replace(NITRO, evidence=found))
    assert verdict.authentic is (changed in (DOCUMENT_BYTES, b"\xd2" + DOCUMENT_BYTES))
    assert verdict.authentic or verdict.reasons


@quick
@given(data=st.data())
def test_payloads_of_anything_properly_signed(data):
    payload = data.draw(mutated(PAYLOAD) | st.binary(max_size=200))
    found = Evidence(Format.AWS_NITRO, (Part(DOCUMENT, ENCLAVE.sign(payload)),))
    verdict = verify_case(replace(NITRO, evidence=found))
    assert all(finding.detail for finding in verdict.findings)
    assert not verdict.authentic or parse_document(payload).nonce == nitro.CHALLENGE


CBOR = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.binary(max_size=60) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.integers(-5, 40) | st.text(max_size=9), inner),
    max_leaves=12,
)
FIELDS = ("module_id", "digest", "timestamp", "pcrs", "certificate", "cabundle", "public_key", "user_data", "nonce")


@quick
@given(fields=st.dictionaries(st.sampled_from(FIELDS), CBOR, max_size=4))
def test_fields_of_anything_properly_signed(fields):
    document = ENCLAVE.document(nonce=nitro.CHALLENGE) | fields
    found = Evidence(Format.AWS_NITRO, (Part(DOCUMENT, ENCLAVE.sign(cbor2.dumps(document))),))
    verify_case(replace(NITRO, evidence=found))


@quick
@given(data=st.data(), algorithm=st.sampled_from(CoseAlgorithm))
def test_cose_messages_of_anything(data, algorithm):
    changed = data.draw(mutated(DOCUMENT_BYTES) | st.binary(max_size=200) | CBOR.map(cbor2.dumps))
    with suppress(EvidenceError):
        parse_cose_sign1(changed).verify(data.draw(st.binary(max_size=100)), algorithms={algorithm})
