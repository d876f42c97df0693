"""Claims of a WebAuthn registration. Those of an Android key description come in under their own names."""

from dataclasses import replace

from attestation.authenticator_data import Flag
from attestation.claims import Claims, Freshness, VendorValue
from attestation.fido_metadata import MetadataEntry
from attestation.formats.webauthn_registration import Registration
from attestation.formats.webauthn_statement import Outcome
from attestation.public_key import describe_key


def build_claims(registration: Registration, outcome: Outcome, entry: MetadataEntry | None) -> Claims:
    """What the evidence says, and what FIDO says of its maker."""
    flags, inner = registration.flags, outcome.inner or Claims()
    created = inner.freshness.created_at if inner.freshness else None
    origin = inner.key.origin if inner.key else None
    vendor: list[tuple[str, VendorValue]] = [
        ("aaguid", registration.credential.aaguid.hex()),
        ("algorithm", registration.key.algorithm),
        ("backed_up", Flag.BACKED_UP in flags),
        ("backup_eligible", Flag.BACKUP_ELIGIBLE in flags),
        ("credential_id", registration.credential.credential_id.hex()),
        ("cross_origin", registration.client_data.cross_origin),
        ("origin", registration.client_data.origin),
        ("rp_id_hash", registration.data.rp_id_hash.hex()),
        ("statement", registration.format),
        ("user_present", Flag.USER_PRESENT in flags),
        ("user_verified", Flag.USER_VERIFIED in flags),
        *outcome.vendor,
        *inner.vendor,
    ]
    if entry is not None:
        vendor += [("authenticator", entry.description), ("key_protection", ",".join(entry.key_protection))]
    return replace(
        inner,
        key=describe_key(registration.key.spki, origin=origin, purposes=("SIGN",)),
        security_level=outcome.level,
        freshness=Freshness(registration.client_data.challenge, created),
        counter=registration.counter,
        anchor=outcome.anchor.name if outcome.anchor else None,
        certificate_serials=tuple(certificate.serial for certificate in outcome.chain),
        vendor=tuple(sorted(vendor, key=lambda item: item[0])),
    )
