"""The default report of every factory's evidence tells no device from another, good evidence or broken."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from attestation import Format, Verdict, verdict_to_dict, verify_case
from attestation.report import VENDOR_IDENTIFIERS
from attestation.testing import FACTORIES

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
SHORTEST = 12  # characters; shorter serials of factories ("1", "0123") stand in other hex by chance
# Identifiers as the factories write them into evidence, found without the help of the claims.
KNOWN = {
    Format.INTEL_SGX: b"the QE_ID, 16 B.".hex(),
    Format.INTEL_TDX: b"the QE_ID, 16 B.".hex(),
    Format.AMD_SEV_SNP: "11" * 32,
    Format.AWS_NITRO: "i-0123456789abcdef0",
}


def identifiers(verdict: Verdict) -> Iterator[str]:
    """Of the device. A credential id may be the digest of the attested key, which is told as such."""
    claims, device = verdict.claims, verdict.claims.device
    yield from claims.certificate_serials
    if device is not None:
        yield from filter(None, (device.serial, device.meid, *device.imeis))
    for name, value in claims.vendor:
        if name in VENDOR_IDENTIFIERS and name != "credential_id":
            yield str(value or "")


@pytest.mark.parametrize("form", FACTORIES)
def test_no_identifier_is_in_the_default_report(form: Format) -> None:
    factory = FACTORIES[form]
    for made in (*factory.good(NOW), *factory.broken(NOW)):
        verdict = verify_case(made.case)
        report = verdict_to_dict(verdict)
        assert not VENDOR_IDENTIFIERS.keys() & report["claims"].get("vendor", {}).keys(), made.name
        assert "serial" not in report["claims"].get("device", {}), made.name
        text = json.dumps(report)
        for identifier in {*identifiers(verdict), KNOWN.get(form, "")}:
            if len(identifier) >= SHORTEST and identifier.strip("0"):
                assert identifier not in text, made.name


def test_every_name_is_a_claim_of_some_format_and_is_told_on_request() -> None:
    told: set[str] = set()
    for factory in FACTORIES.values():
        for made in factory.good(NOW):
            told |= verdict_to_dict(verify_case(made.case), identifiers=True)["claims"].get("vendor", {}).keys()
    assert told >= VENDOR_IDENTIFIERS.keys()


@pytest.mark.parametrize(("form", "identifier"), KNOWN.items())
def test_what_the_factory_wrote_is_told_on_request(form: Format, identifier: str) -> None:
    verdict = verify_case(next(iter(FACTORIES[form].good(NOW))).case)
    assert identifier in json.dumps(verdict_to_dict(verdict, identifiers=True))


def test_sentences_about_a_revoked_certificate_do_not_name_its_serial() -> None:
    """The serials of this factory are short: looked for as words."""
    revoked = [made for made in FACTORIES[Format.NVIDIA_GPU].broken(NOW) if made.reason == "REVOKED"]
    assert revoked
    for made in revoked:
        verdict = verify_case(made.case)
        words = {word.strip(",") for finding in verdict.findings for word in finding.detail.split()}
        assert not words & set(verdict.claims.certificate_serials)
