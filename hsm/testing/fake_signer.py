"""What FakeKeyProvider does with its token: the same rules of release as the signer processes have."""

from typing import assert_never

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils

from hallmark_composite import CompositePublicKey, EcCurve, MlDsaParameterSet
from hsm import signing
from hsm.engine import LoadedMlDsaKey, PostQuantumEngine
from hsm.errors import UnsupportedAlgorithm
from hsm.material import CompositeKeyMaterial, MlDsaHalf, MlDsaKeyMaterial, TokenKey
from hsm.provider import (
    CompositeSignRequest,
    EcdsaSignRequest,
    Ed25519SignRequest,
    MlDsaMuSignRequest,
    MlDsaSignRequest,
    SignRequest,
)
from hsm.sealing import COMPONENT_LABEL, ECDSA_LABEL, ED25519_LABEL, native_label

from .fake_token import FakeToken, NativeMlDsaKey

_HASHES: dict[EcCurve, hashes.HashAlgorithm] = {EcCurve.P256: hashes.SHA256(), EcCurve.P384: hashes.SHA384()}


class FakeSigner:
    """`native`: new ML-DSA keys stay in the token."""

    def __init__(self, token: FakeToken, engine: PostQuantumEngine, *, native: bool) -> None:
        self._token = token
        self._engine = engine
        self._native = native

    def keep_seed(
        self, seed: bytes, parameter_set: MlDsaParameterSet, algorithm: str, public_key: bytes, key_binding: bytes
    ) -> MlDsaHalf:
        if self._native:
            label = native_label(algorithm=algorithm, key_binding=key_binding)
            return self._token.keep(NativeMlDsaKey(parameter_set, seed), label)
        return self._token.seal(seed, algorithm, public_key, key_binding)

    def _open(self, material: CompositeKeyMaterial | MlDsaKeyMaterial, key_binding: bytes) -> LoadedMlDsaKey:
        if isinstance(material, CompositeKeyMaterial):
            parameter_set, algorithm = material.algorithm.ml_dsa, material.algorithm.name
        else:
            parameter_set, algorithm = material.parameter_set, material.parameter_set.value
        half = material.post_quantum
        if isinstance(half, TokenKey):
            label = native_label(algorithm=algorithm, key_binding=key_binding)
            seed: bytes = self._token.find(half, label, NativeMlDsaKey).seed
        else:
            seed = self._token.unseal(half, algorithm, material.public_key, key_binding)
        return self._engine.load(parameter_set, seed)

    def sign(self, request: SignRequest) -> bytes:
        match request:
            case CompositeSignRequest():
                return self._sign_composite(request)
            case MlDsaSignRequest() | MlDsaMuSignRequest():
                return self._sign_mldsa(request)
            case EcdsaSignRequest(material=key):
                raw = self._sign_digest(key.classical, ECDSA_LABEL, key.curve, request.digest)
                return signing.release_ecdsa(key.curve, key.public_key, raw=raw, digest=request.digest)
            case Ed25519SignRequest(material=material):
                private_key = self._token.find(material.classical, ED25519_LABEL, ed25519.Ed25519PrivateKey)
                signature: bytes = private_key.sign(request.message)
                signing.check_ed25519(material.public_key, signature=signature, message=request.message)
                return signature
            case _:
                assert_never(request)

    def _sign_composite(self, request: CompositeSignRequest) -> bytes:
        material = request.material
        algorithm = material.algorithm
        return signing.sign_composite(
            CompositePublicKey.from_bytes(algorithm, material.public_key),
            ml_dsa_key=self._open(material, request.key_binding),
            sign_digest=lambda digest: self._sign_digest(material.classical, COMPONENT_LABEL, algorithm.curve, digest),
            verifier=self._engine,
            digest=request.digest,
            context=request.context,
        )

    def _sign_mldsa(self, request: MlDsaSignRequest | MlDsaMuSignRequest) -> bytes:
        material = request.material
        key = self._open(material, request.key_binding)
        if isinstance(request, MlDsaSignRequest):
            return signing.sign_ml_dsa(
                key,
                verifier=self._engine,
                parameter_set=material.parameter_set,
                public_key=material.public_key,
                message=request.message,
                context=request.context,
            )
        if isinstance(material.post_quantum, TokenKey):
            raise UnsupportedAlgorithm(signing.NO_MU_IN_TOKENS)
        return signing.sign_ml_dsa_mu(
            key,
            verifier=self._engine,
            parameter_set=material.parameter_set,
            public_key=material.public_key,
            mu=request.mu,
        )

    def _sign_digest(self, key: TokenKey, label: str, curve: EcCurve, digest: bytes) -> bytes:
        """R || s, as tokens give it."""
        private_key = self._token.find(key, label, ec.EllipticCurvePrivateKey)
        der = private_key.sign(digest, ec.ECDSA(utils.Prehashed(_HASHES[curve])))
        return b"".join(number.to_bytes(curve.coordinate_size, "big") for number in utils.decode_dss_signature(der))
