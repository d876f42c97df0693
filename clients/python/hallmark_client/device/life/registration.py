"""First-boot registration, and the renewal of the certificate: challenge, evidence, verdict, certificate.

1. keys: the attested one, the HPKE one; the same at each try   2. a challenge, for a TPM inside a credential
3. evidence over it   4. AttestDevice with a certificate request and the HPKE key, both signed by the attested key
5. the answer is about this key, is signed by the service, and its certificate names this device
"""

import base64
import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hallmark_client.client import Client
from hallmark_client.model.devices import Attestation, DeviceCertificate
from hallmark_client.model.enums import ChallengePurpose
from hallmark_client.model.signed import TrustedKeys
from hallmark_client.profile import Profile
from hallmark_client.watch.own_device import own_device
from hallmark_events.canonical import format_time

from .attester import Attester, DeviceKey
from .errors import EnrolmentRefused
from .keys import certificate_request, registered
from .model import KeyPlace, Registration


def attest(
    client: Client, attester: Attester, key: DeviceKey, *, hpke_public: bytes, trusted_keys: TrustedKeys
) -> Attestation:
    """One attestation, and everything about its answer checked. Raises EnrolmentRefused, HallmarkError, RootFailed."""
    tpm = attester.tpm_keys()
    challenge = client.devices.create_challenge(
        purpose=attester.purpose, key_spki=None if tpm is not None else key.spki, tpm=tpm
    )
    proof = attester.prove(challenge, key)
    answer = client.devices.attest(
        challenge.name,
        proof.evidence,
        key_spki=key.spki,
        purpose=attester.purpose,
        certificate_request=certificate_request(key),
        hpke_key=registered(key, hpke_public, proof.challenge),
    )
    if answer.device is None or not answer.verdict.appraised:
        reasons = ", ".join(answer.verdict.reasons)
        sentence = f"the service does not take this device: {answer.verdict.detail} ({reasons})"
        raise EnrolmentRefused("ENROLMENT_REFUSED", sentence, reasons=answer.verdict.reasons)
    _check_result(answer.result.verify(trusted_keys), key, proof.challenge)
    _check_answer(answer, key, hpke_public)
    return answer


def registration_of(
    answer: Attestation, profile: Profile, *, key: DeviceKey, place: KeyPlace, purpose: ChallengePurpose
) -> Registration:
    """profile: of the connection that it came over. Raises EnrolmentRefused: another tenant, a life that is over."""
    assert answer.device is not None, "`attest` has checked it"
    assert answer.device.hpke_key is not None, "`attest` has checked it"
    if answer.device.name.rpartition("/")[0] != f"tenants/{profile.tenant}/devices":
        raise _strange("it is of another tenant")
    given = _certificate_of(answer)
    certificate = x509.load_der_x509_certificate(given.certificate)
    # By the certificate itself: a life that was only told could put off its renewal, or ask for it all the time.
    issue_time = max(answer.verdict.verify_time, certificate.not_valid_before_utc)
    if certificate.not_valid_after_utc <= issue_time:
        raise _strange("its certificate is over")
    return Registration(
        device=answer.device.name,
        tenant=profile.tenant,
        address=profile.address,
        ca_pem=profile.ca_pem,
        public_url=profile.public_url,
        certificate=given.certificate,
        issue_time=issue_time,
        expire_time=certificate.not_valid_after_utc,
        key_spki=key.spki,
        key_place=place,
        purpose=purpose,
        hpke_key=answer.device.hpke_key.public_key,
        verdict=answer.verdict.name,
    )


def registration_to_json(registration: Registration) -> dict[str, Any]:
    value = registration.to_dict()
    return {
        **value,
        "issue_time": format_time(registration.issue_time),
        "expire_time": format_time(registration.expire_time),
    }


def registration_from_json(value: Mapping[str, Any]) -> Registration:
    decoded = {name: base64.b64decode(value[name]) for name in ("ca_pem", "certificate", "key_spki", "hpke_key")}
    times = {name: datetime.fromisoformat(value[name]) for name in ("issue_time", "expire_time")}
    chosen = {"key_place": KeyPlace(value["key_place"]), "purpose": ChallengePurpose(value["purpose"])}
    return Registration(**{**value, **decoded, **times, **chosen})


def _certificate_of(answer: Attestation) -> DeviceCertificate:
    """Raises EnrolmentRefused."""
    if answer.certificate is None:
        raise _strange("it brings no certificate")
    return answer.certificate


def _check_result(claims: Mapping[str, Any], key: DeviceKey, challenge: bytes) -> None:
    """What was signed is about this key and this challenge: not the verdict on somebody else, nor on an earlier day."""
    told = claims.get("submods", {}).get("device", {}).get("hallmark_verdict", {})
    nonce = base64.urlsafe_b64encode(challenge).rstrip(b"=").decode()
    wanted = (True, hashlib.sha256(key.spki).hexdigest(), nonce)
    if (told.get("appraised"), told.get("key_sha256"), claims.get("eat_nonce")) != wanted:
        raise _strange("what it signed is about another key or challenge, or a refusal")


def _check_answer(answer: Attestation, key: DeviceKey, hpke_public: bytes) -> None:
    """A certificate that names another device, or has another key, would make this one speak for somebody else."""
    device, given = answer.device, _certificate_of(answer)
    assert device is not None, "`attest` has checked it"
    if device.key_spki != key.spki:
        raise _strange("it enrols another key")
    if device.hpke_key is None or device.hpke_key.public_key != hpke_public:
        raise _strange("it registers another HPKE key")
    try:
        certificate = x509.load_der_x509_certificate(given.certificate)
        named = own_device(certificate.public_bytes(Encoding.PEM))
        spki = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except ValueError as error:
        raise _strange("its certificate can not be read") from error
    if spki != key.spki or named != device.name.rpartition("/")[2]:
        raise _strange("its certificate is for another key or device")


def _strange(why: str) -> EnrolmentRefused:
    return EnrolmentRefused("ANSWER_INVALID", f"the service's answer to the evidence is not about this device: {why}")
