"""Whatever bytes a mirror gives out: they are read, or refused with CollateralError; and what is changed is not believed."""

import json
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attestation.errors import CollateralError
from attestation.formats.sev_snp_tcb import Product
from attestation.testing.amd import VirtualAmd
from attestation.testing.crl import CrlRequest, issue_crl
from kms.collateral.endorsed_keys import read_tpm_keys
from kms.collateral.model import CollateralKind
from kms.collateral.readers import CRL_BEGIN, CRL_END, Delivery, read_collateral
from support.clock import START

AMD = VirtualAmd.create(Product.MILAN, now=START)
GENUINE = issue_crl(
    CrlRequest(issuer=AMD.root_name, this_update=START, next_update=START + timedelta(days=30), revoked={5: START}),
    signer=AMD.root_key,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=20), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None)
@given(kind=st.sampled_from(list(CollateralKind)), data=st.binary(max_size=300))
def test_any_bytes(kind: CollateralKind, data: bytes) -> None:
    for text in (data, CRL_BEGIN + data + CRL_END):
        with pytest.raises(CollateralError):
            read_collateral(kind, Delivery(text, START, AMD.anchors, "label"))


@settings(max_examples=150, deadline=None)
@given(position=st.integers(0, len(GENUINE) - 1), bit=st.integers(0, 7))
def test_a_changed_bit_of_a_signed_list_is_never_believed(position: int, bit: int) -> None:
    changed = bytearray(GENUINE)
    changed[position] ^= 1 << bit
    with pytest.raises(CollateralError):
        read_collateral(CollateralKind.AMD_CRL, Delivery(bytes(changed), START, AMD.anchors))


@settings(max_examples=100, deadline=None)
@given(items=st.lists(JSON, max_size=5))
def test_lists_of_anything(items: list[object]) -> None:
    try:
        read_tpm_keys(json.dumps({"tpm_keys": items}).encode())
    except CollateralError:
        return
    assert not items, "nothing random is a key"
