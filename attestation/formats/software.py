"""Hallmark's own statement of a device without secure hardware: a key in software signs the challenge.

It proves that the sender holds the key, and nothing about the device: the lowest assurance there is. The default policy
refuses it (LEVEL_NOT_ALLOWED).

The statement is a COSE_Sign1 message (RFC 9052; tag 18 may stand before it) with the protected headers {1: algorithm},
no other headers, and a signature with that algorithm: -49, ML-DSA-65 (FIPS 204, pure, without context), or -7, ES256
(RFC 9053, 2.1), for devices whose key is also that of their TLS certificate. Its payload is a map of EAT claims
(RFC 9711) in deterministic CBOR (RFC 8949, 4.2.1), and nothing else than these:

    8    {1: COSE_Key}   the key that signs: {1: 7, 3: -49, -1: public key of 1952 bytes} (RFC 8747, RFC 9964), or
                         {1: 2, 3: -7, -1: 1, -2: x, -3: y} (P-256; RFC 9053, 7.1)
    10   byte string     the challenge, 1 to 1024 bytes
    259  byte string     may be absent: device model, UTF-8, 1 to 64 bytes
    265  text            "tag:hallmark,2026:software-device#1"
    270  text            may be absent: name of the software that made the statement, 1 to 64 characters

The steps, in the order in which their findings are listed:

 1. bounds; the message is encoded exactly as said above (else MALFORMED)
 2. the key in it made the signature
 3. the nonce is the challenge
 4. the key is the one to enrol
"""

import hmac
from dataclasses import dataclass
from typing import Final, TypeAlias

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, mldsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from attestation import cbor, cbor_encode
from attestation.case import Case
from attestation.cbor import CborKey, CborValue
from attestation.claims import Claims, DeviceIdentity, Freshness, SecurityLevel
from attestation.cose_key import parse_cose_key
from attestation.cose_sign1 import CoseAlgorithm, CoseSign1, parse_cose_sign1, sig_structure
from attestation.errors import EvidenceError
from attestation.model import Evidence, Expectation, Finding, Format, Judgement, Part
from attestation.policy_software import SoftwarePolicy
from attestation.public_key import describe_key
from attestation.reasons import Reason, Unchecked

STATEMENT: Final = "statement"
PROFILE: Final = "tag:hallmark,2026:software-device#1"
MAX_EVIDENCE_BYTES: Final = 8 * 1024  # key and signature alone have 5261
MAX_TEXT: Final = 64
MAX_NONCE_BYTES: Final = 1024

CONFIRMATION, NONCE, MODEL, EAT_PROFILE, SOFTWARE_NAME = 8, 10, 259, 265, 270
_KNOWN: Final = frozenset({CONFIRMATION, NONCE, MODEL, EAT_PROFILE, SOFTWARE_NAME})
_COORDINATE_BYTES: Final = 32  # of P-256
_HEADERS: Final = {
    algorithm: cbor_encode.encode({1: int(algorithm)}) for algorithm in (CoseAlgorithm.ES256, CoseAlgorithm.ML_DSA_65)
}

Key: TypeAlias = mldsa.MLDSA65PrivateKey | ec.EllipticCurvePrivateKey
"""The latter on P-256."""


@dataclass(frozen=True, slots=True)
class Statement:
    """What was read, before any judgement. `spki` is the key, DER SubjectPublicKeyInfo."""

    message: CoseSign1
    spki: bytes
    nonce: bytes
    model: str | None
    software: str | None


def evidence(statement: bytes) -> Evidence:
    """The statement as `make_statement` gives it."""
    return Evidence(Format.SOFTWARE, (Part(STATEMENT, statement),))


def make_statement(key: Key, challenge: bytes, *, model: str | None = None, software: str | None = None) -> bytes:
    """The statement of a device that holds this key, for this challenge (1 to 1024 bytes)."""
    algorithm, cose_key = _cose_key(key)
    claims: dict[CborKey, CborValue] = {CONFIRMATION: {1: cose_key}, NONCE: challenge, EAT_PROFILE: PROFILE}
    if model is not None:
        claims[MODEL] = model.encode()
    if software is not None:
        claims[SOFTWARE_NAME] = software
    headers, payload = _HEADERS[algorithm], cbor_encode.encode(claims)
    return cbor_encode.encode((headers, {}, payload, _signed(key, sig_structure(headers, payload))))


def judge(case: Case) -> Judgement:
    """Authenticate, and appraise what is authentic."""
    statement = read(case.evidence)
    findings = [*_check_signature(statement), *_check_binding(statement, case.expectation)]
    claims = Claims(
        device=DeviceIdentity(model=statement.model) if statement.model else None,
        key=describe_key(statement.spki),
        security_level=SecurityLevel.SOFTWARE,
        freshness=Freshness(statement.nonce),
        vendor=(("software", statement.software),) if statement.software else (),
    )
    if not findings:
        findings = _appraise(statement, case.policy.software)
    unchecked = () if case.expectation.key_spki is not None else (Unchecked.KEY_BINDING,)
    return Judgement(tuple(findings), claims, unchecked)


def read(found: Evidence) -> Statement:
    """Parse the evidence; EvidenceError (MALFORMED, UNSUPPORTED_ALGORITHM, WRONG_TYPE)."""
    statements = found.named(STATEMENT)
    if len(statements) != 1 or len(found.parts) != 1:
        raise EvidenceError("evidence is not one statement")
    if found.size > MAX_EVIDENCE_BYTES:
        raise EvidenceError(f"evidence of {found.size} bytes, at most {MAX_EVIDENCE_BYTES}")
    message = parse_cose_sign1(statements[0])
    algorithm = message.algorithm()
    if algorithm not in _HEADERS:
        raise EvidenceError("statements are signed with ML-DSA-65 or ES256", reason=Reason.UNSUPPORTED_ALGORITHM)
    if message.protected != _HEADERS[algorithm] or message.unprotected:
        raise EvidenceError("COSE headers hold something else than the algorithm")
    return _parse(message)


def _parse(message: CoseSign1) -> Statement:
    fields = cbor.decode(message.payload)
    if not isinstance(fields, dict) or not fields.keys() <= _KNOWN:
        raise EvidenceError("claims are not those of a software statement")
    if fields.get(EAT_PROFILE) != PROFILE:
        raise EvidenceError("profile is not that of a software statement", reason=Reason.WRONG_TYPE)
    if cbor_encode.encode(fields) != message.payload:
        raise EvidenceError("claims are not in the deterministic encoding")
    confirmation, nonce, model = fields.get(CONFIRMATION), fields.get(NONCE), fields.get(MODEL)
    if not isinstance(confirmation, dict) or confirmation.keys() != {1}:
        raise EvidenceError("confirmation is not one key")
    if not isinstance(nonce, bytes) or not 1 <= len(nonce) <= MAX_NONCE_BYTES:
        raise EvidenceError(f"nonce is not 1 to {MAX_NONCE_BYTES} bytes")
    if model is not None and not isinstance(model, bytes):
        raise EvidenceError("model is not a byte string")
    key = parse_cose_key(confirmation[1], algorithm_required=True)
    if key.algorithm != message.algorithm():
        raise EvidenceError("the key in it is for another algorithm", reason=Reason.UNSUPPORTED_ALGORITHM)
    return Statement(
        message, key.spki, nonce, None if model is None else _text(_utf8(model)), _text(fields.get(SOFTWARE_NAME))
    )


def _cose_key(key: Key) -> tuple[CoseAlgorithm, dict[CborKey, CborValue]]:
    match key:
        case mldsa.MLDSA65PrivateKey():
            public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
            return CoseAlgorithm.ML_DSA_65, {1: 7, 3: int(CoseAlgorithm.ML_DSA_65), -1: public}
        case _:
            point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)[1:]
            x, y = point[:_COORDINATE_BYTES], point[_COORDINATE_BYTES:]
            return CoseAlgorithm.ES256, {1: 2, 3: int(CoseAlgorithm.ES256), -1: 1, -2: x, -3: y}


def _signed(key: Key, message: bytes) -> bytes:
    if isinstance(key, mldsa.MLDSA65PrivateKey):
        return key.sign(message)
    r, s = decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(_COORDINATE_BYTES) + s.to_bytes(_COORDINATE_BYTES)


def _utf8(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise EvidenceError("model is not UTF-8") from error


def _text(value: CborValue) -> str | None:
    if value is not None and (not isinstance(value, str) or not 1 <= len(value) <= MAX_TEXT):
        raise EvidenceError(f"model or software is not 1 to {MAX_TEXT} characters")
    return value


def _check_signature(statement: Statement) -> list[Finding]:
    try:
        statement.message.verify(statement.spki, algorithms=_HEADERS.keys())
    except EvidenceError as error:
        return [Finding(error.reason, error.detail)]
    return []


def _check_binding(statement: Statement, expectation: Expectation) -> list[Finding]:
    findings: list[Finding] = []
    if not expectation.challenge_matches(statement.nonce):
        findings.append(Finding(Reason.CHALLENGE_MISMATCH, "the statement was made for another challenge"))
    wanted = expectation.key_spki
    if wanted is not None and not hmac.compare_digest(wanted, statement.spki):
        findings.append(Finding(Reason.KEY_MISMATCH, "the statement is of another key than the one to enrol"))
    return findings


def _appraise(statement: Statement, policy: SoftwarePolicy) -> list[Finding]:
    if not policy.allow:
        return [Finding(Reason.LEVEL_NOT_ALLOWED, "a key in software, for which no hardware vouches")]
    if policy.models and statement.model not in policy.models:
        return [Finding(Reason.IDENTITY_NOT_ALLOWED, f"device model {statement.model!r}")]
    return []
