"""The consent receipt (ISO/IEC TS 27560:2023, 6.4): canonical JSON with its field names and DPV terms.

{
  "receipt_metadata": {"receipt_id": resource name "/receipts/" revision, "schema_version", "issue_time"},
  "record": {
    "schema_version", "record_id", "pii_principal_id": pairwise pseudonym,
    "pii_processing": [{"purposes": [IRI], "lawful_basis": IRI, "pii_controllers": [id], "storage_locations",
        "withdrawal_method", "retention_period": seconds after a withdrawal,
        "pii_information": [{"pii_type": kind, "pii_attribute_id": artifact}]}],
    "party_identification": [{"party_id", "party_role": IRI}],
    "events": [{"event_time", "validity_duration": seconds, "entity_id": pseudonym, "event_type": IRI,
        "event_state": IRI}]
  },
  "hallmark.v1": {"devices", "expire_time", "lease_terms": {...seconds...}, "removal_seconds", "revision"}
}
"""

from typing import Final

from kms.consent.model import RECEIPT_CONTEXT, SCHEMA_VERSION, Consent, Receipt
from kms.consent.payload import dpv_status, whole_seconds
from kms.consent.terms import dpv_iri
from kms.core.canonical import Json, canonical_json
from kms.core.clock import format_time
from kms.events.model import OWN_NAMESPACE, SIGNING_KEY_ID
from kms.keys.signing import SigningService

_CONTROLLER: Final = "https://w3id.org/dpv#DataController"
_CONSENT: Final = "https://w3id.org/dpv#Consent"


def receipt_payload(consent: Consent) -> bytes:
    """Of a consent as it was given or renewed: nothing in it comes from elsewhere."""
    return canonical_json(
        {
            "receipt_metadata": {
                "receipt_id": f"{consent.name}/receipts/{consent.revision}",
                "schema_version": SCHEMA_VERSION,
                "issue_time": format_time(consent.update_time),
            },
            "record": _record(consent),
            OWN_NAMESPACE: _own(consent),
        }
    )


async def sign_receipt(signing: SigningService, consent: Consent) -> Receipt:
    """By the key that signs events. Raises what the HSM raises."""
    payload = receipt_payload(consent)
    signature = await signing.sign_as_service(SIGNING_KEY_ID, payload, RECEIPT_CONTEXT, consent.update_time)
    return Receipt(payload=payload, signature=signature)


def _record(consent: Consent) -> Json:
    return {
        "schema_version": SCHEMA_VERSION,
        "record_id": str(consent.name),
        "pii_principal_id": consent.pii_principal_id,
        "pii_processing": [
            {
                "purposes": [dpv_iri(purpose) for purpose in consent.purposes],
                "lawful_basis": dpv_iri(consent.lawful_basis),
                "pii_controllers": [consent.controller],
                "storage_locations": list(consent.storage_locations),
                "withdrawal_method": consent.withdrawal_method,
                "retention_period": whole_seconds(consent.removal_time),
                "pii_information": [
                    {"pii_type": each.kind.value, "pii_attribute_id": str(each.name)} for each in consent.artifacts
                ],
            }
        ],
        "party_identification": [{"party_id": consent.controller, "party_role": _CONTROLLER}],
        "events": [
            {
                "event_time": format_time(consent.update_time),
                "validity_duration": whole_seconds(consent.expire_time - consent.update_time),
                "entity_id": consent.pii_principal_id,
                "event_type": _CONSENT,
                "event_state": dpv_status(consent.state),
            }
        ],
    }


def _own(consent: Consent) -> Json:
    terms = consent.terms
    lease_terms: dict[str, Json] = {
        "duration_seconds": whole_seconds(terms.duration),
        "offline_grace_seconds": whole_seconds(terms.offline_grace),
        "on_silence": terms.on_silence.value,
        "on_expiry": terms.on_expiry.value,
    }
    if terms.max_staleness is not None:
        lease_terms["max_staleness_seconds"] = whole_seconds(terms.max_staleness)
    return {
        "devices": [str(device) for device in consent.devices],
        "expire_time": format_time(consent.expire_time),
        "lease_terms": lease_terms,
        "removal_seconds": whole_seconds(consent.removal_time),
        "revision": consent.revision,
    }
