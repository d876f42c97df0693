"""ML-DSA inside the token (PKCS#11 v3.2, section 6.67): what it can do, found by trying; keys made and used in it.

A token that lists CKM_ML_DSA may still lose the context on the way (a driver that drops the parameter signs without an
error), and such a signature is worthless in a composite. So every process signs with a key of its own at start and
has the signature verified in software, with the context and without.
"""

import ctypes
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from pkcs11 import Attribute, KeyType, Mechanism
from pkcs11 import exceptions as driver

from hallmark_composite import MlDsaParameterSet
from hsm.engine import BadMlDsaSignature, EngineFault, PostQuantumEngine
from hsm.errors import HsmError, UnsupportedAlgorithm
from hsm.material import CKA_ID_SIZE

from .attributes import read_attribute
from .faults import TokenLost
from .token import TokenSession

_MECHANISMS: Final = frozenset({"ML_DSA_KEY_PAIR_GEN", "ML_DSA"})
_PARAMETER_SETS: Final = {
    MlDsaParameterSet.ML_DSA_44: 1,
    MlDsaParameterSet.ML_DSA_65: 2,
    MlDsaParameterSet.ML_DSA_87: 3,
}
"""CKP_ML_DSA_44, _65 and _87 (PKCS#11 v3.2, pkcs11t.h)."""
_HEDGE_PREFERRED: Final = 0
"""CKH_HEDGE_PREFERRED: randomised where the token can, as FIPS 204, section 3.4 asks."""
_SELF_TEST: Final = b"hallmark native self-test"
_CONTEXT: Final = b"hallmark"
_LABEL: Final = "hallmark-self-test"


class _SignAdditionalContext(ctypes.Structure):
    """CK_SIGN_ADDITIONAL_CONTEXT."""

    _fields_ = (
        ("hedge_variant", ctypes.c_ulong),
        ("context", ctypes.c_void_p),
        ("context_length", ctypes.c_ulong),
    )


@dataclass(frozen=True, slots=True)
class NativeFinding:
    """The parameter sets the token signs with, and why not with the others (empty: all work)."""

    parameter_sets: frozenset[MlDsaParameterSet]
    reason: str

    @property
    def complete(self) -> bool:
        return self.parameter_sets == frozenset(MlDsaParameterSet)


NOT_WANTED: Final = NativeFinding(frozenset(), "switched off in the settings")


class NativeMlDsaKey:
    """A LoadedMlDsaKey (hsm/engine.py) whose private half never leaves the token."""

    def __init__(self, token: TokenSession, *, cka_id: bytes, label: str, public_key: bytes) -> None:
        self._token = token
        self._cka_id = cka_id
        self._label = label
        self.public_key = public_key

    def sign(self, message: bytes, context: bytes) -> bytes:
        """Raises KeyNotFound, SealBroken (a key made for another use), TokenLost."""
        buffer = ctypes.create_string_buffer(context, len(context)) if context else None
        address = ctypes.addressof(buffer) if buffer is not None else None
        parameter = bytes(_SignAdditionalContext(_HEDGE_PREFERRED, address, len(context)))
        signature = self._token.sign(
            self._cka_id, message, label=self._label, mechanism=Mechanism.ML_DSA, parameter=parameter
        )
        del buffer  # the parameter points into it: it had to live until here
        return signature

    def sign_mu(self, mu: bytes) -> bytes:  # noqa: ARG002 - signature of the port
        raise EngineFault("PKCS#11 v3.2 has no external mu")


def generate(
    token: TokenSession, parameter_set: MlDsaParameterSet, *, cka_id: bytes, label: str, stored: bool = True
) -> bytes:
    """The public key (FIPS 204 encoding) of a new key that is sensitive and not extractable.

    Raises HsmError; UnsupportedAlgorithm when the token's public key is not in that encoding.
    """

    def generator(session: Any) -> Callable[..., Any]:
        return lambda **arguments: session.generate_keypair(KeyType.ML_DSA, **arguments)

    public_key = token.generate_pair(
        generator,
        mechanism=Mechanism.ML_DSA_KEY_PAIR_GEN,
        cka_id=cka_id,
        label=label,
        public_attributes={Attribute.PARAMETER_SET: _PARAMETER_SETS[parameter_set]},
        stored=stored,
    )
    value = read_attribute(public_key, Attribute.VALUE)
    if len(value) != parameter_set.public_key_size:
        raise UnsupportedAlgorithm(
            f"the token gives a {parameter_set.value} public key in a form this version does not know"
        )
    return value


def examine(token: TokenSession, verifier: PostQuantumEngine) -> NativeFinding:
    """Signs for real with every parameter set. Raises TokenLost only."""
    missing = _MECHANISMS - token.mechanism_names()
    if missing:
        return NativeFinding(frozenset(), f"the token lacks {' and '.join(sorted(missing))}")
    works: set[MlDsaParameterSet] = set()
    reasons: list[str] = []
    for parameter_set in MlDsaParameterSet:
        try:
            _try_one(token, verifier, parameter_set)
        except TokenLost:
            raise
        except (HsmError, EngineFault, BadMlDsaSignature, driver.PKCS11Error) as error:
            reasons.append(f"{parameter_set.value}: {error or type(error).__name__}")
        else:
            works.add(parameter_set)
    return NativeFinding(frozenset(works), "; ".join(reasons))


def _try_one(token: TokenSession, verifier: PostQuantumEngine, parameter_set: MlDsaParameterSet) -> None:
    """A throw-away key signs with and without a context; each signature must verify as what it is, and only so."""
    cka_id = os.urandom(CKA_ID_SIZE)
    try:
        public_key = generate(token, parameter_set, cka_id=cka_id, label=_LABEL, stored=False)
        key = NativeMlDsaKey(token, cka_id=cka_id, label=_LABEL, public_key=public_key)
        for context, other in ((_CONTEXT, b""), (b"", _CONTEXT)):
            signature = key.sign(_SELF_TEST, context)
            facts = {"public_key": public_key, "signature": signature, "message": _SELF_TEST}
            verifier.verify(parameter_set, **facts, context=context)
            try:
                verifier.verify(parameter_set, **facts, context=other)
            except BadMlDsaSignature:
                continue
            raise EngineFault("its signature verifies whatever the context")
    finally:
        token.destroy(cka_id)
