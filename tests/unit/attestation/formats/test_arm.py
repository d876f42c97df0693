"""Rules of PSA and CCA at their edges; the catalogue of the factory covers one variant for each reason."""

from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from attestation import Expectation, Policy, Reason, SecurityLevel, Unchecked, verify_case
from attestation.arm_collateral import ArmDevice, ArmEndorsements, parse_arm_devices
from attestation.errors import CollateralError
from attestation.formats.arm_claims import Claim
from attestation.model import Collateral
from attestation.policy_arm import ArmPolicy, Lifecycle, RealmReference
from attestation.testing import arm_cca, arm_psa
from attestation.testing.arm_device import CHALLENGE, IMPLEMENTATION, RIM, SOFTWARE, CcaPlatform, PsaDevice, new_key
from attestation.testing.certificates import spki_of

NOW = datetime(2026, 6, 1, tzinfo=UTC)
DEVICE = PsaDevice.create()
PSA = arm_psa.good_case(DEVICE, now=NOW)
PLATFORM = CcaPlatform.create()
CCA = arm_cca.good_case(PLATFORM, now=NOW)


def psa(**changed):
    return verify_case(replace(PSA, **changed))


def test_claims_of_a_device():
    claims = psa().claims
    assert claims.device.serial == DEVICE.instance_id.hex()
    assert claims.security_level is SecurityLevel.TEE
    assert claims.debug is False
    assert [(item.name, item.digest) for item in claims.measurements] == [(kind, d) for kind, _, d in SOFTWARE]
    assert claims.vendor_claim("implementation_id") == IMPLEMENTATION.hex()
    assert claims.vendor_claim("lifecycle") == "0x3000"
    assert claims.freshness.challenge == CHALLENGE


@pytest.mark.parametrize(
    ("lifecycle", "state", "debug"),
    [
        (0x0000, Lifecycle.UNKNOWN, None),
        (0x10FF, Lifecycle.ASSEMBLY_AND_TEST, None),
        (0x2000, Lifecycle.ROT_PROVISIONING, None),
        (0x30FF, Lifecycle.SECURED, False),
        (0x4000, Lifecycle.NON_ROT_DEBUG, True),
        (0x5001, Lifecycle.RECOVERABLE_ROT_DEBUG, True),
        (0x6000, Lifecycle.DECOMMISSIONED, None),
    ],
)
def test_lifecycle_states(lifecycle, state, debug):
    found = psa(evidence=DEVICE.attest({Claim.LIFECYCLE: lifecycle}))
    assert found.claims.vendor_claim("lifecycle_state") == state
    assert found.claims.debug is debug
    assert found.authentic
    assert found.appraised is (state is Lifecycle.SECURED)
    allowed = Policy(arm=ArmPolicy(lifecycles=frozenset({state})))
    assert psa(evidence=DEVICE.attest({Claim.LIFECYCLE: lifecycle}), policy=allowed).appraised


@pytest.mark.parametrize("lifecycle", [0x0100, 0x3100, 0x7000, 0x13000, -1, 1.5, None])
def test_what_is_no_lifecycle_is_malformed(lifecycle):
    assert psa(evidence=DEVICE.attest({Claim.LIFECYCLE: lifecycle})).reasons == (Reason.MALFORMED,)


def test_claims_nobody_knows_are_passed_over():
    assert psa(evidence=DEVICE.attest({2999: "new", -70000: [1]})).appraised


def test_what_was_not_checked():
    assert psa().not_checked == (Unchecked.KEY_BINDING, Unchecked.MEASUREMENTS)
    policy = Policy(arm=ArmPolicy(software=arm_psa.REFERENCES))
    key = spki_of(new_key(ec.SECP256R1()))
    bound = DEVICE.attest(nonce=sha256(CHALLENGE + key).digest())
    found = psa(evidence=bound, policy=policy, expectation=Expectation(CHALLENGE, key))
    assert (found.appraised, found.not_checked, found.claims.key.spki) == (True, (), key)


def test_a_hash_of_another_size_binds_nothing():
    key = spki_of(new_key(ec.SECP256R1()))
    short = DEVICE.attest(nonce=sha256(CHALLENGE + key).digest() + bytes(16))
    assert psa(evidence=short, expectation=Expectation(CHALLENGE, key)).reasons == (Reason.CHALLENGE_MISMATCH,)


def test_a_mac_is_refused_even_where_its_key_would_be_public():
    (variant,) = (made for made in arm_psa.broken(NOW) if made.name == "MAC0")
    found = verify_case(variant.case)
    assert (found.authentic, found.reasons) == (False, (Reason.UNSUPPORTED_ALGORITHM,))


def test_both_tokens_of_a_realm_count():
    """The platform token is genuine in both; only its own realm is vouched for."""
    other = CcaPlatform.create()
    store = ArmEndorsements.of((*PLATFORM.endorsements.devices, *other.endorsements.devices))
    mixed = PLATFORM.attest(realm=other.realm_token())
    found = verify_case(replace(CCA, evidence=mixed, collateral=Collateral(arm=store)))
    assert found.reasons == (Reason.BINDING_MISMATCH,)


def test_claims_of_a_realm():
    claims = verify_case(CCA).claims
    assert claims.security_level is SecurityLevel.ENCLAVE
    assert {item.name for item in claims.measurements} == {"BL", "RoT", "RIM", "REM0", "REM1", "REM2", "REM3"}
    assert claims.freshness.challenge == CHALLENGE.ljust(64, b"\0")


def test_realm_and_platform_software_are_both_needed_to_say_that_all_was_compared():
    for rules in ({"software": arm_psa.REFERENCES}, {"realms": (RealmReference(RIM),)}):
        found = verify_case(replace(CCA, policy=Policy(arm=ArmPolicy(**rules))))
        assert (found.appraised, Unchecked.MEASUREMENTS in found.not_checked) == (True, True)


def test_device_lists():
    key = spki_of(DEVICE.key)
    text = (
        f'{{"arm_devices": [{{"instance_id": "{DEVICE.instance_id.hex()}",'
        f' "implementation_id": "{IMPLEMENTATION.hex()}", "keys": ["{_base64(key)}"]}}]}}'
    )
    assert parse_arm_devices(text.encode()) == DEVICE.endorsements
    assert psa(collateral=Collateral(arm=parse_arm_devices(text.encode()))).appraised


def _base64(data: bytes) -> str:
    from base64 import b64encode

    return b64encode(data).decode()


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{}", '{"arm_devices": 1}', '{"arm_devices": [1]}', '{"arm_devices": [{}]}',
        '{"arm_devices": [{"instance_id": "00", "keys": []}]}',
        '{"arm_devices": [{"instance_id": "xx", "keys": []}]}',
        f'{{"arm_devices": [{{"instance_id": "{"01" * 33}", "keys": ["AAAA"]}}]}}',
        f'{{"arm_devices": [{{"instance_id": "{"01" * 33}", "keys": ["*"]}}]}}',
        "[" * 100_000,
    ],
)  # fmt: skip
def test_what_is_no_device_list(text):
    with pytest.raises(CollateralError):
        parse_arm_devices(text.encode())


def test_an_instance_is_endorsed_once():
    device = ArmDevice(DEVICE.instance_id, (spki_of(DEVICE.key),))
    with pytest.raises(CollateralError, match="twice"):
        ArmEndorsements.of((device, device))
    with pytest.raises(CollateralError, match="32 bytes"):
        ArmEndorsements.of((replace(device, implementation_id=b""),))
