"""Who takes evidence, in memory: real certificates and signed results, and every way to answer wrongly."""

import base64
import hashlib
import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from hallmark_client.model.devices import (
    RESULT_CONTEXT,
    Attestation,
    AttestationResult,
    Challenge,
    Device,
    DeviceCertificate,
    Verdict,
)
from hallmark_client.model.enums import ChallengePurpose, DeviceClass, DeviceState, EvidenceFormat
from hallmark_client.model.signed import ServiceSignature
from hallmark_client.testing import TestAuthority
from hallmark_client.testing.composite import CompositeKeyPair
from hallmark_composite import prehash
from hallmark_composite.algorithms import MLDSA65_ECDSA_P256_SHA512
from unit.hallmark_client.device.life.conftest import DEVICE

VERSION = "tenants/system/keys/attestation-results/versions/1"
AUTHORITY = TestAuthority(datetime.now(UTC))
LIFE = timedelta(hours=8)


def certificate(spki: bytes, device: str, now: datetime | None = None) -> bytes:
    """DER, with the name that the service gives to devices."""
    own = ec.generate_private_key(ec.SECP256R1())
    uri = f"spiffe://hallmark.local/tenants/default/device/d-{device.rpartition('/')[2]}"
    now = now or datetime.now(UTC)
    public = load_der_public_key(spki)
    assert isinstance(public, ec.EllipticCurvePublicKey)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(x509.Name([]))
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + LIFE)
        .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)]), critical=True)
    )
    return builder.sign(own, hashes.SHA256()).public_bytes(Encoding.DER)


def spki_of_another() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@dataclass
class Registrar:
    """`devices` of a client. spoil: what is made of its answers. now: of the service."""

    now: datetime = datetime(2026, 11, 22, 12, tzinfo=UTC)
    device: str = DEVICE
    spoil: Any = None
    refusal: Exception | None = None
    reasons: tuple[str, ...] = ()
    closed: bool = False
    claims: dict[str, Any] = field(default_factory=dict)
    asked: list[dict[str, Any]] = field(default_factory=list)
    pair: CompositeKeyPair = field(default_factory=lambda: CompositeKeyPair.generate(MLDSA65_ECDSA_P256_SHA512))

    @property
    def keys(self) -> Any:
        return {VERSION: self.pair.public_key}

    def client(self) -> Any:
        return SimpleNamespace(devices=self, close=lambda: None, __enter__=None)

    def create_challenge(self, **asked: Any) -> Challenge:
        self.asked.append(asked)
        if self.refusal is not None:
            raise self.refusal
        return Challenge(
            name="tenants/default/challenges/c",
            challenge=bytes(range(32)),
            expire_time=self.now,
            purpose=ChallengePurpose.SOFTWARE_SEALED,
            key_spki=asked["key_spki"] or b"",
        )

    def attest(self, name: str, evidence: Any, **given: Any) -> Attestation:
        assert name.endswith("/c")
        answer = self._answer(given["key_spki"], given["hpke_key"])
        return answer if self.spoil is None else self.spoil(answer)

    def _claims(self, spki: bytes) -> dict[str, Any]:
        """As kms/devices/results.py writes them."""
        verdict = {"appraised": not self.reasons, "key_sha256": hashlib.sha256(spki).hexdigest()}
        nonce = base64.urlsafe_b64encode(bytes(range(32))).rstrip(b"=").decode()
        return {"eat_nonce": nonce, "submods": {"device": {"hallmark_verdict": verdict}}}

    def _answer(self, spki: bytes, hpke: Any) -> Attestation:
        verdict = Verdict(
            name="tenants/default/verdicts/v",
            authentic=True,
            appraised=not self.reasons,
            reasons=self.reasons,
            detail="as the test says",
            claims={},
            not_checked=(),
            input_sha256={},
            verify_time=self.now,
            format=EvidenceFormat.SOFTWARE,
            device=self.device,
            result=None,
        )
        device = Device(
            name=self.device,
            state=DeviceState.ATTESTED,
            latest_verdict=verdict,
            key_spki=spki,
            create_time=self.now,
            update_time=self.now,
            device_class=DeviceClass.SOFTWARE,
            hpke_key=replace(hpke, signature=b""),
            attest_time=self.now,
            assert_time=None,
            counter=0,
        )
        given = DeviceCertificate(
            certificate=certificate(spki, self.device, self.now), spiffe_id="s", expire_time=self.now + LIFE
        )
        payload = json.dumps({**self._claims(spki), **self.claims}).encode()
        signature = ServiceSignature(
            key_version=VERSION,
            signature=self.pair.sign(prehash(self.pair.algorithm, payload), RESULT_CONTEXT.encode()),
            context=RESULT_CONTEXT,
            sign_time=self.now,
        )
        return Attestation(
            verdict=verdict,
            device=None if self.reasons else device,
            log=None,  # type: ignore[arg-type]
            replayed=False,
            certificate=given,
            result=AttestationResult(payload=payload, signature=signature, jwt=""),
        )
