"""Trust bundles: every public key of a tenant and of the service with its validity, signed by the service."""

from dataclasses import dataclass
from datetime import datetime

from hallmark_client.errors import VerificationFailed
from hallmark_client.model.bundle_payload import BundleKey, BundleVersion, read_payload
from hallmark_client.model.log import LogPromise
from hallmark_client.model.result import Result
from hallmark_client.model.signed import ServiceSignature, TrustedKeys
from hallmark_client.verifying_key import VerifyingKey, verifying_key
from hallmark_composite import CompositePublicKey

BUNDLE_CONTEXT = "hallmark/trust-bundle/v1"
SIGNING_KEY = "tenants/system/keys/trust-bundle"
"""Signs every bundle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedBundle(Result):
    """Proved: the service vouched for exactly these keys, lately enough. Keep `sequence` for the next one."""

    tenant: str
    sequence: int
    issued: datetime
    not_after: datetime
    keys: tuple[BundleKey, ...]

    def version(self, name: str) -> BundleVersion:
        """Raises VerificationFailed (VERSION_UNKNOWN): it never was, or its verify tail is over."""
        for key in self.keys:
            for version in key.versions:
                if version.name == name:
                    return version
        raise VerificationFailed("VERSION_UNKNOWN", f"{name} is not in trust bundle {self.sequence}")

    def public_key(self, name: str, *, at: datetime) -> VerifyingKey:
        """The key of a version that was valid when something was signed.

        Of a composite it is one for hallmark_composite.verify; a plain one verifies itself; `verify_file` takes both.
        at: when it was signed, from a source you trust, such as the log. Raises VerificationFailed (VERSION_UNKNOWN,
        VERSION_NOT_VALID, PUBLIC_KEY_INVALID).
        """
        version = self.version(name)
        version.check_valid(at)
        try:
            return verifying_key(version.spki)
        except VerificationFailed as error:
            raise VerificationFailed("PUBLIC_KEY_INVALID", f"the key of {name}: {error}") from error

    def service_keys(self) -> TrustedKeys:
        """The service's own composite keys, without revoked ones: for events, heartbeats and the next bundle.

        It has a classical one, too, for attestation results as JWT: nothing here is believed by that alone.
        """
        own = (version for key in self.keys if key.purpose == "SERVICE" for version in key.versions)
        keys = {version.name: _service_key(version) for version in own if not version.is_distrusted}
        return {name: key for name, key in keys.items() if isinstance(key, CompositePublicKey)}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustBundle(Result):
    """A bundle as it came; nothing is proved before `verify`. payload: the signed bytes, canonical JSON.

    public_path: where the same bundle is on the public read plane. log: absent on one read from a public file.
    """

    payload: bytes
    signature: ServiceSignature
    sequence: int
    public_path: str = ""
    log: LogPromise | None = None

    def verify(self, trusted_keys: TrustedKeys, *, tenant: str, now: datetime, newest_seen: int = 0) -> VerifiedBundle:
        """Check signature, tenant, age, and that it is not older than what was seen before.

        trusted_keys: of the service, from `VerifiedBundle.service_keys` of an earlier bundle or a PEM you keep. Raises
        SignatureInvalid, VerificationFailed (KEY_NOT_TRUSTED, CONTEXT_MISMATCH, BUNDLE_INVALID, BUNDLE_FOREIGN,
        BUNDLE_EXPIRED, BUNDLE_ROLLED_BACK).
        """
        self.signature.verify(self.payload, trusted_keys, context=BUNDLE_CONTEXT)
        content = read_payload(self.payload)
        if content.tenant != tenant:
            raise VerificationFailed("BUNDLE_FOREIGN", f"the bundle is of tenant {content.tenant}, not of {tenant}")
        if content.sequence < newest_seen or content.sequence != self.sequence:
            sentence = f"the bundle says it is number {content.sequence}; expected {max(newest_seen, self.sequence)}"
            raise VerificationFailed("BUNDLE_ROLLED_BACK", sentence)
        if now > content.not_after:
            raise VerificationFailed("BUNDLE_EXPIRED", f"the bundle was good until {content.not_after.isoformat()}")
        return VerifiedBundle(
            tenant=content.tenant,
            sequence=content.sequence,
            issued=content.issued,
            not_after=content.not_after,
            keys=content.keys,
        )


def _service_key(version: BundleVersion) -> VerifyingKey:
    try:
        return verifying_key(version.spki)
    except VerificationFailed as error:
        raise VerificationFailed("PUBLIC_KEY_INVALID", f"the key of {version.name}: {error}") from error
