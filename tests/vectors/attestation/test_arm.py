"""Arm tokens of test platforms (`--vectors DIR`, folder attestation/arm): claims, endorsements, bits, speed."""

import json
from collections.abc import Callable
from dataclasses import replace
from time import process_time
from typing import Any

import cbor2
import pytest
from hallmark_test_options import vectors_folder

from attestation import EvidenceError, Expectation, Policy, Reason, Unchecked, verify_case
from attestation.arm_collateral import ArmEndorsements
from attestation.case import Case
from attestation.container import read_evidence
from attestation.corim import parse_corim
from attestation.formats.arm_claims import Claim, instance_id_of, parse_psa_claims
from attestation.formats.arm_psa import TOKEN
from attestation.formats.arm_token import open_token
from attestation.model import Collateral, Evidence, Part
from attestation.policy_arm import ArmPolicy
from attestation.samples.arm import load
from attestation.samples.sample import Folder

STRIDE = 5
# Names of claims in the JSON form of the samples of claim sets, which has no standing of its own.
JSON_CLAIMS = {
    "eat-profile": Claim.PROFILE,
    "psa-client-id": Claim.CLIENT_ID,
    "psa-security-lifecycle": Claim.LIFECYCLE,
    "psa-implementation-id": Claim.IMPLEMENTATION_ID,
    "psa-boot-seed": Claim.BOOT_SEED,
    "psa-certification-reference": Claim.CERTIFICATION,
    "psa-software-components": Claim.SOFTWARE,
    "psa-nonce": Claim.NONCE,
    "psa-instance-id": Claim.INSTANCE_ID,
    "psa-verification-service-indicator": Claim.VERIFICATION_SERVICE,
}
JSON_COMPONENT = {"measurement-type": 1, "measurement-value": 2, "version": 4, "signer-id": 5}
BYTES = {Claim.IMPLEMENTATION_ID, Claim.BOOT_SEED, Claim.NONCE, Claim.INSTANCE_ID}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    root = vectors_folder(metafunc.config)
    path = root / "attestation" / "arm" if root else None
    if path is None or not (path / "expected.json").exists():
        skip = pytest.mark.skip(reason="give --vectors DIR with a folder attestation/arm")
        metafunc.parametrize(("folder", "row"), [pytest.param(None, None, marks=skip, id="none")])
        return
    rows = {row["id"]: row for row in json.loads((path / "expected.json").read_text())["vectors"]}
    wanted = WANTED.get(metafunc.function.__name__, lambda row: bool(row["authentic"]))
    found = [pytest.param(Folder(path, rows), row, id=row["id"]) for row in rows.values() if wanted(row)]
    metafunc.parametrize(("folder", "row"), found)


def case_of(folder: Folder, row: dict[str, Any]) -> Case:
    return load(row, folder).strict


def with_token(case: Case, token: bytes) -> Case:
    return replace(case, evidence=Evidence(case.evidence.format, (Part(TOKEN, token),)))


def test_claims(folder, row):
    claims, vendor = verify_case(case_of(folder, row)).claims, row["claims"]
    assert claims.device.serial == vendor["instance_id"]
    assert claims.vendor_claim("implementation_id") == vendor["implementation_id"]
    assert claims.vendor_claim("lifecycle") == vendor["lifecycle"]
    assert claims.vendor_claim("profile") == (vendor.get("profile") or vendor["platform_profile"])
    assert claims.freshness.challenge.hex() == (vendor.get("nonce") or vendor["realm_challenge"])
    if "rim" in vendor:
        measured = {item.name: item.digest.hex() for item in claims.measurements}
        assert measured["RIM"] == vendor["rim"]
        assert claims.vendor_claim("realm_personalization") == vendor["rpv"]
        assert claims.vendor_claim("platform_nonce") == vendor["platform_nonce"]


def test_verdict_years_later(folder, row):
    """Tokens have no dates: what was right stays right, and only the challenge says that it is new."""
    assert row["verdict_2026_11_20"].startswith("accept")
    assert verify_case(case_of(folder, row)).appraised


def test_every_bit_counts(folder, row):
    case = case_of(folder, row)
    (token,) = case.evidence.named(TOKEN)
    for index in range(0, len(token), STRIDE):
        changed = bytearray(token)
        changed[index] ^= 1 << (index % 8)
        assert not verify_case(with_token(case, bytes(changed))).authentic
    for changed in (token[:-1], token + b"\0", token * 2, b""):
        assert not verify_case(with_token(case, changed)).authentic


def test_another_challenge_and_another_store(folder, row):
    case = case_of(folder, row)
    other = replace(case, expectation=Expectation(b"another"))
    assert verify_case(other).reasons == (Reason.CHALLENGE_MISMATCH,)
    assert verify_case(replace(case, collateral=Collateral())).reasons == (Reason.COLLATERAL_MISSING,)
    empty = Collateral(arm=ArmEndorsements(()))
    assert verify_case(replace(case, collateral=empty)).reasons == (Reason.UNKNOWN_INSTANCE,)


def test_it_is_deterministic_and_fast(folder, row):
    case = case_of(folder, row)
    first = verify_case(case)
    start = process_time()
    for _ in range(10):
        assert verify_case(case) == first
    assert (process_time() - start) / 10 < 0.02


def test_the_container_knows_it(folder, row):
    case = case_of(folder, row)
    assert read_evidence(case.evidence.parts[0].data) == case.evidence


def test_corim_files_endorse_the_token_of_the_same_end_to_end_run(folder, row):
    found = parse_corim(folder.read("corim/psa-endorsements.cbor"))
    case = case_of(folder, row)
    instance_id = instance_id_of(open_token(case.evidence.parts[0].data).payload)
    assert [device.instance_id for device in found.devices] == [instance_id]
    policy = Policy(arm=ArmPolicy(software=found.software))
    verdict = verify_case(replace(case, collateral=Collateral(arm=found.endorsements), policy=policy))
    assert verdict.appraised
    assert Unchecked.MEASUREMENTS not in verdict.not_checked
    fewer = Policy(arm=ArmPolicy(software=found.software[1:]))
    assert verify_case(replace(case, policy=fewer)).reasons == (Reason.MEASUREMENT_MISMATCH,)


def test_corim_files_of_platform_and_realm(folder, row):
    platform = parse_corim(folder.read("corim/cca-endorsements.cbor"))
    assert (len(platform.devices), len(platform.software)) == (1, 4)
    realm = parse_corim(folder.read("corim/cca-realm-endorsements.cbor"))
    assert [len(item.extensible) for item in realm.realms] == [4]


def test_claim_sets_are_what_their_names_say(folder, row):
    for path in sorted((folder.path / "psa" / "claims").glob("*.json")):
        payload = cbor2.dumps(claims_of(json.loads(path.read_bytes())))
        if "invalid" in path.name:
            with pytest.raises(EvidenceError):
                parse_psa_claims(payload)
        else:
            assert parse_psa_claims(payload).lifecycle == 0x3000


def claims_of(document: dict[str, Any]) -> dict[int, Any]:
    from base64 import b64decode

    claims = {JSON_CLAIMS[name]: value for name, value in document.items() if name in JSON_CLAIMS}
    claims |= {claim: b64decode(claims[claim]) for claim in BYTES & claims.keys()}
    if Claim.SOFTWARE in claims:
        claims[Claim.SOFTWARE] = [
            {
                key: b64decode(item[name]) if key in (2, 5) else item[name]
                for name, key in JSON_COMPONENT.items()
                if name in item
            }
            for item in claims[Claim.SOFTWARE]
        ]
    return {int(claim): value for claim, value in claims.items()}


WANTED: dict[str, Callable[[dict[str, Any]], bool]] = {
    "test_corim_files_endorse_the_token_of_the_same_end_to_end_run": lambda row: row["id"] == "psa-veraison-e2e",
    "test_corim_files_of_platform_and_realm": lambda row: row["id"] == "corim",
    "test_claim_sets_are_what_their_names_say": lambda row: row["id"] == "psa-claims",
}
