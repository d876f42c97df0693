"""Rules of NVIDIA GPUs at their edges; the catalogue of the factory covers one variant for each reason."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from attestation import Policy, Reason, Unchecked, verify_case
from attestation.formats.nvidia_certificate import FIRMWARE_ID, firmware_ids
from attestation.formats.nvidia_gpu import evidence
from attestation.formats.nvidia_spdm import OpaqueField
from attestation.model import Collateral
from attestation.nvidia_collateral import NvidiaCollateral
from attestation.policy_nvidia import NvidiaPolicy
from attestation.testing import asn1
from attestation.testing.certificates import spki_of
from attestation.testing.gpu import FIELDS, ISSUER_SERIAL, LEAF_SERIAL, MEASUREMENTS, VirtualGpu
from attestation.testing.nvidia_gpu import CHALLENGE, good_case
from attestation.x509 import parse_certificate

NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def gpu() -> VirtualGpu:
    return VirtualGpu.create(now=NOW)


def test_claims(gpu):
    claims = verify_case(good_case(gpu, now=NOW)).claims
    assert (claims.device.manufacturer, claims.device.product, claims.device.serial) == ("NVIDIA", "GH000", "0123")
    assert claims.vendor_claim("driver_version") == "550.90.07"
    assert claims.vendor_claim("vbios_version") == "96.00.9f.00.01"
    assert {int(item.name): item.digest for item in claims.measurements} == MEASUREMENTS
    assert claims.anchor == "virtual-gpu-root"


def test_what_was_not_checked(gpu):
    case = good_case(gpu, now=NOW)
    assert verify_case(case).not_checked == (Unchecked.KEY_BINDING, Unchecked.RIM)
    without = replace(case, collateral=Collateral(), policy=Policy(nvidia=NvidiaPolicy(allow_missing_crl=True)))
    assert Unchecked.REVOCATION in verify_case(without).not_checked


@pytest.mark.parametrize(
    ("driver", "floor", "accepted"),
    [
        (b"550.90.07\0", (550, 90, 7), True),
        (b"550.90.07\0", (550, 90, 8), False),
        (b"550.144\0", (550, 90, 7), True),
        (b"r570.1\0", (1,), False),
        (b"\0", (0,), False),
        (b"570.x\0", (570,), True),
        (b"99999999999999999999\0", (1,), False),
    ],
)
def test_driver_floors(gpu, driver, floor, accepted):
    report = gpu.report(CHALLENGE, fields=FIELDS | {OpaqueField.DRIVER_VERSION: driver})
    case = replace(good_case(gpu, now=NOW), evidence=gpu.attest(b"", report=report))
    found = verify_case(replace(case, policy=Policy(nvidia=NvidiaPolicy(min_driver_version=floor))))
    assert found.appraised is accepted
    assert accepted or found.reasons == (Reason.TCB_TOO_OLD,)


def test_revocation_counts_from_its_day_on_and_for_the_issuers_own_certificates(gpu):
    case = good_case(gpu, now=NOW)
    revoked = replace(case, collateral=Collateral(nvidia=gpu.collateral(ISSUER_SERIAL + 2)))
    assert verify_case(revoked).reasons == (Reason.REVOKED,)
    same_serial_of_another_issuer = replace(case, collateral=Collateral(nvidia=gpu.collateral(LEAF_SERIAL)))
    assert verify_case(same_serial_of_another_issuer).appraised


def test_a_list_of_another_ca_is_passed_over(gpu):
    other = VirtualGpu.create(now=NOW)
    renamed = replace(good_case(gpu, now=NOW), collateral=Collateral(nvidia=other.collateral(ISSUER_SERIAL + 2)))
    assert verify_case(renamed).reasons == (Reason.BAD_COLLATERAL_SIGNATURE,)


def test_the_chain_may_end_at_any_anchored_key(gpu):
    """Who trusts one of the CAs directly needs no root."""
    anchors = replace(gpu.anchors.items[0], spki=spki_of(gpu.ca_keys[1]))
    case = replace(good_case(gpu, now=NOW), anchors=replace(gpu.anchors, items=(anchors,)))
    assert verify_case(case).appraised


def test_device_certificates_that_run_to_9999(gpu):
    assert verify_case(replace(good_case(gpu, now=NOW), at=NOW + timedelta(days=6))).appraised


def test_a_ca_signs_no_reports(gpu):
    as_chip = replace(gpu, key=gpu.ca_keys[-1], chain=gpu.chain[1:])
    found = verify_case(replace(good_case(gpu, now=NOW), evidence=evidence(as_chip.report(CHALLENGE), as_chip.chain)))
    assert found.reasons == (Reason.CERTIFICATE_PROFILE,)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (b"", ()),
        (asn1.sequence(), ()),
        (asn1.sequence(asn1.integer(1)), ()),
        (asn1.sequence(asn1.sequence(asn1.oid("1.2.3"), asn1.octets(b"one"))), (b"one",)),
        (
            asn1.sequence(
                asn1.tlv(0x80, b"NVIDIA"),
                asn1.tlv(0xA6, b"".join(asn1.sequence(asn1.oid("1.2.3"), asn1.octets(d)) for d in (b"one", b"two"))),
                asn1.tlv(0x87, b"\0"),
            ),
            (b"one", b"two"),
        ),
    ],
)
def test_both_forms_of_the_firmware_id(gpu, value, found):
    certificate = parse_certificate(gpu.chain[0])
    changed = tuple(replace(item, value=value) if item.oid == FIRMWARE_ID else item for item in certificate.extensions)
    assert firmware_ids(replace(certificate, extensions=changed)) == found


def test_the_list_of_another_ca_of_the_same_name_is_passed_over_beside_its_own(gpu):
    case, foreign = good_case(gpu, now=NOW), gpu.collateral(signer=0)
    own = case.collateral.nvidia
    both = NvidiaCollateral((*foreign.crls, *own.crls))
    assert verify_case(replace(case, collateral=Collateral(nvidia=both))).appraised
    found = verify_case(replace(case, collateral=Collateral(nvidia=foreign)))
    assert Reason.BAD_COLLATERAL_SIGNATURE in found.reasons
