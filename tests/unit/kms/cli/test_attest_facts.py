"""What a person is shown of the claims."""

from datetime import UTC, datetime

from attestation import verify_case
from attestation.model import Format
from attestation.testing import FACTORIES
from kms.cli.attest import claim_facts

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_the_time_of_a_nitro_document_is_not_that_of_a_key() -> None:
    verdict = verify_case(next(iter(FACTORIES[Format.AWS_NITRO].good(NOW))).case)
    facts = claim_facts(verdict)
    assert verdict.claims.freshness is not None
    assert facts["made"] == verdict.claims.freshness.created_at
    assert "key made" not in facts
