import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kms.core.clock import format_time
from kms.core.names import KeyVersionName
from kms.keys.entries import EntryForm
from kms.keys.inputs import Prepared
from kms.log.model import LogEntry
from support.clock import START

NAME = KeyVersionName("default", "manifest", 3)


@given(content=st.binary(), context=st.binary(max_size=255), signature=st.binary(max_size=5000))
def test_the_filled_form_is_the_canonical_entry(content: bytes, context: bytes, signature: bytes) -> None:
    _check(content, context, signature, None)


@pytest.mark.parametrize("form", ["jws", "cose-sign1"])
def test_with_a_format(form: str) -> None:
    _check(b"content", b"", bytes(4627), form)


@pytest.mark.parametrize("form", [None, "jws"])
def test_with_a_verdict(form: str | None) -> None:
    _check(b"content", b"", bytes(4627), form, "tenants/default/verdicts/019e0000-0000-7000-8000-000000000002")


def _check(content: bytes, context: bytes, signature: bytes, form: str | None, verdict: str | None = None) -> None:
    details = {
        "algorithm": "id-MLDSA65-ECDSA-P256-SHA512",
        "context_sha256": hashlib.sha256(context).hexdigest(),
        "input_digest_sha256": hashlib.sha256(content).hexdigest(),
        "signature_sha256": hashlib.sha256(signature).hexdigest(),
    }
    if form is not None:
        details["format"] = form
    if verdict is not None:
        details["verdict"] = verdict
    event_key = "019e0000-0000-7000-8000-000000000001"
    entry = LogEntry(event_key, "signature.created", "default", str(NAME), START, details)
    filled = EntryForm(NAME, "id-MLDSA65-ECDSA-P256-SHA512").fill(
        event_key, Prepared(content, context), signature, format_time(START), form, verdict
    )
    assert filled == entry.encode()
