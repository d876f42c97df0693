"""Whatever a device sends as evidence, certificate request or HPKE key, the answer is typed."""

import contextlib

from hypothesis import given
from hypothesis import strategies as st

from hallmark.v1 import devices_pb2 as pb
from kms.core.errors import InvalidArgument
from kms.devices.evidence_wire import evidence_from_wire
from kms.devices.model import HpkeKey
from kms.devices.proofs import HpkeRegistration, check_hpke_key, check_hpke_signature, key_of_request

_SMALL = st.binary(max_size=400)
_PARTS = st.builds(pb.EvidencePart, name=st.text(max_size=70), data=_SMALL)


@given(
    st.builds(
        pb.Evidence,
        format=st.integers(min_value=0, max_value=20),
        certificates=st.lists(_SMALL, max_size=10),
        parts=st.lists(_PARTS, max_size=4),
        cmw=_SMALL,
        media_type=st.text(max_size=40),
    )
)
def test_evidence(evidence: pb.Evidence) -> None:
    with contextlib.suppress(InvalidArgument):
        assert evidence_from_wire(evidence).parts


@given(_SMALL)
def test_cmw_alone(data: bytes) -> None:
    with contextlib.suppress(InvalidArgument):
        assert evidence_from_wire(pb.Evidence(cmw=data)).parts


@given(_SMALL)
def test_certificate_requests(data: bytes) -> None:
    with contextlib.suppress(InvalidArgument):
        assert not key_of_request(data), "no random bytes are a signed request"


@given(st.integers(min_value=0, max_value=0xFFFF), _SMALL, _SMALL, _SMALL)
def test_hpke_keys(kem_id: int, public_key: bytes, signature: bytes, signer: bytes) -> None:
    key = HpkeKey(kem_id=kem_id, public_key=public_key)
    with contextlib.suppress(InvalidArgument):
        check_hpke_key(key)
    with contextlib.suppress(InvalidArgument):
        check_hpke_signature(HpkeRegistration(key=key, signature=signature), challenge=b"c", signer_spki=signer)
        raise AssertionError("no random bytes are a signature")
