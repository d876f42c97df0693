"""Signed attestation results of the fake: real signatures over a small claims set."""

import base64
import json
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from hallmark.v1 import common_pb2, devices_pb2
from hallmark_client.model.devices import RESULT_CONTEXT
from hallmark_client.testing.keys import RESULTS_SERVICE_KEY, FakeKeys
from hallmark_client.testing.state import State
from hallmark_composite import prehash

_CLASSICAL_KEY: Final = "tenants/system/keys/attestation-results-es256/versions/1"


class FakeResults:
    """A composite signature and a JWT (ES256) over the same bytes."""

    def __init__(self, state: State, keys: FakeKeys) -> None:
        self._state = state
        self._keys = keys
        self._classical = ec.generate_private_key(ec.SECP256R1())

    def sign(self, verdict: devices_pb2.Verdict, challenge: bytes) -> devices_pb2.AttestationResult:
        now = self._state.now()
        claims = {
            "ear_verifier_id": {"build": "fake", "developer": "Hallmark"},
            "eat_nonce": _base64url(challenge),
            "eat_profile": "tag:ietf.org,2026:rats/ear#04",
            "iat": int(now.timestamp()),
            "submods": {"device": {"ear_status": "affirming" if verdict.appraised else "contraindicated"}},
        }
        payload = json.dumps(claims, sort_keys=True, separators=(",", ":")).encode()
        version = self._keys.version(RESULTS_SERVICE_KEY, None).name
        pair = self._keys.pair(version)
        signature = common_pb2.ServiceSignature(
            key_version=version,
            signature=pair.sign(prehash(pair.algorithm, payload), RESULT_CONTEXT.encode()),
            context=RESULT_CONTEXT,
        )
        signature.sign_time.FromDatetime(now)
        return devices_pb2.AttestationResult(payload=payload, signature=signature, jwt=self._jwt(payload))

    def _jwt(self, payload: bytes) -> str:
        header = json.dumps({"alg": "ES256", "kid": _CLASSICAL_KEY, "typ": "eat+jwt"}, separators=(",", ":"))
        signed = f"{_base64url(header.encode())}.{_base64url(payload)}"
        halves = decode_dss_signature(self._classical.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{_base64url(b''.join(half.to_bytes(32) for half in halves))}"


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
