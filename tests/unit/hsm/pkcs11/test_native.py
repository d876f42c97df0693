"""Classification of tokens with ML-DSA, by real signatures, among tokens with one defect each."""

import ctypes
import os
import struct

import pytest
from cryptography.hazmat.primitives.asymmetric import mldsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pkcs11 import Attribute, Mechanism

from hallmark_composite import MlDsaParameterSet
from hsm.engine import EngineFault
from hsm.engines.openssl import OpenSslEngine
from hsm.errors import TokenUnavailable, UnsupportedAlgorithm
from hsm.pkcs11 import native
from hsm.pkcs11.faults import TokenLost

KEYS = {1: mldsa.MLDSA44PrivateKey, 2: mldsa.MLDSA65PrivateKey, 3: mldsa.MLDSA87PrivateKey}
BOTH = frozenset({"ML_DSA", "ML_DSA_KEY_PAIR_GEN"})


class Token:
    """What native.py asks of a token session, with real ML-DSA; reads the parameter as a C library would."""

    mechanisms = BOTH

    def __init__(self) -> None:
        self.keys = {}
        self.stored = []

    def mechanism_names(self) -> frozenset[str]:
        return self.mechanisms

    def generate_pair(self, generator, *, mechanism, cka_id, label, public_attributes, stored=True):
        assert mechanism is Mechanism.ML_DSA_KEY_PAIR_GEN
        key = KEYS[public_attributes[Attribute.PARAMETER_SET]].generate()
        self.keys[cka_id, label] = key
        self.stored.append(stored)
        return {Attribute.VALUE: self.public_value(key)}

    def public_value(self, key) -> bytes:
        return key.public_key().public_bytes_raw()

    def sign(self, cka_id, data, *, label, mechanism, parameter) -> bytes:
        assert mechanism is Mechanism.ML_DSA
        hedge, address, length = struct.unpack("@LPL", parameter)
        assert hedge == 0
        context = ctypes.string_at(address, length) if length else b""
        return self.sign_with(self.keys[cka_id, label], data, context)

    def sign_with(self, key, data: bytes, context: bytes) -> bytes:
        return key.sign(data, context)

    def destroy(self, cka_id) -> None:
        self.keys = {name: key for name, key in self.keys.items() if name[0] != cka_id}


class LosesTheContext(Token):
    def sign_with(self, key, data, context):
        return key.sign(data, b"")


class SignsSomethingElse(Token):
    def sign_with(self, key, data, context):
        return key.sign(data + b".", context)


class GivesSpki(Token):
    def public_value(self, key) -> bytes:
        return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


class RefusesTheContext(Token):
    def sign_with(self, key, data, context):
        if context:
            raise UnsupportedAlgorithm("MechanismParamInvalid")
        return key.sign(data)


class OnlySmall(Token):
    def generate_pair(self, generator, *, public_attributes, **arguments):
        if public_attributes[Attribute.PARAMETER_SET] == 3:
            raise UnsupportedAlgorithm("AttributeValueInvalid")
        return super().generate_pair(generator, public_attributes=public_attributes, **arguments)


class Verifies(Token):
    mechanisms = frozenset({"ML_DSA", "AES_GCM"})


class Breaks(Token):
    def sign_with(self, key, data, context):
        raise TokenLost("gone")


def test_a_sound_token_signs_with_every_parameter_set_and_keeps_nothing() -> None:
    token = Token()
    finding = native.examine(token, OpenSslEngine())
    assert (finding.parameter_sets, finding.reason, finding.complete) == (frozenset(MlDsaParameterSet), "", True)
    assert token.keys == {}
    assert token.stored == [False] * 3


@pytest.mark.parametrize("defect", [LosesTheContext, SignsSomethingElse, GivesSpki, RefusesTheContext, Verifies])
def test_a_token_with_a_defect_is_not_used(defect) -> None:
    token = defect()
    finding = native.examine(token, OpenSslEngine())
    assert finding.parameter_sets == frozenset()
    assert finding.reason
    assert not finding.complete
    assert token.keys == {}


def test_a_token_is_used_for_what_works() -> None:
    finding = native.examine(OnlySmall(), OpenSslEngine())
    assert finding.parameter_sets == {MlDsaParameterSet.ML_DSA_44, MlDsaParameterSet.ML_DSA_65}
    assert finding.reason == "ML-DSA-87: AttributeValueInvalid"
    assert not finding.complete


def test_a_token_that_is_lost_meanwhile_is_no_finding() -> None:
    with pytest.raises(TokenUnavailable):
        native.examine(Breaks(), OpenSslEngine())


@pytest.mark.parametrize("context", [b"", b"c", bytes(range(255))], ids=lambda context: str(len(context)))
def test_the_context_reaches_the_token(context: bytes) -> None:
    token, cka_id = Token(), os.urandom(16)
    public_key = native.generate(token, MlDsaParameterSet.ML_DSA_65, cka_id=cka_id, label="label")
    key = native.NativeMlDsaKey(token, cka_id=cka_id, label="label", public_key=public_key)
    OpenSslEngine().verify(
        MlDsaParameterSet.ML_DSA_65,
        public_key=public_key,
        signature=key.sign(b"message", context),
        message=b"message",
        context=context,
    )
    with pytest.raises(EngineFault, match="external mu"):
        key.sign_mu(bytes(64))
