"""TPM evidence, changed in any way: a verdict comes, no refusal becomes acceptance, parsers raise their own error."""

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from attestation import AttestationError, Evidence, Part, verify_case
from attestation.event_log import EventLog, HashId
from attestation.formats import azure_vtpm, tpm_parts
from attestation.formats.azure_hcl import HclTee, parse_hcl_report, parse_runtime_data
from attestation.model import CERTIFICATE, Format
from attestation.secure_boot import read_secure_boot
from attestation.testing import azure
from attestation.testing.certificates import spki_of
from attestation.testing.tpm import CHALLENGE, activated_case, good_case
from attestation.testing.virtual_tpm import VirtualTpm, VirtualTpmMaker, secure_boot_events
from attestation.tpm_credential import LOW_RANGE, Credential, check_credential, parse_credential_file
from attestation.tpm_structures import parse_attest, parse_public, parse_signature

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
TPM = VirtualTpm.create(VirtualTpmMaker.create(now=NOW))
QUOTE = good_case(TPM, now=NOW)
CERTIFY = replace(QUOTE, evidence=TPM.attest(TPM.certify(TPM.ek, CHALLENGE), now=NOW))
ACTIVATION = activated_case(TPM, now=NOW)
COMPOSITES = tuple(azure.VirtualVm.create(tee, now=NOW).case() for tee in HclTee)
CASES = (QUOTE, CERTIFY, ACTIVATION, *COMPOSITES)

# What no signature, hash or name covers: a credential's inner bytes are the TPM's to check, the public area of an EK
# stands beside a certificate that has only its key, the header of an HCL report
# and the rest of a TDREPORT are nobody's; in the statement of a virtual Azure machine everything else is covered.
UNCOVERED = {tpm_parts.EK_PUBLIC, tpm_parts.ID_OBJECT, tpm_parts.ENCRYPTED_SECRET, azure_vtpm.HCL_REPORT}

quick = settings(max_examples=120, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def mutated(draw, data: bytes) -> bytes:
    """Bytes replaced, inserted, removed or cut at one to three places."""
    changed = bytearray(data)
    for _ in range(draw(st.integers(1, 3))):
        at, size = draw(st.integers(0, len(changed))), draw(st.integers(0, 6))
        match draw(st.integers(0, 3)):
            case 0:
                changed[at : at + size] = draw(st.binary(min_size=size, max_size=size))
            case 1:
                changed[at:at] = draw(st.binary(max_size=6))
            case 2:
                del changed[at : at + size]
            case 3:
                del changed[at:]
    return bytes(changed)


@quick
@given(st.data())
def test_a_changed_part_is_never_taken_for_the_good_one(data):
    case = data.draw(st.sampled_from(CASES))
    index = data.draw(st.integers(0, len(case.evidence.parts) - 1))
    part = case.evidence.parts[index]
    changed = replace(part, data=data.draw(mutated(part.data)))
    parts = (*case.evidence.parts[:index], changed, *case.evidence.parts[index + 1 :])
    verdict = verify_case(replace(case, evidence=replace(case.evidence, parts=parts)))
    if changed.data != part.data and part.name not in UNCOVERED | {
        tpm_parts.EVENT_LOG,
        CERTIFICATE,
        azure_vtpm.TD_QUOTE,
    }:
        assert not verdict.authentic, part.name


@quick
@given(st.data())
def test_parts_left_out_doubled_or_renamed(data):
    case = data.draw(st.sampled_from(CASES))
    parts = data.draw(st.lists(st.sampled_from(case.evidence.parts), max_size=len(case.evidence.parts) + 2))
    names = [part.name for part in case.evidence.parts]
    if data.draw(st.booleans()) and parts:
        parts[0] = Part(data.draw(st.one_of(st.sampled_from(names), st.text(max_size=12))), parts[0].data)
    verify_case(replace(case, evidence=replace(case.evidence, parts=tuple(parts))))


@quick
@given(
    st.lists(st.tuples(st.text(max_size=14), st.binary(max_size=80)), max_size=6),
    st.sampled_from([Format.TPM, Format.AZURE_VTPM]),
)
def test_any_parts(parts, form):
    evidence = Evidence(form, tuple(Part(name, data) for name, data in parts))
    assert not verify_case(replace(QUOTE, evidence=evidence)).authentic


@quick
@given(st.data())
def test_parsers_raise_only_their_own_error(data):
    sources = {
        parse_attest: QUOTE.evidence.named(tpm_parts.ATTEST)[0],
        parse_public: TPM.ak_public,
        parse_signature: QUOTE.evidence.named(tpm_parts.SIGNATURE)[0],
        parse_hcl_report: COMPOSITES[0].evidence.named(azure_vtpm.HCL_REPORT)[0],
        parse_runtime_data: azure.VirtualVm.create(HclTee.SNP, now=NOW).runtime_data,
        parse_credential_file: Credential(bytes(70), bytes(70)).to_file(),
    }
    parse = data.draw(st.sampled_from(list(sources)))
    with suppress(AttestationError):
        parse(data.draw(st.one_of(mutated(sources[parse]), st.binary(max_size=200))))


@quick
@given(st.binary(max_size=120), st.binary(max_size=120))
def test_any_credential(id_object, secret):
    with suppress(AttestationError):
        check_credential(Credential(id_object, secret), ek_spki=spki_of(TPM.ek), template=LOW_RANGE, secret_bytes=6)


@quick
@given(st.data())
def test_any_secure_boot_variable(data):
    events = list(secure_boot_events())
    index = data.draw(st.integers(0, len(events) - 1))
    changed = data.draw(mutated(events[index].data))
    digests = ((int(HashId.SHA256), sha256(changed).digest()),)
    events[index] = replace(events[index], data=changed, digests=digests)
    with suppress(AttestationError):
        read_secure_boot(EventLog({HashId.SHA256: 32}, tuple(events)), HashId.SHA256)
