"""What the person gets: signed JSON and a page that a person can read."""

import dataclasses
import hashlib
import json
from datetime import datetime, timedelta
from html.parser import HTMLParser

import pytest

from hallmark_composite import verify
from kms.consent.model import (
    ArtifactKind,
    Consent,
    ConsentArtifact,
    ConsentState,
    LeaseAction,
    LeaseTerms,
    Receipt,
)
from kms.consent.page import receipt_page, span_words
from kms.consent.receipts import receipt_payload
from kms.consent.terms import dpv_iri, label
from kms.core.canonical import canonical_json
from kms.core.names import ChildName
from kms.keys.model import ServiceSignature
from support.clock import START
from unit.kms.consent.bench import CONTROLLER, ConsentBench, artifact, device, span
from unit.kms.revocation.bench import TENANT

NAME = ChildName(TENANT, "consents", "01933b5e-7c2f-7e0e-b0a5-0d4f1a6f0f8e")
VOID = {"meta", "br", "link", "img"}


def consent(**fields: object) -> Consent:
    whole = Consent(
        name=NAME,
        pii_principal_id="p" * 43,
        controller=CONTROLLER,
        purposes=("dpv:FraudPreventionAndDetection",),
        lawful_basis="dpv:Consent",
        artifacts=(ConsentArtifact(artifact(1), ArtifactKind.BIOMETRIC_TEMPLATE),),
        devices=(device(1),),
        state=ConsentState.GIVEN,
        revision=1,
        create_time=START,
        update_time=START,
        expire_time=START + timedelta(days=365),
        removal_time=timedelta(hours=24),
        terms=LeaseTerms(
            duration=timedelta(hours=23),
            max_staleness=None,
            offline_grace=timedelta(hours=1),
            on_silence=LeaseAction.SUSPEND,
            on_expiry=LeaseAction.SHRED,
        ),
        withdrawal_method="Write to privacy@bank.example",
        storage_locations=("Frankfurt",),
    )
    return dataclasses.replace(whole, **fields)  # type: ignore[arg-type]


def page(of: Consent, state: ConsentState | None = None) -> str:
    signature = ServiceSignature(
        key_version="tenants/system/keys/revocation-events/versions/1",
        signature=b"signature",
        context="hallmark/consent-receipt/v1",
        sign_time=START,
    )
    return receipt_page(of, Receipt(payload=receipt_payload(of), signature=signature), state or of.state)


class Outline(HTMLParser):
    """Tags in their order, all closed; attributes that could load anything."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.loads: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.loads += [name for name, _ in attributes if name in {"src", "href", "action"} or name.startswith("on")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_loads_nothing_and_runs_nothing() -> None:
    outline = Outline(page(consent()))
    assert not outline.open, "every tag is closed"
    assert not outline.loads
    assert not {"script", "iframe", "form", "img", "link"} & set(outline.seen)
    assert "url(" not in page(consent())
    assert "default-src 'none'" in page(consent())


def test_the_page_can_be_read_by_machines_that_read_aloud() -> None:
    html = page(consent())
    outline = Outline(html)
    assert html.startswith('<!doctype html>\n<html lang="en">')
    assert (outline.seen.count("h1"), outline.seen.count("main"), outline.seen.count("title")) == (1, 1, 1)
    assert outline.seen.count("h2") == outline.seen.count("section") == 5
    assert "prefers-color-scheme:dark" in html
    assert "@media print" in html


def test_the_page_says_it_in_plain_words() -> None:
    text = " ".join(Outline(page(consent())).text.split())
    for sentence in (
        "This consent holds until 21 November 2027, 12:00 UTC, unless you take it back.",
        "Who decides about the processing",
        CONTROLLER,
        "Fraud prevention and detection",
        "a biometric template",
        "Write to privacy@bank.example.",
        "Within 1 day of your withdrawal nothing is usable any more on any device.",
        "lent to it, for 23 hours at a time and 1 hour more when it is offline.",
        "No technology can undo what was done",
    ):
        assert sentence in text, sentence


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        (ConsentState.WITHDRAWN, "You took this consent back on 22 November 2026, 12:00 UTC."),
        (ConsentState.REVOKED, "This consent was revoked on 22 November 2026, 12:00 UTC."),
        (ConsentState.EXPIRED, "This consent ended on 21 November 2027, 12:00 UTC."),
    ],
)
def test_a_consent_that_ended_says_so(state: ConsentState, sentence: str) -> None:
    ended = consent(state=state, end_time=START + timedelta(days=1))
    assert sentence in Outline(page(ended)).text


def test_what_callers_wrote_is_text() -> None:
    html = page(consent(controller="<script>alert(1)</script>", withdrawal_method='"><img src=x onerror=1>'))
    assert "<script>" not in html
    assert "<img" not in html
    assert "<script>alert(1)</script>" in Outline(html).text


def test_the_same_facts_give_the_same_page() -> None:
    assert page(consent()) == page(consent())
    assert hashlib.sha256(receipt_payload(consent())).hexdigest() in page(consent())


def test_the_payload_has_the_fields_of_the_standard() -> None:
    payload = json.loads(receipt_payload(consent()))
    assert receipt_payload(consent()) == canonical_json(payload)
    record = payload["record"]
    assert record["schema_version"] == payload["receipt_metadata"]["schema_version"] == "ISO/IEC TS 27560:2023"
    assert (record["record_id"], record["pii_principal_id"]) == (str(NAME), "p" * 43)
    (processing,) = record["pii_processing"]
    assert processing["purposes"] == ["https://w3id.org/dpv#FraudPreventionAndDetection"]
    assert processing["lawful_basis"] == "https://w3id.org/dpv#Consent"
    assert processing["pii_controllers"] == [record["party_identification"][0]["party_id"]] == [CONTROLLER]
    assert record["events"][0]["event_state"] == "https://w3id.org/dpv#ConsentGiven"
    assert record["events"][0]["validity_duration"] == 365 * 86400
    assert datetime.fromisoformat(payload["hallmark.v1"]["expire_time"]) == START + timedelta(days=365)


async def test_it_is_signed_and_each_renewal_brings_a_new_one(bench: ConsentBench) -> None:
    name = (await bench.grant()).consent.name
    receipts = [await bench.receipt(name)]
    bench.service.clock.advance(60)
    await bench.renew(name)
    receipts.append(await bench.receipt(name))
    for revision, receipt in enumerate(receipts, start=1):
        payload = json.loads(receipt.payload)
        assert payload["receipt_metadata"]["receipt_id"] == f"{name}/receipts/{revision}"
        signature = receipt.signature
        verify(
            bench.service.public_key, signature.signature, message=receipt.payload, context=signature.context.encode()
        )
    assert b"RenewedConsentGiven" in receipts[1].payload
    await bench.withdraw(name)
    after = await bench.receipt(name)
    assert after.payload == receipts[1].payload
    assert "You took this consent back" in after.html


async def test_the_removal_time_is_told_in_words(bench: ConsentBench) -> None:
    name = (await bench.grant(removal_time=span(5400))).consent.name
    assert "Within <strong>1 hour 30 minutes</strong>" in (await bench.receipt(name)).html


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "no time"), (1, "1 second"), (90, "1 minute 30 seconds"), (86400, "1 day"), (176461, "2 days 1 hour")],
)
def test_spans_in_words(seconds: int, words: str) -> None:
    assert span_words(timedelta(seconds=seconds)) == words


@pytest.mark.parametrize(
    ("term", "iri", "words"),
    [
        ("dpv:ServiceProvision", "https://w3id.org/dpv#ServiceProvision", "Service provision"),
        ("eu-gdpr:A6-1-a", "https://w3id.org/dpv/legal/eu/gdpr#A6-1-a", "A6-1-a"),
        ("https://example.com/purposes/research", "https://example.com/purposes/research", "research"),
        ("urn:example:purpose", "urn:example:purpose", "purpose"),
    ],
)
def test_terms_as_iris_and_in_words(term: str, iri: str, words: str) -> None:
    assert (dpv_iri(term), label(term)) == (iri, words)
