"""Claims of Apple App Attest. Counter, app and environment are signed with the key or its certificate; what the receipt
says is Apple's own word.
"""

from attestation.claims import Application, Claims, Freshness, SecurityLevel, VendorValue
from attestation.formats.apple_assertion import Assertion
from attestation.formats.apple_attestation_object import AppAttestFacts
from attestation.formats.apple_certificate import app_id, os_versions
from attestation.formats.apple_receipt import Receipt
from attestation.model import TrustAnchor
from attestation.public_key import describe_key


def attestation_claims(
    facts: AppAttestFacts, receipt: Receipt | None, *, challenge: bytes | None, anchor: TrustAnchor | None
) -> Claims:
    """What the evidence says. `challenge` is the client data, where the nonce proves that it was this one."""
    leaf = facts.chain[0]
    app = app_id(leaf)
    vendor: list[tuple[str, VendorValue]] = [
        ("app_id", app),
        ("environment", facts.environment),
        ("key_id", facts.credential.credential_id.hex()),
        ("os_versions", ",".join(os_versions(leaf))),
        ("rp_id_hash", facts.data.rp_id_hash.hex()),
    ]
    if receipt is not None:
        vendor += [
            ("receipt.kind", receipt.kind),
            ("receipt.environment", receipt.environment),
            ("receipt.created_at", receipt.created_at.isoformat()),
            ("receipt.risk_metric", receipt.risk_metric),
        ]
    return Claims(
        key=describe_key(leaf.spki, origin="GENERATED", purposes=("SIGN",)),
        security_level=SecurityLevel.SECURE_ENCLAVE,
        application=None if app is None else Application(((app, 0),), ()),
        freshness=None if challenge is None else Freshness(challenge, receipt.created_at if receipt else None),
        counter=facts.counter,
        anchor=anchor.name if anchor else None,
        certificate_serials=tuple(certificate.serial for certificate in facts.chain),
        vendor=tuple(sorted(vendor)),
    )


def assertion_claims(assertion: Assertion, *, spki: bytes, key_id: bytes | None) -> Claims:
    """What an assertion says of the key that was attested earlier, and its new counter, to be stored."""
    vendor: tuple[tuple[str, VendorValue], ...] = (
        ("key_id", None if key_id is None else key_id.hex()),
        ("rp_id_hash", assertion.data.rp_id_hash.hex()),
    )
    return Claims(
        key=describe_key(spki, purposes=("SIGN",)),
        freshness=Freshness(assertion.client_data),
        counter=assertion.data.counter,
        vendor=vendor,
    )
