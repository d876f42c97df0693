"""What a caller gives to AttestDevice, checked as far as it can be without state."""

from dataclasses import dataclass

from attestation.model import Evidence, Format
from kms.core.errors import FailedPrecondition, InvalidArgument, Reason
from kms.devices.model import Challenge, ChallengePurpose
from kms.devices.proofs import HpkeRegistration, check_hpke_signature


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What a caller gives. `key_spki`: the key that must be attested; `wants_certificate`: a request signed by it was
    shown.
    """

    evidence: Evidence
    purpose: ChallengePurpose = ChallengePurpose.FIRST_BOOT
    key_spki: bytes | None = None
    wants_certificate: bool = False
    hpke: HpkeRegistration | None = None

    def __post_init__(self) -> None:
        """Raises InvalidArgument."""
        is_assertion = self.evidence.format is Format.APPLE_APP_ASSERTION
        if is_assertion is not (self.purpose is ChallengePurpose.ASSERTION):
            raise InvalidArgument(
                Reason.FIELD_INVALID, "assertions, and nothing else, take purpose ASSERTION", field="purpose"
            )
        if is_assertion and self.key_spki is None:
            raise InvalidArgument(
                Reason.FIELD_INVALID, "an assertion needs key_spki: the key it was made with", field="key_spki"
            )
        if self.hpke is not None and (self.key_spki is None or is_assertion):
            raise InvalidArgument(
                Reason.FIELD_INVALID,
                "hpke_key is registered with an attestation that names the attested key in key_spki",
                field="hpke_key",
            )

    def check_made_for(self, challenge: Challenge) -> None:
        """Raises FailedPrecondition/CHALLENGE_MISMATCH. In the transaction that consumes the challenge the refusal
        undoes that: a caller who mixed two up can still use both.
        """
        name = str(challenge.name)
        if challenge.purpose is not self.purpose:
            raise FailedPrecondition(
                Reason.CHALLENGE_MISMATCH,
                f"this challenge was made for {challenge.purpose.name}, not for {self.purpose.name}; ask for another",
                resource=name,
            )
        if challenge.key_spki is not None and self.key_spki not in {None, challenge.key_spki}:
            raise FailedPrecondition(
                Reason.CHALLENGE_MISMATCH, "this challenge was made for another key; ask for another", resource=name
            )

    def check_signed_for(self, challenge: Challenge) -> None:
        """Raises InvalidArgument/SIGNATURE_INVALID for an HPKE key that was not signed with this challenge; called
        where `check_made_for` is, so that this refusal leaves the challenge unused too.
        """
        if self.hpke is not None and self.key_spki is not None:
            check_hpke_signature(self.hpke, challenge=challenge.value, signer_spki=self.key_spki)
