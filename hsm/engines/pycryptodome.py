"""ML-DSA of PyCryptodome (mldsa-native): takes our seeds, about twice as fast as OpenSSL from its wheel.

Built from source with AVX2 it is faster still; `version` says which code runs.
"""

from hallmark_composite import MlDsaParameterSet
from hsm.engine import BadMlDsaSignature, EngineFault, EngineUnavailable, LoadedMlDsaKey

try:
    import Crypto
    from Crypto.PublicKey import MLDSA
    from Crypto.Signature import mldsa
except ImportError as error:
    raise EngineUnavailable("PyCryptodome 4.4 or later is not installed (pip install pycryptodome)") from error

_SETS = {
    MlDsaParameterSet.ML_DSA_44: MLDSA.ML_DSA_44,
    MlDsaParameterSet.ML_DSA_65: MLDSA.ML_DSA_65,
    MlDsaParameterSet.ML_DSA_87: MLDSA.ML_DSA_87,
}


def expand_seed(parameter_set: MlDsaParameterSet, seed: bytes) -> tuple[bytes, bytes]:
    """(public key, expanded private key), both in FIPS 204 encoding. Raises EngineFault."""
    try:
        key = MLDSA.construct(param_set=_SETS[parameter_set], seed=seed)
    except ValueError:
        raise EngineFault(f"pycryptodome refused a seed for {parameter_set.value}") from None
    return key.pk, key.sk


class _GivenMu(mldsa.MLDSAMuHash):  # type: ignore[misc]  # the package has no types
    """PyCryptodome signs from a mu that it has hashed itself; this one was made elsewhere."""

    def __init__(self, key: MLDSA.MLDSAKey, mu: bytes) -> None:
        super().__init__(key)
        self._mu = mu

    def digest(self) -> bytes:
        return self._mu


class _PyCryptodomeKey:
    def __init__(self, key: MLDSA.MLDSAKey) -> None:
        self._key = key
        self.public_key: bytes = key.pk

    def sign(self, message: bytes, context: bytes) -> bytes:
        signature: bytes = mldsa.new(self._key, context).sign(message)
        return signature

    def sign_mu(self, mu: bytes) -> bytes:
        if len(mu) != _GivenMu.digest_size:
            raise EngineFault("pycryptodome refused a mu")
        signature: bytes = mldsa.new(self._key).sign(_GivenMu(self._key, mu))
        return signature


class PyCryptodomeEngine:
    name = "pycryptodome"
    can_sign = True
    supports_mu = True
    may_check_releases = True

    def __init__(self) -> None:
        fast = getattr(MLDSA, "_raw_mldsa_avx2_bmi2_lib", None) is not None
        self.version = f"{Crypto.__version__} ({'AVX2' if fast else 'portable C'})"

    def load(self, parameter_set: MlDsaParameterSet, seed: bytes) -> LoadedMlDsaKey:
        try:
            return _PyCryptodomeKey(MLDSA.construct(param_set=_SETS[parameter_set], seed=seed))
        except ValueError:
            raise EngineFault(f"{self.name} refused a seed for {parameter_set.value}") from None

    def verify(
        self,
        parameter_set: MlDsaParameterSet,
        *,
        public_key: bytes,
        signature: bytes,
        message: bytes,
        context: bytes,
    ) -> None:
        try:
            key = MLDSA.construct(param_set=_SETS[parameter_set], pk=public_key)
            mldsa.new(key, context).verify(message, signature)
        except ValueError:
            raise BadMlDsaSignature(f"{self.name} finds the {parameter_set.value} signature invalid") from None

    def verify_mu(self, parameter_set: MlDsaParameterSet, *, public_key: bytes, signature: bytes, mu: bytes) -> None:
        try:
            if len(mu) != _GivenMu.digest_size:
                raise ValueError
            key = MLDSA.construct(param_set=_SETS[parameter_set], pk=public_key)
            mldsa.new(key).verify(_GivenMu(key, mu), signature)
        except ValueError:
            raise BadMlDsaSignature(f"{self.name} finds the {parameter_set.value} signature invalid") from None
