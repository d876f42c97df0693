"""Whatever the bytes, parsers of foreign keys and envelopes raise only their own errors."""

import contextlib

from hypothesis import given
from hypothesis import strategies as st

from hallmark_composite import ALGORITHMS, EcCurve, MlDsaParameterSet
from hallmark_envelope import EnvelopeError, EnvelopePrivateKey, HpkeKem, seal_envelope
from hsm import der
from hsm.der import DerError
from hsm.engines.expansion import find_expand_seed
from hsm.errors import ImportRefused
from hsm.foreign_keys import ClearKey, encode, parse
from hsm.key_targets import ED25519
from hsm.secret import Secret

TARGETS = [*ALGORITHMS.values(), *MlDsaParameterSet, *EcCurve, *HpkeKem, ED25519]
EXPAND = find_expand_seed()
KEYS = {kem: EnvelopePrivateKey.from_seed(kem, bytes(32)) for kem in HpkeKem}
KEY = ClearKey(seed=Secret(bytes(range(32))), classical=Secret(bytes(range(1, 33))))
ENCODED = {target: encode(target, KEY) for target in TARGETS if getattr(target, "curve", target) is not EcCurve.P384}


@given(target=st.sampled_from(TARGETS), data=st.binary(max_size=200))
def test_any_bytes_as_a_private_key(target, data: bytes) -> None:
    with contextlib.suppress(ImportRefused):
        parse(target, data, expand=EXPAND)


@given(target=st.sampled_from(list(ENCODED)), position=st.integers(0, 150), value=st.integers(0, 255))
def test_a_changed_byte_in_a_private_key(target, position: int, value: int) -> None:
    changed = bytearray(ENCODED[target])
    changed[position % len(changed)] = value
    with contextlib.suppress(ImportRefused):
        parse(target, bytes(changed), expand=EXPAND)


@given(tag=st.sampled_from([der.INTEGER, der.OCTET_STRING, der.SEQUENCE]), content=st.binary(max_size=70_000))
def test_der_elements_come_back(tag: int, content: bytes) -> None:
    assert der.take(der.element(tag, content) + b"rest", tag) == (content, b"rest")


@given(data=st.binary(max_size=64), tag=st.integers(0, 255))
def test_der_has_one_form(data: bytes, tag: int) -> None:
    with contextlib.suppress(DerError):
        content, rest = der.take(data, tag)
        assert der.element(tag, content) + rest == data


@given(kem=st.sampled_from(list(HpkeKem)), data=st.binary(max_size=3000), info=st.binary(max_size=1100))
def test_any_bytes_as_an_envelope(kem: HpkeKem, data: bytes, info: bytes) -> None:
    with contextlib.suppress(EnvelopeError):
        KEYS[kem].open(data, info=info)


@given(kem=st.sampled_from(list(HpkeKem)), data=st.binary(max_size=1700), plaintext=st.binary(max_size=10))
def test_any_bytes_as_a_public_key(kem: HpkeKem, data: bytes, plaintext: bytes) -> None:
    padded = data + bytes(kem.public_key_size - len(data)) if len(data) < kem.public_key_size else data
    for public_key in (data, padded):
        with contextlib.suppress(EnvelopeError):
            seal_envelope(public_key, kem, plaintext)
