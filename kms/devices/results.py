"""Verdicts as signed attestation results (EAR): composite, and ES256 for relying parties of today."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from attestation.ear import ResultFacts, VerifierId, ear_claims
from kms.core.canonical import canonical_json
from kms.devices.model import DeviceVerdict, SignedResult
from kms.devices.verification import Judged
from kms.keys.algorithms import ALGORITHMS, KeyAlgorithm
from kms.keys.service_jws import sign_jws_as_service
from kms.keys.signing import SigningService

SIGNING_KEY_ID: Final = "attestation-results"
"""tenants/system/keys/attestation-results signs the payload; composite."""
CLASSICAL_KEY_ID: Final = "attestation-results-es256"
CLASSICAL_ALGORITHM: Final[KeyAlgorithm] = ALGORITHMS["ECDSA_P256_SHA256"]
RESULT_CONTEXT: Final = "hallmark/attestation-result/v1"
JWT_TYPE: Final = "eat+jwt"
"""RFC 9782."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultSigner:
    """`lifetime`: how long a relying party may go on with a result."""

    signing: SigningService
    issuer: str
    verifier: VerifierId
    lifetime: timedelta

    async def sign(
        self, judged: Judged, described: DeviceVerdict, *, key_spki: bytes | None, now: datetime
    ) -> SignedResult:
        """Both signatures cover the same bytes. Raises ServiceError when the HSM can not be reached."""
        facts = ResultFacts(
            name=str(described.name),
            issuer=self.issuer,
            subject=described.device,
            expires_at=now + self.lifetime,
            challenge=judged.case.expectation.challenge,
            key_spki_sha256=None if key_spki is None else hashlib.sha256(key_spki).hexdigest(),
            own_reasons=described.own_reasons,
        )
        payload = canonical_json(ear_claims(judged.verdict, facts, self.verifier))
        signature = await self.signing.sign_as_service(SIGNING_KEY_ID, payload, RESULT_CONTEXT, now)
        jwt = await sign_jws_as_service(self.signing, CLASSICAL_KEY_ID, payload, JWT_TYPE, now)
        return SignedResult(payload=payload, signature=signature, jwt=jwt)
