"""WebAuthn rows: one JSON file with attestation object, client data and what the relying party knew (challenge, origin,
rpId). Rows of the W3C's test vectors are judged with their test root, and keys outside secure hardware are allowed
there, because the vectors for android-key and tpm have such keys.
"""

import json
from base64 import b64decode
from dataclasses import replace
from typing import Final

from attestation import cbor
from attestation.anchors import GOOGLE
from attestation.anchors_apple import APPLE
from attestation.anchors_webauthn import WEBAUTHN
from attestation.case import Case
from attestation.errors import EvidenceError
from attestation.formats import webauthn
from attestation.formats.webauthn_registration import parse_client_data
from attestation.model import Anchors, Collateral, Expectation, Format, TrustAnchor
from attestation.policy import AndroidPolicy, Policy
from attestation.policy_webauthn import WebAuthnPolicy
from attestation.reasons import Reason
from attestation.samples.row_values import base64_octets, row_time
from attestation.samples.sample import Folder, Row, Sample
from attestation.x509 import parse_certificate

_ANCHORS: Final = (*GOOGLE.items, *APPLE.items, *WEBAUTHN.items)
_W3C: Final = "w3c"
# The key of the CA in the appendix "Test Vectors" of the specification, whose private half is printed there, too.
_W3C_ROOT: Final = b64decode(
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEMmkwDl/3tpkBX3DPgKh2O/cFvC4q8MGznP9xi3w1iAyjDzGQeNkbAziaAG/fyKHc2E7foH0wqhNH"
    "SiSKDatbqg=="
)
_NO_CHALLENGE: Final = b"no challenge was given"
# Words of rows for reasons that have a name of their own here.
PHRASES: Final = {"APP_ID_MISMATCH": Reason.RP_ID_MISMATCH}


def load(row: Row, folder: Folder) -> Sample:
    (name,) = folder.files(row, ending=".json")
    content = json.loads(folder.read(name))
    attestation_object, client_data = (base64_octets(content[name]) for name in ("attestationObject", "clientDataJSON"))
    of_w3c = _W3C in name.lower() or _W3C in str(row["id"]).lower()
    web = WebAuthnPolicy(
        rp_ids=frozenset({content["rpId"]}) if "rpId" in content else frozenset(),
        origins=frozenset({content["origin"]}) if "origin" in content else frozenset(),
        allow_software_android_keys=of_w3c,
        allow_unprotected_tpm_keys=of_w3c,
    )
    policy = Policy(android=AndroidPolicy(allow_missing_status_list=True), webauthn=web)
    strict = Case(
        evidence=webauthn.evidence(attestation_object, client_data),
        expectation=Expectation(_challenge(content.get("challenge"), client_data)),
        anchors=Anchors((*_ANCHORS, _anchor(_W3C_ROOT)) if of_w3c else _ANCHORS),
        collateral=Collateral(),
        policy=policy,
        at=row_time(row),
    )
    return Sample(strict, _lenient(strict, attestation_object))


def _lenient(strict: Case, attestation_object: bytes) -> Case:
    """A relying party that has configured the maker's key, and takes self attestation without a user."""
    web = replace(
        strict.policy.webauthn,
        allow_self_attestation=True,
        require_user_presence=False,
    )
    top = _top_key(attestation_object)
    anchors = Anchors((*strict.anchors.items, _anchor(top))) if top else strict.anchors
    return replace(strict, anchors=anchors, policy=replace(strict.policy, webauthn=web))


def _top_key(attestation_object: bytes) -> bytes | None:
    """The key of the last certificate in x5c, where it can be read."""
    try:
        content = cbor.decode(attestation_object)
    except EvidenceError:
        return None
    statement = content.get("attStmt") if isinstance(content, dict) else None
    certificates = statement.get("x5c") if isinstance(statement, dict) else None
    top = certificates[-1] if isinstance(certificates, tuple) and certificates else None
    try:
        return parse_certificate(top).spki if isinstance(top, bytes) else None
    except EvidenceError:
        return None


def _anchor(spki: bytes) -> TrustAnchor:
    return TrustAnchor("configured for this row", frozenset({Format.WEBAUTHN}), spki, "the sample")


def _challenge(given: str | None, client_data: bytes) -> bytes:
    """What the relying party had given; where the file does not name it, what the browser says of it."""
    try:
        challenge = base64_octets(given) if given else parse_client_data(client_data).challenge
    except EvidenceError:
        challenge = b""
    return challenge or _NO_CHALLENGE
