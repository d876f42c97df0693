import hashlib
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from hallmark_client.device.life.errors import EnrolmentRefused
from hallmark_client.device.life.keys import SoftwareKey
from hallmark_client.device.life.model import KeyPlace
from hallmark_client.device.life.registration import (
    attest,
    registration_from_json,
    registration_of,
    registration_to_json,
)
from hallmark_client.device.life.software import SoftwareAttester
from hallmark_client.errors import SignatureInvalid
from hallmark_client.model.enums import ChallengePurpose
from hallmark_client.profile import Profile
from unit.hallmark_client.device.life.conftest import DEVICE
from unit.hallmark_client.device.life.service import AUTHORITY, LIFE, Registrar, certificate, spki_of_another

KEY = SoftwareKey(ec.generate_private_key(ec.SECP256R1()))
KEY_SHA256 = hashlib.sha256(KEY.spki).hexdigest()
OTHER = "tenants/default/devices/0b8f5b0e-0000-4000-8000-000000000002"


def attested(registrar: Registrar):
    return attest(registrar.client(), SoftwareAttester(), KEY, hpke_public=b"hpke", trusted_keys=registrar.keys)


def test_what_is_answered_about_this_device_is_taken_and_kept() -> None:
    registrar = Registrar()
    answer = attested(registrar)
    assert registrar.asked == [{"purpose": ChallengePurpose.SOFTWARE_SEALED, "key_spki": KEY.spki, "tpm": None}]
    backend = AUTHORITY.client("backend")
    profile = Profile(address="localhost:1", ca_pem=AUTHORITY.pem, cert_pem=backend.cert_pem, key_pem=backend.key_pem)
    made = registration_of(answer, profile, key=KEY, place=KeyPlace.VAULT, purpose=ChallengePurpose.SOFTWARE_SEALED)
    assert (made.device, made.device_id, made.address) == (DEVICE, DEVICE.rpartition("/")[2], "localhost:1")
    assert registration_from_json(registration_to_json(made)) == made


def test_a_refusal_says_its_reasons() -> None:
    with pytest.raises(EnrolmentRefused) as refused:
        attested(Registrar(reasons=("LEVEL_NOT_ALLOWED",)))
    assert (refused.value.reason, refused.value.reasons) == ("ENROLMENT_REFUSED", ("LEVEL_NOT_ALLOWED",))


def changed_device(**changes):
    return lambda answer: replace(answer, device=replace(answer.device, **changes))


def changed_certificate(spki: bytes | None = None, device: str = DEVICE):
    return lambda answer: replace(
        answer, certificate=replace(answer.certificate, certificate=certificate(spki or KEY.spki, device))
    )


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (changed_device(key_spki=spki_of_another()), "another key"),
        (changed_device(hpke_key=None), "HPKE"),
        (changed_certificate(device=OTHER), "key or device"),
        (changed_certificate(spki=spki_of_another()), "key or device"),
        (lambda answer: replace(answer, certificate=None), "no certificate"),
        (lambda answer: replace(answer, certificate=replace(answer.certificate, certificate=b"no")), "can not be read"),
    ],
    ids=["key", "hpke", "name in certificate", "key in certificate", "no certificate", "no DER"],
)
def test_an_answer_about_somebody_else_is_refused(spoil, why) -> None:
    with pytest.raises(EnrolmentRefused, match=why) as refused:
        attested(Registrar(spoil=spoil))
    assert refused.value.reason == "ANSWER_INVALID"


def test_a_result_that_the_service_did_not_sign_is_refused() -> None:
    spoil = lambda answer: replace(answer, result=replace(answer.result, payload=b"{}"))  # noqa: E731
    with pytest.raises(SignatureInvalid):
        attested(Registrar(spoil=spoil))


@pytest.mark.parametrize(
    "claims",
    [
        {"eat_nonce": "AAAA"},
        {"submods": {"device": {"hallmark_verdict": {"appraised": True, "key_sha256": "00" * 32}}}},
        {"submods": {"device": {"hallmark_verdict": {"appraised": False, "key_sha256": KEY_SHA256}}}},
        {"submods": {}},
    ],
    ids=["an earlier challenge", "another key", "a refusal", "nothing"],
)
def test_a_signed_result_about_something_else_is_refused(claims) -> None:
    """A front that was taken over has no key of the service, but may have its verdicts on others."""
    with pytest.raises(EnrolmentRefused, match="another key or challenge"):
        attested(Registrar(claims=claims))


def registered_for(tenant: str, registrar: Registrar):
    backend = AUTHORITY.client("backend")
    profile = Profile(
        address="localhost:1", ca_pem=AUTHORITY.pem, cert_pem=backend.cert_pem, key_pem=backend.key_pem, tenant=tenant
    )
    answer = attested(registrar)
    return registration_of(answer, profile, key=KEY, place=KeyPlace.VAULT, purpose=ChallengePurpose.SOFTWARE_SEALED)


def test_a_device_of_another_tenant_is_refused() -> None:
    with pytest.raises(EnrolmentRefused, match="another tenant"):
        registered_for("acme", Registrar())


def test_the_life_of_a_certificate_is_what_it_says_itself() -> None:
    """Told ones could keep it from being renewed for ever, or make it ask every second."""
    registrar = Registrar()
    for years in (-5, 5):
        wrong = registrar.now + timedelta(days=365 * years)
        registrar.spoil = lambda answer, wrong=wrong: replace(
            answer, certificate=replace(answer.certificate, expire_time=wrong)
        )
        assert registered_for("default", registrar).expire_time == registrar.now + LIFE
    registrar.spoil = lambda answer: replace(
        answer, verdict=replace(answer.verdict, verify_time=registrar.now + timedelta(days=1))
    )
    with pytest.raises(EnrolmentRefused, match="is over"):
        registered_for("default", registrar)
