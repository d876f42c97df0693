"""Claims of an Android attestation: each from the list that may make it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from attestation import BootVerification, Provisioning, Reason, SecurityLevel, der
from attestation.claims import Application, DeviceIdentity
from attestation.formats import android_key_description
from attestation.formats.android_chain import PROVISIONING_INFO, provisioning, provisioning_info
from attestation.testing import VirtualPhone, asn1, good_case
from attestation.testing.certificates import KeyKind, ca_extensions, extension, name, new_key, spki_of
from attestation.testing.phone import Issuer
from attestation.verify import verify_case
from attestation.x509 import parse_certificate


def test_claims(vendor, phone, now):
    identity = DeviceIdentity(brand="b", device="d", product="p", manufacturer="f", model="m", serial="s", meid="e")
    claims = verify_case(good_case(vendor, phone.changed(identity=identity, boot_hash=b"h" * 32), now=now)).claims
    assert claims.device == identity
    assert claims.key.algorithm == "EC"
    assert (claims.key.origin, claims.key.purposes) == ("GENERATED", ("SIGN", "VERIFY"))
    assert claims.security_level is SecurityLevel.TEE
    assert (claims.boot.locked, claims.boot.verification) == (True, BootVerification.VERIFIED)
    assert {measurement.name for measurement in claims.measurements} == {"verified-boot-hash", "module-hash"}
    assert claims.versions.os_patch_level == 202611
    assert claims.application == Application((("org.example.virtual", 1),), phone.state.signature_digests)
    assert claims.freshness.created_at == now
    assert len(claims.certificate_serials) == 5
    assert claims.vendor_claim("provisioning_info.certificates_issued") == 8
    assert claims.vendor_claim("provisioning_info.manufacturer") == "virtual"


def test_the_level_told_is_the_weaker_of_the_two(vendor, phone, now):
    claims = verify_case(good_case(vendor, phone.changed(keymint_level=SecurityLevel.SOFTWARE), now=now)).claims
    assert claims.security_level is SecurityLevel.SOFTWARE


def test_what_software_says_of_hardware_does_not_count(vendor, phone, now):
    """Swap the two lists: everything that must come from hardware is then missing."""
    case = good_case(vendor, phone, now=now)
    leaf = parse_certificate(case.evidence.named("certificate")[0])
    value = leaf.extension(android_key_description.KEY_DESCRIPTION).value
    fields = [field.raw for field in der.parse(value).sequence()]
    swapped = asn1.sequence(*fields[:6], fields[7], fields[6])
    forged = phone.leaf(spki_of(new_key(KeyKind.EC_P256)), extension(android_key_description.KEY_DESCRIPTION, swapped))
    evidence = type(case.evidence).android((forged, *phone.attester.chain))
    verdict = verify_case(replace(case, evidence=evidence))
    assert verdict.reasons == (Reason.KEY_NOT_GENERATED,)
    assert verdict.claims.boot is None
    assert verdict.claims.versions.os is None


def test_only_intermediates_of_chains_that_are_not_factory_expire(vendor, now):
    remote, factory = (
        VirtualPhone.create(vendor, now=now, provisioning=kind) for kind in (Provisioning.REMOTE, Provisioning.FACTORY)
    )
    later = now + timedelta(days=100)
    assert verify_case(replace(good_case(vendor, remote, now=now), at=later)).reasons == (Reason.EXPIRED,)
    assert verify_case(replace(good_case(vendor, factory, now=now), at=later)).reasons == (Reason.STATUS_LIST_STALE,)


def test_chains_of_no_known_provisioning_are_held_to_their_dates(vendor, phone, now):
    root = Issuer(vendor.subject, vendor.key, (vendor.certificate,))
    attester = root.issue_ca(
        name(common="somebody"), new_key(KeyKind.EC_P256), begin=now - timedelta(days=2), end=now + timedelta(days=2),
        extensions=ca_extensions(),
    )  # fmt: skip
    unknown = replace(phone, attester=attester)
    case = good_case(vendor, unknown, now=now)
    assert verify_case(case).appraised
    assert verify_case(case).claims.vendor_claim("provisioning") == "software"
    assert verify_case(replace(case, at=now + timedelta(days=3))).reasons[0] is Reason.EXPIRED


def test_a_leaked_key_cannot_name_itself_out_of_its_dates(vendor, phone, now):
    """One more CA, named like a factory key, below a chain that expires: the chain still expires."""
    root = Issuer(vendor.subject, vendor.key, (vendor.certificate,))
    dates = {"begin": now - timedelta(days=1), "end": now + timedelta(days=1), "extensions": ca_extensions()}
    somebody = root.issue_ca(name(common="somebody"), new_key(KeyKind.EC_P256), **dates)
    for honest in (somebody, phone.attester):
        forged = honest.issue_ca(name(serial="00", title="TEE"), new_key(KeyKind.EC_P256), **dates)
        chain = tuple(map(parse_certificate, (forged.chain[0], *forged.chain)))
        assert provisioning(chain) is not Provisioning.FACTORY


def test_a_leaked_tee_key_cannot_make_itself_a_strongbox(vendor, now):
    factory = VirtualPhone.create(vendor, now=now, provisioning=Provisioning.FACTORY)
    forged = factory.attester.issue_ca(
        name(serial="00", title="StrongBox"), new_key(KeyKind.EC_P256), begin=now, end=now, extensions=ca_extensions()
    )
    claims_strongbox = replace(factory.changed(level=SecurityLevel.STRONGBOX), attester=forged)
    assert verify_case(good_case(vendor, claims_strongbox, now=now)).reasons == (Reason.LEVEL_NOT_CERTIFIED,)


def test_the_root_is_matched_by_key_not_by_certificate(vendor, phone, now):
    """A re-issued root certificate around the same key is the same anchor."""
    again = type(vendor).with_key(vendor.key, now=now - timedelta(days=99))
    assert again.certificate != vendor.certificate
    case = good_case(vendor, phone, now=now)
    chain = (*case.evidence.named("certificate")[:-1], again.certificate)
    assert verify_case(replace(case, evidence=type(case.evidence).android(chain))).appraised


@pytest.mark.parametrize("content", [b"", b"\x00", b"\xa1\x01", b"\xa2\x01\x01\x01\x01"])
def test_provisioning_info_that_cannot_be_read_is_only_a_claim(vendor, now, content):
    root = Issuer(vendor.subject, vendor.key, (vendor.certificate,))
    device = root.issue_ca(
        name(common="device"), new_key(KeyKind.EC_P256), begin=now, end=now,
        extensions=(*ca_extensions(), extension(PROVISIONING_INFO, content)),
    )  # fmt: skip
    chain = tuple(map(parse_certificate, (device.chain[0], *device.chain)))
    assert provisioning(chain) is Provisioning.REMOTE
    ((label, value),) = provisioning_info(chain)
    assert label == "provisioning_info"
    assert str(value).startswith("unreadable")
