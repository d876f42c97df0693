"""ML-DSA of `cryptography` (OpenSSL in its wheel). Always there: it signs when nothing faster passes, else verifies."""

from collections.abc import Callable

import cryptography
import cryptography.exceptions
from cryptography.hazmat.backends.openssl import backend
from cryptography.hazmat.primitives.asymmetric import mldsa

from hallmark_composite import MlDsaParameterSet
from hsm.engine import BadMlDsaSignature, EngineFault, LoadedMlDsaKey

_PrivateKey = mldsa.MLDSA44PrivateKey | mldsa.MLDSA65PrivateKey | mldsa.MLDSA87PrivateKey
_PublicKey = mldsa.MLDSA44PublicKey | mldsa.MLDSA65PublicKey | mldsa.MLDSA87PublicKey

_PRIVATE: dict[MlDsaParameterSet, Callable[[bytes], _PrivateKey]] = {
    MlDsaParameterSet.ML_DSA_44: mldsa.MLDSA44PrivateKey.from_seed_bytes,
    MlDsaParameterSet.ML_DSA_65: mldsa.MLDSA65PrivateKey.from_seed_bytes,
    MlDsaParameterSet.ML_DSA_87: mldsa.MLDSA87PrivateKey.from_seed_bytes,
}
_PUBLIC: dict[MlDsaParameterSet, Callable[[bytes], _PublicKey]] = {
    MlDsaParameterSet.ML_DSA_44: mldsa.MLDSA44PublicKey.from_public_bytes,
    MlDsaParameterSet.ML_DSA_65: mldsa.MLDSA65PublicKey.from_public_bytes,
    MlDsaParameterSet.ML_DSA_87: mldsa.MLDSA87PublicKey.from_public_bytes,
}


class _OpenSslKey:
    def __init__(self, key: _PrivateKey) -> None:
        self._key = key
        self.public_key = key.public_key().public_bytes_raw()

    def sign(self, message: bytes, context: bytes) -> bytes:
        return self._key.sign(message, context)

    def sign_mu(self, mu: bytes) -> bytes:
        try:
            return self._key.sign_mu(mu)
        except ValueError:
            raise EngineFault("cryptography refused a mu") from None


class OpenSslEngine:
    name = "cryptography"
    can_sign = True
    supports_mu = True
    may_check_releases = True

    def __init__(self) -> None:
        self.version = f"{cryptography.__version__} ({backend.openssl_version_text()})"

    def load(self, parameter_set: MlDsaParameterSet, seed: bytes) -> LoadedMlDsaKey:
        try:
            return _OpenSslKey(_PRIVATE[parameter_set](seed))
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
            _PUBLIC[parameter_set](public_key).verify(signature, message, context)
        except (cryptography.exceptions.InvalidSignature, ValueError):
            raise BadMlDsaSignature(f"{self.name} finds the {parameter_set.value} signature invalid") from None

    def verify_mu(self, parameter_set: MlDsaParameterSet, *, public_key: bytes, signature: bytes, mu: bytes) -> None:
        try:
            _PUBLIC[parameter_set](public_key).verify_mu(signature, mu)
        except (cryptography.exceptions.InvalidSignature, ValueError):
            raise BadMlDsaSignature(f"{self.name} finds the {parameter_set.value} signature invalid") from None
