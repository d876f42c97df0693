from datetime import timedelta
from typing import Any

import pytest

from hallmark.v1 import consent_pb2
from kms.consent.model import ArtifactKind, LeaseAction, LeaseTerms
from kms.consent.requests import grant_from_wire
from kms.consent.service import Grant
from kms.core.call import Call, Channel
from kms.core.errors import InvalidArgument, NotFound
from support.clock import START
from unit.kms.consent.bench import CONTROLLER, artifact, device, span
from unit.kms.revocation.bench import caller

CALL = Call("call", "GrantConsent", caller(), Channel("ipv4:127.0.0.1:1", "TLSv1.3", "X25519MLKEM768"), START)


def read(**fields: Any) -> Grant:
    request = consent_pb2.GrantConsentRequest(
        **{
            "parent": "tenants/default",
            "subject": "alice@example.com",
            "controller": CONTROLLER,
            "purposes": ["dpv:ServiceProvision"],
            "artifacts": [{"artifact": str(artifact(1))}],
            **fields,
        }
    )
    return grant_from_wire(request, CALL, timedelta(days=1))


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"subject": ""}, "subject"),
        ({"subject": "x" * 257}, "subject"),
        ({"subject": "two\nlines"}, "subject"),
        ({"controller": ""}, "controller"),
        ({"controller": " https://bank.example"}, "controller"),
        ({"purposes": []}, "purposes"),
        ({"purposes": ["marketing"]}, "purposes"),
        ({"purposes": ["foo:Marketing"]}, "purposes"),
        ({"purposes": ["dpv:"]}, "purposes"),
        ({"purposes": ["https://example.com/ with space"]}, "purposes"),
        ({"purposes": ["dpv:Marketing", "https://w3id.org/dpv#Marketing"]}, "purposes"),
        ({"purposes": [f"dpv:P{number}" for number in range(33)]}, "purposes"),
        ({"lawful_basis": "consent"}, "lawful_basis"),
        ({"artifacts": []}, "artifacts"),
        ({"artifacts": [{"artifact": "tenants/default/artifacts/12"}]}, "artifacts.artifact"),
        ({"artifacts": [{"artifact": str(artifact(1))}] * 2}, "artifacts"),
        ({"artifacts": [{"artifact": str(artifact(1)), "kind": 77}]}, "artifacts.kind"),
        ({"validity_duration": span(59)}, "validity_duration"),
        ({"validity_duration": span(3700 * 86400)}, "validity_duration"),
        ({"removal_time": span(59)}, "removal_time"),
        ({"removal_time": span(31 * 86400)}, "removal_time"),
        ({"removal_time": span(90.5)}, "removal_time"),
        ({"lease_terms": {"duration": span(86401)}}, "lease_terms.duration"),
        ({"lease_terms": {"duration": span(80000), "offline_grace": span(6401)}}, "lease_terms.duration"),
        ({"lease_terms": {"duration": span(29)}}, "lease_terms.duration"),
        ({"lease_terms": {"offline_grace": span(86400)}}, "lease_terms.offline_grace"),
        ({"lease_terms": {"offline_grace": span(-1)}}, "lease_terms.offline_grace"),
        ({"lease_terms": {"duration": span(600), "max_staleness": span(601)}}, "lease_terms.max_staleness"),
        ({"lease_terms": {"on_silence": 9}}, "lease_terms.on_silence"),
        ({"withdrawal_method": "x" * 513}, "withdrawal_method"),
        ({"storage_locations": [""]}, "storage_locations"),
    ],
)
def test_mistakes_name_their_field(fields: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        read(**fields)
    assert refused.value.field == field


def test_defaults() -> None:
    asked = read()
    assert (asked.validity, asked.removal_time) == (timedelta(days=365), timedelta(days=1))
    assert asked.terms == LeaseTerms(
        duration=timedelta(days=1) - timedelta(minutes=5),
        max_staleness=None,
        offline_grace=timedelta(0),
        on_silence=LeaseAction.SUSPEND,
        on_expiry=LeaseAction.SHRED,
    )
    assert asked.artifacts[0].kind is ArtifactKind.OTHER


def test_the_grace_is_part_of_the_promise() -> None:
    terms = read(removal_time=span(7200), lease_terms={"offline_grace": span(600)}).terms
    assert (terms.duration, terms.offline_grace) == (timedelta(seconds=6600 - 72), timedelta(seconds=600))


@pytest.mark.parametrize("field", ["parent", "devices", "artifacts"])
def test_nothing_of_another_tenant(field: str) -> None:
    other = {
        "parent": "tenants/other",
        "devices": [str(device(tenant="other"))],
        "artifacts": [{"artifact": str(artifact(tenant="other"))}],
    }
    with pytest.raises(NotFound):
        read(**{field: other[field]})
