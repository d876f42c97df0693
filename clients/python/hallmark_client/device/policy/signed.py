"""A policy with the service's composite signature: a document that a device takes from anywhere."""

from dataclasses import dataclass
from typing import Final, Self

from hallmark_client.device.policy.errors import PolicyInvalid, PolicyRolledBack
from hallmark_client.device.policy.spelling import as_text, members
from hallmark_client.device.policy.vault_policy import POLICY_BYTES_MAX, VaultPolicy
from hallmark_client.errors import VerificationFailed
from hallmark_client.model.result import Result
from hallmark_events.canonical import canonical_json, encode_base64, parse_base64, parse_canonical
from hallmark_events.errors import EventsError
from hallmark_events.trust import Signature, TrustedKeys, check_signature

CONTEXT: Final = b"hallmark/vault-policy/v1"
FORMAT: Final = "hallmark-signed-vault-policy/v1"
SIGNED_BYTES_MAX: Final = 2 * POLICY_BYTES_MAX

_MEMBERS: Final = {"format", "key_version", "policy", "signature"}


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedPolicy(Result):
    """Proved: the holder of this key of the service signed this policy, for this tenant."""

    policy: VaultPolicy
    key_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedPolicy(Result):
    """Read, not verified. signature: composite ML-DSA over `policy.to_bytes()` with CONTEXT."""

    policy: VaultPolicy
    key_version: str
    signature: bytes

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Canonical JSON, one accepted spelling. Raises PolicyInvalid."""
        found = parse_canonical(data, what="a signed policy", max_bytes=SIGNED_BYTES_MAX, refuse=PolicyInvalid)
        members(found, what="a signed policy", required=_MEMBERS, known=_MEMBERS)
        if found["format"] != FORMAT:
            raise PolicyInvalid(f"not a signed policy of format {FORMAT}")
        return cls(
            policy=VaultPolicy.parse(parse_base64(found["policy"], what="policy", refuse=PolicyInvalid)),
            key_version=as_text(found["key_version"]),
            signature=parse_base64(found["signature"], what="signature", refuse=PolicyInvalid),
        )

    def to_bytes(self) -> bytes:
        return canonical_json(
            {
                "format": FORMAT,
                "key_version": self.key_version,
                "policy": encode_base64(self.policy.to_bytes()),
                "signature": encode_base64(self.signature),
            }
        )

    def verify(self, keys: TrustedKeys, *, tenant: str, in_force: VaultPolicy | None = None) -> VerifiedPolicy:
        """1. the signature, by one of the pinned keys  2. the tenant  3. a version above that of the policy in force

        Raises VerificationFailed, PolicyInvalid, PolicyRolledBack. The policy in force itself, once more, is fine.
        """
        payload = self.policy.to_bytes()
        try:
            check_signature(
                payload, Signature(key_version=self.key_version, signature=self.signature), keys, context=CONTEXT
            )
        except EventsError as error:
            raise VerificationFailed("POLICY_SIGNATURE", f"the policy is not signed by the service: {error}") from error
        if not tenant or self.policy.tenant != tenant:
            raise PolicyInvalid(f"the policy is for tenant {self.policy.tenant!r:.80}, not for {tenant!r:.80}")
        if in_force is not None and self.policy.version <= in_force.version and self.policy != in_force:
            raise PolicyRolledBack(self.policy.version, in_force.version)
        return VerifiedPolicy(policy=self.policy, key_version=self.key_version)
