"""Rules of AMD SEV-SNP at their edges; the catalogue of the factory covers one variant for each reason."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha512

import pytest

from attestation import (
    Anchors,
    Collateral,
    EvidenceError,
    Expectation,
    Policy,
    Reason,
    SecurityLevel,
    Unchecked,
    verify_case,
)
from attestation.amd_collateral import AmdCollateral
from attestation.anchors_amd import AMD, AMD_KEYS, ROOTS, SERIALS
from attestation.formats import sev_snp_table as table
from attestation.formats.sev_snp import report_data_for
from attestation.formats.sev_snp_evidence import evidence, extended_evidence
from attestation.formats.sev_snp_report import GuestPolicy, PlatformInfo, SigningKey, parse_report
from attestation.formats.sev_snp_tcb import Product, Tcb, product_of_cpuid
from attestation.policy_amd import AmdSevSnpPolicy, TcbFloor
from attestation.testing import asn1
from attestation.testing.amd import ASK_SERIAL
from attestation.testing.sev_snp import CHALLENGE, certificate_table, good_case
from attestation.testing.snp_machine import MILAN_TCB, SnpMachine

NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def machine() -> SnpMachine:
    return SnpMachine.create(Product.GENOA, now=NOW)


def verdict(machine: SnpMachine, **rules):
    policy = Policy(amd_sev_snp=AmdSevSnpPolicy(**rules))
    return verify_case(replace(good_case(machine, now=NOW), policy=policy))


@pytest.mark.parametrize(
    ("family", "model", "product"),
    [
        (0x19, 0x00, Product.MILAN),
        (0x19, 0x0F, Product.MILAN),
        (0x19, 0x10, Product.GENOA),
        (0x19, 0x11, Product.GENOA),
        (0x19, 0x1F, Product.GENOA),
        (0x19, 0x20, None),
        (0x19, 0x9F, None),
        (0x19, 0xA0, Product.GENOA),  # Bergamo, Siena
        (0x19, 0xAF, Product.GENOA),
        (0x19, 0xB0, None),
        (0x1A, 0x02, Product.TURIN),
        (0x1A, 0x11, Product.TURIN),  # Turin Dense
        (0x1A, 0x20, None),
        (0x17, 0x01, None),
    ],
)
def test_products_by_cpuid(family, model, product):
    assert product_of_cpuid(family, model) is product


def test_octets_of_a_tcb():
    octets = bytes((1, 2, 3, 4, 5, 6, 7, 8))
    milan = Tcb(boot_loader=1, tee=2, snp=7, microcode=8)
    turin = Tcb(fmc=1, boot_loader=2, tee=3, snp=4, microcode=8)
    assert Tcb.parse(octets, Product.MILAN) == Tcb.parse(octets, Product.GENOA) == milan
    assert Tcb.parse(octets, Product.TURIN) == turin
    for product, tcb in ((Product.MILAN, milan), (Product.TURIN, turin)):
        assert Tcb.parse(tcb.encode(product), product) == tcb


def test_tcbs_are_compared_part_by_part():
    """As one number the first would be the greater; it lacks a boot loader."""
    found, floor = Tcb(boot_loader=1, microcode=200), Tcb(boot_loader=2, microcode=100)
    assert found.parts_below(floor) == ("boot_loader",)
    assert floor.parts_below(found) == ("microcode",)
    assert found.parts_below(found) == ()


def test_a_higher_microcode_does_not_make_up_for_an_old_boot_loader(machine):
    floor = TcbFloor(Product.GENOA, replace(MILAN_TCB, boot_loader=5, microcode=0))
    assert verdict(machine, tcb_floors=(floor,)).reasons == (Reason.TCB_TOO_OLD,)


def test_floors_for_a_model_concern_that_model(machine):
    """The machine is a Bergamo; Genoa proper numbers its microcode apart."""
    high = TcbFloor(Product.GENOA, Tcb(microcode=255), cpu_model=0x11)
    low = TcbFloor(Product.GENOA, Tcb(microcode=25), cpu_model=0xA0)
    assert verdict(machine, tcb_floors=(high, low)).appraised
    assert verdict(machine, tcb_floors=(high,)).reasons == (Reason.TCB_TOO_OLD,)
    silent = SnpMachine.create(Product.MILAN, now=NOW, version=2)
    floor = TcbFloor(Product.MILAN, Tcb(microcode=255), cpu_model=0x01)
    assert verdict(silent, tcb_floors=(floor,)).reasons == (Reason.TCB_TOO_OLD,)


@pytest.mark.parametrize("part", ["reported", "committed", "launch"])
def test_floors_hold_for_each_tcb(machine, part):
    old = replace(MILAN_TCB, snp=20).encode(Product.GENOA)
    changed = machine.changed(**{f"{part}_tcb": old})
    if part == "reported":
        changed = changed.changed(committed_tcb=MILAN_TCB.encode(Product.GENOA)).endorsed_as(
            tcb=replace(MILAN_TCB, snp=20)
        )
    floors = (TcbFloor(Product.GENOA, MILAN_TCB),)
    found = verdict(changed, tcb_floors=floors)
    assert found.authentic
    assert set(found.reasons) == {Reason.TCB_TOO_OLD}


def test_provisional_firmware_is_accepted(machine):
    """What runs may be newer than what is committed; and what ran at launch may have been, before it was rolled back."""
    newer = replace(MILAN_TCB, microcode=255).encode(Product.GENOA)
    assert verdict(machine.changed(current_tcb=newer)).appraised
    assert verdict(machine.changed(launch_tcb=newer)).appraised


def test_turin_names_its_chip_in_eight_octets():
    turin = SnpMachine.create(Product.TURIN, now=NOW)
    assert verdict(turin).appraised
    eight = turin.endorsed.hardware_id
    assert eight is not None
    assert len(eight) == 8
    for chip in (eight.ljust(63, b"\0") + b"\1", bytes(56) + eight, eight[:7] + bytes([eight[7] ^ 1]) + bytes(56)):
        assert verdict(turin.changed(chip_id=chip)).reasons == (Reason.CHIP_ID_MISMATCH,)
    assert verdict(turin.endorsed_as(hardware_id=bytes(64))).reasons == (Reason.MALFORMED,)
    assert verdict(turin, chip_ids=frozenset({eight})).appraised
    assert verdict(turin, chip_ids=frozenset({eight.ljust(64, b"\0")})).appraised
    other = eight[:7] + bytes([eight[7] ^ 1])
    assert verdict(turin, chip_ids=frozenset({other})).reasons == (Reason.IDENTITY_NOT_ALLOWED,)


def test_eight_octets_of_a_chip_of_sixty_four_are_not_its_name(machine):
    chip = machine.endorsed.hardware_id
    assert chip is not None
    assert verdict(machine, chip_ids=frozenset({chip})).appraised
    assert verdict(machine, chip_ids=frozenset({chip[:8]})).reasons == (Reason.IDENTITY_NOT_ALLOWED,)


def test_hardware_identifiers_inside_an_octet_string(machine):
    inner = machine.endorsed.hardware_id
    assert inner is not None
    assert verdict(machine.endorsed_as(hardware_id=asn1.octets(inner))).appraised
    assert verdict(machine.endorsed_as(hardware_id=asn1.octets(inner)[:-1])).reasons == (Reason.MALFORMED,)


@pytest.mark.parametrize("name", ["Genoa", "Genoa-B1", "Bergamo-A2", "Siena-A1"])
def test_names_of_the_genoa_line(machine, name):
    assert verdict(machine.endorsed_as(product_name=name)).appraised


@pytest.mark.parametrize("name", ["Genoa2", "Milan-B0", "", "genoa"])
def test_names_of_other_lines(machine, name):
    assert verdict(machine.endorsed_as(product_name=name)).reasons == (Reason.MALFORMED,)


def test_masked_chips(machine):
    masked = machine.changed(chip_id=bytes(64))
    assert verdict(masked).reasons == (Reason.CHIP_ID_MASKED,)
    assert verdict(masked, allow_masked_chip_id=True).appraised
    leased = SnpMachine.create(Product.GENOA, now=NOW, kind=SigningKey.VLEK)
    found = verdict(leased)
    assert found.appraised
    assert found.claims.device.serial is None


def test_leased_keys_are_bound_to_their_cloud():
    leased = SnpMachine.create(Product.MILAN, now=NOW, kind=SigningKey.VLEK)
    cloud = leased.endorsed.csp_id
    assert verdict(leased, csp_ids=frozenset({cloud})).appraised
    assert verdict(leased, csp_ids=frozenset({"CN=other"})).reasons == (Reason.IDENTITY_NOT_ALLOWED,)
    assert verdict(leased.endorsed_as(csp_id=None)).reasons == (Reason.MISSING_EXTENSION,)


def test_a_chip_key_does_not_pass_for_a_leased_one(machine):
    """The report claims a VLEK, the chain is one of a VCEK, and the other way round."""
    assert verdict(machine.changed(key_bits=SigningKey.VLEK << 2)).reasons == (Reason.BINDING_MISMATCH,)
    leased = SnpMachine.create(Product.GENOA, now=NOW, kind=SigningKey.VLEK)
    assert verdict(leased.changed(key_bits=0)).reasons == (Reason.BINDING_MISMATCH,)


def test_report_data(machine):
    short, long = b"x" * 64, b"x" * 65
    assert report_data_for(Expectation(short)) == short
    assert report_data_for(Expectation(long)) == sha512(long).digest()
    assert report_data_for(Expectation(b"c", b"key")) == sha512(b"ckey").digest()
    case = good_case(machine, now=NOW)
    hashed = replace(case, evidence=machine.attest(sha512(long).digest()), expectation=Expectation(long))
    assert verify_case(hashed).appraised
    other = replace(case, expectation=Expectation(CHALLENGE, b"another key"), evidence=machine.attest(bytes(64)))
    assert verify_case(other).reasons == (Reason.CHALLENGE_MISMATCH,)


def test_debug_is_a_matter_of_the_policy(machine):
    debug = machine.changed(policy=GuestPolicy.RESERVED_ONE | GuestPolicy.DEBUG)
    found = verdict(debug)
    assert found.authentic
    assert found.claims.debug is True
    assert verdict(debug, allow_debug=True).appraised


def test_mitigation_vectors_need_version_5():
    machine = SnpMachine.create(Product.MILAN, now=NOW, version=5).changed(mitigations=(0b111, 0b011))
    assert verdict(machine, required_mitigations=0b011).appraised
    assert verdict(machine, required_mitigations=0b100).reasons == (Reason.PLATFORM_NOT_ALLOWED,)
    older = SnpMachine.create(Product.MILAN, now=NOW)
    assert verdict(older, required_mitigations=0b011).reasons == (Reason.PLATFORM_NOT_ALLOWED,)
    assert verdict(machine, required_platform=PlatformInfo.ALIAS_CHECK_COMPLETE).appraised


def test_author_keys_count_only_where_one_was_given(machine):
    digest = b"\7" * 48
    rule = {"author_key_digests": frozenset({digest})}
    assert verdict(machine.changed(author_key_digest=digest, key_bits=1), **rule).appraised
    assert verdict(machine.changed(author_key_digest=digest), **rule).reasons == (Reason.IDENTITY_NOT_ALLOWED,)


def test_what_is_not_checked_is_said(machine):
    found = verdict(machine)
    assert set(found.not_checked) == {
        Unchecked.KEY_BINDING, Unchecked.TCB_FLOOR, Unchecked.VMPL, Unchecked.MEASUREMENTS,
    }  # fmt: skip
    without = replace(good_case(machine, now=NOW), collateral=Collateral())
    lenient = Policy(amd_sev_snp=AmdSevSnpPolicy(allow_missing_crl=True))
    assert Unchecked.REVOCATION in verify_case(replace(without, policy=lenient)).not_checked
    alone = evidence(report=None, certificates=(machine.certificate,))
    key_only = Policy(amd_sev_snp=AmdSevSnpPolicy(allow_missing_crl=True, allow_key_only=True))
    found = verify_case(replace(without, policy=key_only, evidence=alone))
    assert found.appraised
    assert {Unchecked.REPORT, Unchecked.CHALLENGE} <= set(found.not_checked)
    assert found.claims.freshness is None
    assert found.claims.security_level is None


def test_claims(machine):
    found = verdict(machine).claims
    assert found.security_level is SecurityLevel.ENCLAVE
    assert found.versions.attestation == 3
    assert found.device.product == "Genoa"
    assert found.vendor_claim("guest_policy") == "0x3001f"
    assert found.vendor_claim("endorsed_tcb") == found.vendor_claim("reported_tcb")


def test_a_revocation_of_tomorrow_is_none_today(machine):
    crl = machine.amd.collateral({ASK_SERIAL: NOW + timedelta(days=1)})
    case = replace(good_case(machine, now=NOW), collateral=Collateral(amd=crl))
    assert verify_case(case).appraised


def test_an_old_list_still_revokes(machine):
    crl = machine.amd.collateral({ASK_SERIAL: NOW - timedelta(days=9)}, end=NOW - timedelta(days=1))
    case = replace(good_case(machine, now=NOW), collateral=Collateral(amd=crl))
    assert verify_case(case).reasons == (Reason.REVOKED, Reason.STALE_COLLATERAL)


def test_signing_keys_known_by_key_alone_cannot_be_looked_up(machine):
    alone = evidence(report=machine.report(CHALLENGE), certificates=(machine.certificate,))
    found = verify_case(replace(good_case(machine, now=NOW), evidence=alone))
    assert found.reasons == (Reason.STATUS_LIST_MISSING,)
    assert "serial" in found.findings[0].detail


def test_the_table_may_hold_more_than_is_needed():
    """Hosts keep the ASK beside a VLEK, whose chain goes over another key."""
    leased = SnpMachine.create(Product.MILAN, now=NOW, kind=SigningKey.VLEK)
    entries = {table.VLEK: leased.certificate, table.VCEK: b"junk", table.ASK: leased.amd.signer(SigningKey.VCEK)}
    found = extended_evidence(report=leased.report(CHALLENGE), certificate_table=certificate_table(entries))
    policy = Policy(amd_sev_snp=AmdSevSnpPolicy(allow_missing_crl=True))
    assert verify_case(replace(good_case(leased, now=NOW), evidence=found, policy=policy)).appraised


def test_tables():
    parsed = table.parse_certificate_table(certificate_table({table.VCEK: b"abc", table.ARK: b""}) + b"padding")
    assert (parsed.get(table.VCEK), parsed.get(table.ARK), parsed.get(table.ASK)) == (b"abc", b"", None)
    assert table.VCEK.bytes.hex().startswith("63da758d")
    assert table.parse_certificate_table(bytes(24)).get(table.VCEK) is None
    with pytest.raises(EvidenceError, match="end"):
        table.parse_certificate_table(b"")
    many = {table.UUID(int=n): b"" for n in range(1, 20)}
    with pytest.raises(EvidenceError, match="entries"):
        table.parse_certificate_table(certificate_table(many))
    with pytest.raises(EvidenceError, match="bytes"):
        table.parse_certificate_table(bytes(table.MAX_TABLE_BYTES + 1))


@pytest.mark.parametrize("size", [0, 1000, 1183, 1185, 4096])
def test_reports_have_one_length(size):
    with pytest.raises(EvidenceError, match="bytes"):
        parse_report(bytes(size))


def test_parts_that_do_not_belong_together(machine):
    case = good_case(machine, now=NOW)
    (report, *certificates) = case.evidence.parts
    for parts in ((), (report,), (report, report, *certificates), (report, replace(certificates[0], name="extra"))):
        found = verify_case(replace(case, evidence=replace(case.evidence, parts=tuple(parts))))
        assert found.reasons == (Reason.MALFORMED,)


def test_the_table_of_keys():
    """Three roots, six signing keys, no key twice; names as AMD's certificates bear them."""
    names = {key.common_name for key in AMD_KEYS}
    assert names == {f"{kind}-{product}" for kind in ("ARK", "SEV", "SEV-VLEK") for product in Product}
    assert len(SERIALS) == len(AMD_KEYS) == len(AMD.items)
    assert all(int(serial, 16) for serial in SERIALS.values())


@pytest.mark.parametrize("whole_chain", [True, False])
def test_the_list_of_another_root_with_the_same_name_is_none(whole_chain):
    """Both roots are trusted, both are called ARK-Milan; each revokes for itself only."""
    mine, theirs = (SnpMachine.create(Product.MILAN, now=NOW, number=number) for number in (0, 1))
    both = Anchors((*mine.amd.anchors.items, *theirs.amd.anchors.items))
    certificates = (mine.certificate, *mine.amd.chain(SigningKey.VCEK))[: 3 if whole_chain else 2]
    sent = evidence(report=mine.report(CHALLENGE), certificates=certificates)

    def judged(*lists, **rules):
        crls = tuple(crl for found in lists for crl in found.crls)
        return verify_case(
            replace(
                good_case(mine, now=NOW),
                evidence=sent,
                anchors=both,
                collateral=Collateral(amd=AmdCollateral(crls)),
                policy=Policy(amd_sev_snp=AmdSevSnpPolicy(**rules)),
            )
        )

    revoking, clean = mine.amd.collateral({ASK_SERIAL: NOW}), mine.amd.collateral()
    foreign = theirs.amd.collateral({ASK_SERIAL: NOW})
    assert judged(theirs.amd.collateral()).reasons == (Reason.STATUS_LIST_MISSING,)
    assert judged(revoking, theirs.amd.collateral()).reasons == (Reason.REVOKED,)
    assert judged(foreign, clean).appraised
    assert Unchecked.REVOCATION in judged(foreign, allow_missing_crl=True).not_checked


def test_above_a_signing_key_of_amd_stands_amds_own_root():
    assert {f"ARK-{product}" for product in Product} == set(ROOTS)
