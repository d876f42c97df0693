"""FIDO metadata in a verdict: may it be believed at this time, what does it say of this authenticator."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha1
from typing import Final

from attestation import der
from attestation.case import Case
from attestation.errors import EvidenceError
from attestation.fido_metadata import FidoMetadata, MetadataEntry
from attestation.formats.webauthn_registration import Registration
from attestation.model import METADATA, Finding, Format, TrustAnchor
from attestation.policy_webauthn import WebAuthnPolicy
from attestation.reasons import Reason, Unchecked
from attestation.trust_path import find_path
from attestation.x509 import COMMON_NAME, parse_certificate

# AuthenticatorStatus values that say that keys or users of this model cannot be relied on (MDS 3.1, 3.1.4).
COMPROMISED: Final = frozenset(
    {
        "USER_VERIFICATION_BYPASS",
        "ATTESTATION_KEY_COMPROMISE",
        "USER_KEY_REMOTE_COMPROMISE",
        "USER_KEY_PHYSICAL_COMPROMISE",
    }
)
REVOKED: Final = "REVOKED"


@dataclass(frozen=True, slots=True)
class Lookup:
    """The entry for a model; `broken` when the metadata is not FIDO's, `stale` when its last day has passed."""

    entry: MetadataEntry | None
    anchors: tuple[TrustAnchor, ...] = ()
    broken: tuple[Finding, ...] = ()
    stale: tuple[Finding, ...] = ()


def look_up(case: Case, registration: Registration) -> Lookup:
    """Metadata that is not signed by an anchor for it is not used at all, and breaks the verdict: the caller passed it
    in the belief that it was.
    """
    metadata = case.collateral.fido_metadata
    if metadata is None:
        return Lookup(None)
    broken = tuple(_check_signer(metadata, case))
    if broken:
        return Lookup(None, broken=broken)
    entry = metadata.find(registration.model, _key_id(registration))
    stale = () if metadata.current(at=case.at) else (_stale(metadata),)
    return Lookup(entry, _anchors(entry, metadata, case), stale=stale)


def _check_signer(metadata: FidoMetadata, case: Case) -> Iterator[Finding]:
    path = find_path(metadata.signer_chain, case.anchors.for_use(Format.WEBAUTHN, METADATA), at=case.at)
    for finding in (*path.findings, *path.dates):
        yield Finding(Reason.BAD_COLLATERAL_SIGNATURE, f"signer of the FIDO metadata: {finding.detail}")
    name = metadata.signer_chain[0].subject.get(COMMON_NAME)
    if name not in case.policy.webauthn.metadata_signers:
        yield Finding(Reason.BAD_COLLATERAL_SIGNATURE, f"FIDO metadata is signed by {name}")


def _stale(metadata: FidoMetadata) -> Finding:
    return Finding(Reason.STALE_COLLATERAL, f"FIDO metadata was to be updated by {metadata.next_update}")


def _anchors(entry: MetadataEntry | None, metadata: FidoMetadata, case: Case) -> tuple[TrustAnchor, ...]:
    """The model's roots. Roots that the caller trusts for another kind of statement are left out: keys below Google's
    are made by any app, which could write a packed statement with them.
    """
    description, roots = (entry.description, entry.roots) if entry else ("", ())
    elsewhere = {anchor.spki for anchor in case.anchors.for_format(Format.WEBAUTHN) if anchor.uses}
    return tuple(
        TrustAnchor(
            name=f"fido-metadata: {description}",
            formats=frozenset({Format.WEBAUTHN}),
            spki=spki,
            source=f"FIDO metadata {metadata.number}, SHA-256 {metadata.sha256}",
        )
        for spki in roots
        if spki not in elsewhere
    )


def _key_id(registration: Registration) -> bytes | None:
    """Key identifier of the attestation certificate (RFC 5280, 4.2.1.2, method 1), by which U2F models are found."""
    certificates = registration.statement.get("x5c")
    if not isinstance(certificates, tuple) or not certificates or not isinstance(certificates[0], bytes):
        return None
    try:
        fields = der.parse(parse_certificate(certificates[0]).spki, relaxed=True).sequence()
        return sha1(fields[1].bits(), usedforsecurity=False).digest() if len(fields) == 2 else None
    except EvidenceError:
        return None


def appraise_metadata(lookup: Lookup, policy: WebAuthnPolicy, *, at: datetime) -> Iterator[Finding]:
    """Statuses in force at this time against the policy."""
    yield from lookup.stale
    if lookup.entry is None:
        if policy.require_metadata or policy.certification_levels:
            yield Finding(Reason.METADATA_MISSING, "there is no FIDO metadata of this authenticator")
        return
    statuses = lookup.entry.statuses(at=at)
    if REVOKED in statuses:
        yield Finding(Reason.REVOKED, f"FIDO revoked {lookup.entry.description}")
    for status in sorted(statuses & COMPROMISED - policy.tolerated_statuses):
        yield Finding(Reason.AUTHENTICATOR_COMPROMISED, f"{lookup.entry.description}: {status}")
    if policy.certification_levels and not policy.certification_levels & statuses:
        yield Finding(Reason.AUTHENTICATOR_NOT_CERTIFIED, f"{lookup.entry.description} lacks the levels asked for")


def not_checked(lookup: Lookup) -> tuple[Unchecked, ...]:
    return () if lookup.entry else (Unchecked.AUTHENTICATOR_STATUS,)
