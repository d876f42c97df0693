"""What an archive gives back judges as the original did, over the whole catalogue."""

import json
from dataclasses import fields
from datetime import UTC, datetime
from hashlib import sha256

import pytest

from attestation import Format, Policy, verify_case
from attestation.digests import canonical_json, input_documents
from attestation.intel_collateral import CollateralPieces
from attestation.model import Collateral, TrustAnchor
from attestation.restore import RestoreError, archived_intel, references, restore
from attestation.testing import FACTORIES, status_list

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("form", list(FACTORIES))
def test_policies_and_anchors_come_back(form: Format) -> None:
    for case in (*FACTORIES[form].good(NOW), *FACTORIES[form].broken(NOW)):
        policy = restore(Policy, json.loads(canonical_json(case.case.policy)))
        assert policy == case.case.policy, case.name
        for anchor in case.case.anchors.items:
            assert restore(TrustAnchor, json.loads(canonical_json(anchor))) == anchor


@pytest.mark.parametrize("form", list(FACTORIES))
def test_the_documents_are_what_the_digests_are_of(form: Format) -> None:
    case = next(iter(FACTORIES[form].good(NOW))).case
    inputs = verify_case(case).inputs
    for name, document in input_documents(case).items():
        assert sha256(document.encode()).hexdigest() == getattr(inputs, name)


def test_collateral_comes_back_by_its_digests() -> None:
    listed = b'{"entries": {"abc": {"status": "REVOKED"}}}'
    from attestation.status import parse_status_list

    collateral = Collateral(android_status=parse_status_list(listed, fetched_at=NOW))
    document = json.loads(canonical_json(collateral))
    digest = sha256(listed).hexdigest()
    assert references(Collateral, document) == [("StatusList", digest)]
    again = restore(Collateral, document, lambda kind, wanted: {("StatusList", digest): listed}[kind, wanted])
    assert again == collateral


def test_intels_collateral_comes_back_from_its_pieces() -> None:
    case = next(iter(FACTORIES[Format.INTEL_TDX].good(NOW))).case
    collateral = case.collateral
    assert collateral.intel is not None
    data = archived_intel(collateral.intel)
    document = json.loads(canonical_json(collateral))
    assert restore(Collateral, document, lambda *_: data) == collateral
    assert len(fields(CollateralPieces)) == 9


def test_bytes_that_are_not_the_ones_asked_for_are_refused() -> None:
    document = json.loads(canonical_json(Collateral(android_status=status_list({}, fetched_at=NOW))))
    with pytest.raises(RestoreError, match="not the one"):
        restore(Collateral, document, lambda *_: b'{"entries": {}, "x": 1}')


@pytest.mark.parametrize(
    "change",
    [{"unknown": 1}, {"name": 7}, {"android": {"levels": ["NO_SUCH_LEVEL"]}}, {"android": {"require_locked": "yes"}}],
)
def test_what_does_not_fit_is_an_error_and_never_a_policy(change: dict) -> None:
    with pytest.raises(RestoreError):
        restore(Policy, {**json.loads(canonical_json(Policy())), **change})


def test_a_field_that_came_later_keeps_its_default() -> None:
    document = json.loads(canonical_json(Policy()))
    del document["software"]
    assert restore(Policy, document) == Policy()
