"""The passing side of every policy rule: what one policy refuses, the policy made for it accepts."""

from dataclasses import replace

import pytest

from attestation import AllowedApp, AndroidPolicy, BootVerification, Collateral, Policy, Provisioning, SecurityLevel
from attestation.reasons import Reason, Unchecked
from attestation.testing import VirtualPhone, good_case
from attestation.testing.certificates import KeyKind, new_key, spki_of
from attestation.testing.key_description import ATTEST_KEY, PhoneState
from attestation.testing.phone import LEAF_NAME, Issuer
from attestation.verify import verify_case

SELF_SIGNED = BootVerification.SELF_SIGNED


@pytest.fixture(scope="module")
def default(now):
    return PhoneState(made_at=now)


def accepts(vendor, phone, now, **android) -> bool:
    case = good_case(vendor, phone, now=now)
    return verify_case(replace(case, policy=Policy(android=AndroidPolicy(**android)))).appraised


def test_unlocked_phones_by_policy(vendor, phone, now):
    unlocked = phone.changed(locked=False, boot=BootVerification.UNVERIFIED)
    assert not accepts(vendor, unlocked, now)
    assert not accepts(vendor, unlocked, now, require_locked=False)
    assert accepts(vendor, unlocked, now, require_locked=False, require_verified_boot=False)


def test_own_systems_by_pinned_key(vendor, phone, now, default):
    own = phone.changed(boot=SELF_SIGNED)
    assert accepts(vendor, own, now, verified_boot_keys=frozenset({default.boot_key}))
    assert not accepts(vendor, own, now, verified_boot_keys=frozenset({bytes(32)}))


def test_a_missing_root_of_trust_matters_only_where_it_is_needed(vendor, phone, now):
    silent = phone.changed(root_of_trust=False)
    assert accepts(vendor, silent, now, require_locked=False, require_verified_boot=False)
    assert not accepts(vendor, silent, now, require_locked=False)


def test_attest_keys_by_policy(vendor, phone, now):
    case = replace(
        good_case(vendor, phone, now=now),
        evidence=phone.attest_through_attest_key(b"challenge of the evidence factory"),
    )
    verdict = verify_case(replace(case, policy=Policy(android=AndroidPolicy(allow_attest_keys=True))))
    assert verdict.appraised
    assert verdict.claims.vendor_claim("attest_key") is True


@pytest.mark.parametrize("state", [{"locked": False}, {"level": SecurityLevel.STRONGBOX}, {"boot_key": b"x"}])
def test_an_attest_key_in_another_state_extends_the_chain(vendor, phone, now, state):
    """The leaf must come from the same device in the same state as the attest key that signed it."""
    challenge = b"challenge of the evidence factory"
    key = new_key(KeyKind.EC_P256)
    described = phone.changed(purposes=(ATTEST_KEY,)).description_extension(challenge)
    attest_key = Issuer(LEAF_NAME, key, (phone.leaf(spki_of(key), described), *phone.attester.chain))
    evidence = replace(phone.changed(**state), attester=attest_key).attest(challenge)
    case = replace(
        good_case(vendor, phone, now=now),
        evidence=evidence,
        policy=Policy(android=AndroidPolicy(allow_attest_keys=True)),
    )
    verdict = verify_case(case)
    assert not verdict.authentic
    assert verdict.reasons[0] is Reason.CHAIN_EXTENDED


def test_a_key_with_a_second_purpose_is_no_attest_key(vendor, phone, now):
    mixed = phone.changed(purposes=(2, 7)).generate_key(b"challenge of the evidence factory")
    attester = Issuer(LEAF_NAME, mixed.private_key, mixed.evidence.named("certificate"))
    evidence = replace(phone, attester=attester).attest(b"challenge of the evidence factory")
    policy = Policy(android=AndroidPolicy(allow_attest_keys=True))
    verdict = verify_case(replace(good_case(vendor, phone, now=now), evidence=evidence, policy=policy))
    assert verdict.reasons[0] is Reason.CHAIN_EXTENDED


def test_no_status_list_by_policy_is_said(vendor, phone, now):
    policy = Policy(android=AndroidPolicy(allow_missing_status_list=True))
    case = replace(good_case(vendor, phone, now=now), collateral=Collateral(), policy=policy)
    verdict = verify_case(case)
    assert verdict.appraised
    assert Unchecked.STATUS_LIST in verdict.not_checked


def test_tags_out_of_order_are_accepted_and_told(vendor, phone, now):
    verdict = verify_case(good_case(vendor, phone.changed(reverse_tags=True), now=now))
    assert verdict.appraised
    assert verdict.claims.vendor_claim("tags_ordered") is False


def test_factory_chains_never_expire_and_this_is_said(vendor, now):
    factory = VirtualPhone.create(vendor, now=now, provisioning=Provisioning.FACTORY)
    verdict = verify_case(good_case(vendor, factory, now=now))
    assert verdict.appraised
    assert Unchecked.ISSUER_EXPIRY in verdict.not_checked


@pytest.mark.parametrize(
    ("level", "floor", "accepted"),
    [
        (202510, 202510, True),
        (202510, 202511, False),
        (20251005, 20251005, True),
        (20251004, 20251005, False),
        (20251031, 202510, True),
        (20250930, 202510, False),
        (202510, 20251005, True),  # only the month is known of the level
        (202509, 20251005, False),
        (20190700, 201907, True),  # day 00 occurs
        (0, 201001, False),
    ],
)
def test_patch_levels_compare_at_the_precision_both_have(vendor, phone, now, level, floor, accepted):
    old = phone.changed(vendor_patch_level=level)
    assert accepts(vendor, old, now, min_vendor_patch_level=floor) is accepted


def test_floors_that_are_met(vendor, phone, now):
    assert accepts(
        vendor, phone, now, min_os_patch_level=202611, min_vendor_patch_level=20261105, min_boot_patch_level=202610
    )


def test_purposes_must_all_be_allowed(vendor, phone, now):
    assert accepts(vendor, phone, now, purposes=frozenset({"SIGN", "VERIFY", "AGREE_KEY"}))
    assert not accepts(vendor, phone, now, purposes=frozenset({"SIGN"}))
    assert not accepts(vendor, phone.changed(purposes=()), now, purposes=frozenset({"SIGN"}))


def test_apps_by_package_and_signer(vendor, phone, now, default):
    ours = AllowedApp("org.example.virtual", frozenset(default.signature_digests))
    assert accepts(vendor, phone, now, apps=(ours,))
    shared = phone.changed(packages=(("org.example.virtual", 1), ("org.example.guest", 1)))
    assert not accepts(vendor, shared, now, apps=(ours,))
    assert accepts(vendor, shared, now, apps=(ours, replace(ours, package="org.example.guest")))
    assert not accepts(vendor, phone.changed(signature_digests=()), now, apps=(ours,))
    assert not accepts(vendor, phone.changed(packages=()), now, apps=(ours,))


def test_strongbox_only(vendor, now):
    strongbox = VirtualPhone.create(vendor, now=now, level=SecurityLevel.STRONGBOX)
    assert accepts(vendor, strongbox, now, levels=frozenset({SecurityLevel.STRONGBOX}))
    assert not accepts(vendor, strongbox.changed(level=SecurityLevel.TEE), now)


def test_a_true_that_is_one_counts(vendor, phone, now):
    assert accepts(vendor, phone.changed(write_true_as_one=True), now)
