"""Arm rows: one token. The relying party has enrolled every key of the folder (PEM, JWK, CoRIM) for the instance that
the token names, because key files name none; it knows the nonce or the realm's challenge, which are claims of the row.
"""

import json
from base64 import urlsafe_b64decode
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from attestation.arm_collateral import MAX_KEYS, ArmDevice, ArmEndorsements
from attestation.case import Case
from attestation.corim import parse_corim
from attestation.errors import CollateralError, EvidenceError
from attestation.formats import arm_cca, arm_psa
from attestation.formats.arm_claims import Claim, claim_map, instance_id_of
from attestation.formats.arm_realm import split_collection
from attestation.formats.arm_token import open_token
from attestation.model import Anchors, Collateral, Expectation
from attestation.policy import Policy
from attestation.reasons import Reason
from attestation.samples.sample import Folder, Row, Sample
from attestation.samples.tpm_row import sample_time

PHRASES: Final = {
    "NONCE_MISMATCH": Reason.CHALLENGE_MISMATCH,
    "BAD_BINDING": Reason.BINDING_MISMATCH,
    "MAC0": Reason.UNSUPPORTED_ALGORITHM,
}
_CURVES: Final[dict[str, ec.EllipticCurve]] = {
    "P-256": ec.SECP256R1(),
    "P-384": ec.SECP384R1(),
    "P-521": ec.SECP521R1(),
}
_PROFILE_1_NONCE: Final = -75008
_NO_CHALLENGE: Final = b"no challenge was given"


def load(row: Row, folder: Folder) -> Sample:
    name = next((name for name in row["files"] if name.endswith((".cbor", ".bin", ".cose"))), row["files"][0])
    token = folder.read(name)
    claims = row["claims"]
    realm = _is_cca(token)
    names = ("expected_challenge", "expected_nonce", "realm_challenge", "challenge", "nonce")
    challenge = next((claims[name] for name in names if claims.get(name)), None)
    return Sample(
        Case(
            arm_cca.evidence(token) if realm else arm_psa.evidence(token),
            Expectation(bytes.fromhex(challenge) if challenge else _own_challenge(token, realm=realm)),
            Anchors(()),
            Collateral(arm=_store(token, folder.path, Path(name).parent, realm=realm)),
            Policy(),
            sample_time(row),
        )
    )


def _own_challenge(token: bytes, *, realm: bool) -> bytes:
    """Where a row names none, the relying party asked for what the token says; other steps have to refuse it."""
    try:
        message = open_token(split_collection(token)[1] if realm else token)
        fields = claim_map(message.payload)
    except EvidenceError:
        return _NO_CHALLENGE
    found = fields.get(Claim.NONCE, fields.get(_PROFILE_1_NONCE))
    return found if isinstance(found, bytes) and found else _NO_CHALLENGE


def _is_cca(token: bytes) -> bool:
    try:
        split_collection(token)
    except EvidenceError:
        return False
    return True


def _store(token: bytes, root: Path, beside: Path, *, realm: bool) -> ArmEndorsements:
    """Keys of the token's own folder first; a store holds no more than sixteen for one instance."""
    own: list[bytes] = []
    others: list[bytes] = []
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        (own if path.parent == root / beside else others).extend(_keys(path))
    keys = tuple(dict.fromkeys((*own, *others)))[:MAX_KEYS]
    try:
        instance_id = instance_id_of(open_token(split_collection(token)[0] if realm else token).payload)
        return ArmEndorsements.of((ArmDevice(instance_id, keys),))
    except (EvidenceError, CollateralError):
        return ArmEndorsements(())


def _keys(path: Path) -> list[bytes]:
    data = path.read_bytes()
    try:
        if b"-----BEGIN PUBLIC KEY-----" in data[:64]:
            return [_spki(load_pem_public_key(data))]
        if path.suffix == ".json":
            return _jwk(json.loads(data))
        if path.suffix == ".cbor" and "corim" in path.parts:
            return [key for device in parse_corim(data).devices for key in device.keys]
    except (ValueError, KeyError, TypeError, CollateralError):
        return []
    return []


def _jwk(document: Any) -> list[bytes]:
    if not isinstance(document, dict) or document.get("kty") != "EC":
        return []
    x, y = (int.from_bytes(urlsafe_b64decode(document[name] + "==")) for name in ("x", "y"))
    return [_spki(ec.EllipticCurvePublicNumbers(x, y, _CURVES[document["crv"]]).public_key())]


def _spki(key: Any) -> bytes:
    encoded: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return encoded
