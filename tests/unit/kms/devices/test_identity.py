"""Certificate and HPKE key of a device: what it has to prove, and what it gets."""

import hashlib
import json
import uuid
from datetime import UTC, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from attestation.testing import DeviceKey
from attestation.testing.certificates import KeyKind, new_key
from hallmark.v1 import devices_pb2
from kms.core.database import metadata
from kms.core.errors import InvalidArgument, PermissionDenied, Reason
from kms.core.identity import Role
from kms.devices.model import HpkeKey
from kms.devices.proofs import hpke_message, key_of_request
from kms.devices.standing import REMEMBERED_SECONDS, DeviceStanding
from support.clock import START
from unit.kms.devices.bench import DeviceBench
from unit.kms.revocation.bench import caller

KEM = 0x647A
PUBLIC = bytes(range(256)) * 4 + bytes(192)


def request_of(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "whatever the device calls itself")])
    return (
        x509.CertificateSigningRequestBuilder()
        .subject_name(subject)
        .sign(key, hashes.SHA256())
        .public_bytes(Encoding.DER)
    )


def hpke(key: DeviceKey, challenge: bytes, *, public: bytes = PUBLIC) -> devices_pb2.DeviceHpkeKey:
    assert isinstance(key.private_key, ec.EllipticCurvePrivateKey)
    message = hpke_message(HpkeKey(kem_id=KEM, public_key=public), challenge)
    signature = key.private_key.sign(message, ec.ECDSA(hashes.SHA256()))
    return devices_pb2.DeviceHpkeKey(kem_id=KEM, public_key=public, signature=signature)


async def test_the_attested_key_gets_a_short_lived_certificate(bench: DeviceBench) -> None:
    challenge = await bench.challenge()
    key = bench.phone.generate_key(challenge.challenge)
    response = await bench.attest(
        bench.request(challenge, key.evidence, certificate_request=request_of(key.private_key))
    )
    certificate = x509.load_der_x509_certificate(response.certificate.certificate)
    certificate.verify_directly_issued_by(bench.authority.certificate)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    identity = f"spiffe://hallmark.test/tenants/default/device/d-{response.device.name.rpartition('/')[2]}"
    assert [name.value for name in names] == [identity] == [response.certificate.spiffe_id]
    public = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert public == key.spki
    assert len(certificate.subject.rdns) == 0, "nothing the device says of itself is certified"
    assert certificate.not_valid_after_utc == START + timedelta(hours=8)
    assert response.certificate.expire_time.ToDatetime(UTC) == certificate.not_valid_after_utc
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [x509.ExtendedKeyUsageOID.CLIENT_AUTH]
    digest = hashlib.sha256(response.certificate.certificate).hexdigest()
    assert json.loads(response.log.entry)["details"]["certificate_sha256"] == digest
    assert "KEY_BINDING" not in response.verdict.not_checked, "the key of the request is the key that is expected"


async def test_a_request_by_another_key_is_a_refusal_and_brings_no_certificate(bench: DeviceBench) -> None:
    challenge = await bench.challenge()
    stranger = new_key(KeyKind.EC_P256)
    evidence = bench.phone.attest(challenge.challenge)
    response = await bench.attest(bench.request(challenge, evidence, certificate_request=request_of(stranger)))
    assert list(response.verdict.reasons) == ["KEY_MISMATCH"]
    assert not response.HasField("certificate")
    assert not response.HasField("device")


async def test_refused_evidence_brings_no_certificate(bench: DeviceBench) -> None:
    challenge = await bench.challenge()
    key = bench.phone.changed(locked=False).generate_key(challenge.challenge)
    response = await bench.attest(
        bench.request(challenge, key.evidence, certificate_request=request_of(key.private_key))
    )
    assert response.verdict.authentic
    assert not response.verdict.appraised
    assert not response.HasField("certificate")


async def test_a_request_that_does_not_fit_leaves_the_challenge_unused(bench: DeviceBench) -> None:
    challenge = await bench.challenge()
    key = bench.phone.generate_key(challenge.challenge)
    broken = bytearray(request_of(key.private_key))
    broken[-1] ^= 1
    other = new_key(KeyKind.EC_P256)
    for request in (bytes(broken), b"garbage", bytes(20_000)):
        with pytest.raises(InvalidArgument) as refused:
            await bench.attest(bench.request(challenge, key.evidence, certificate_request=request))
        assert refused.value.field == "certificate_request"
    mixed = bench.request(challenge, key.evidence, certificate_request=request_of(other), key_spki=key.spki)
    with pytest.raises(InvalidArgument):
        await bench.attest(mixed)
    assert (await bench.attest(bench.request(challenge, key.evidence))).verdict.appraised


def test_keys_that_tls_does_not_take_are_refused() -> None:
    for key in (ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP521R1())):
        builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
        algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
        with pytest.raises(InvalidArgument, match="P-256"):
            key_of_request(builder.sign(key, algorithm).public_bytes(Encoding.DER))


async def test_an_hpke_key_is_registered_and_stays(bench: DeviceBench) -> None:
    challenge = await bench.challenge()
    key = bench.phone.generate_key(challenge.challenge)
    signed = hpke(key, challenge.challenge)
    response = await bench.attest(bench.request(challenge, key.evidence, key_spki=key.spki, hpke_key=signed))
    registered = response.device.hpke_key
    assert (registered.kem_id, registered.public_key, registered.signature) == (KEM, PUBLIC, b"")
    assert (await bench.get(response.device.name)).hpke_key == registered
    assert json.loads(response.log.entry)["details"]["hpke_key_sha256"] == hashlib.sha256(PUBLIC).hexdigest()


@pytest.mark.parametrize("change", ["public", "challenge", "signer", "no key named", "size", "kem"])
async def test_an_hpke_key_that_the_attested_key_did_not_sign(bench: DeviceBench, change: str) -> None:
    challenge = await bench.challenge()
    key, other = bench.phone.generate_key(challenge.challenge), bench.phone.generate_key(challenge.challenge)
    signed = hpke(other if change == "signer" else key, b"x" if change == "challenge" else challenge.challenge)
    if change == "public":
        signed.public_key = bytes(len(PUBLIC))
    if change == "size":
        signed.public_key = PUBLIC[1:]
    if change == "kem":
        signed.kem_id = 0x0020
    spki = b"" if change == "no key named" else key.spki
    with pytest.raises(InvalidArgument) as refused:
        await bench.attest(bench.request(challenge, key.evidence, key_spki=spki, hpke_key=signed))
    signature = change in {"public", "challenge", "signer"}
    assert refused.value.reason is (Reason.SIGNATURE_INVALID if signature else Reason.FIELD_INVALID)
    corrected = hpke(key, challenge.challenge)
    response = await bench.attest(bench.request(challenge, key.evidence, key_spki=key.spki, hpke_key=corrected))
    assert response.device.hpke_key.public_key == PUBLIC, "the refusal left the challenge unused"


async def test_a_revoked_device_is_refused_within_a_second(bench: DeviceBench) -> None:
    _, device = await bench.enrol()
    clock = bench.service.clock
    standing = DeviceStanding(bench.service.database, clock)
    who = caller(Role.DEVICE, name=f"d-{device.name.rpartition('/')[2]}")
    await standing.check(who)
    revoked = {"state": "revoked", "revoke_time": clock.now()}
    table = metadata.tables["device"]
    await bench.service.database.write(lambda tx: tx.execute(table.update().values(revoked)))
    await standing.check(who)  # remembered
    clock.advance(REMEMBERED_SECONDS)
    with pytest.raises(PermissionDenied) as refused:
        await standing.check(who)
    assert refused.value.reason is Reason.DEVICE_REVOKED


async def test_who_was_never_attested_has_no_standing(bench: DeviceBench) -> None:
    standing = DeviceStanding(bench.service.database, bench.service.clock)
    with pytest.raises(PermissionDenied):
        await standing.check(caller(Role.DEVICE, name=f"d-{uuid.uuid4()}"))
    await standing.check(caller(Role.DEVICE, name="device"))  # a profile the operator gave out
