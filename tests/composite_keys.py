"""A composite private key in software, for tests of verification: real cryptography, no token."""

import hashlib

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, mldsa, utils
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hallmark_composite import (
    CompositeAlgorithm,
    CompositePublicKey,
    EcCurve,
    MlDsaParameterSet,
    message_representative,
    prehash,
)
from hallmark_composite.encoding import join_public_key, join_signature

ML_DSA = {
    MlDsaParameterSet.ML_DSA_44: mldsa.MLDSA44PrivateKey,
    MlDsaParameterSet.ML_DSA_65: mldsa.MLDSA65PrivateKey,
    MlDsaParameterSet.ML_DSA_87: mldsa.MLDSA87PrivateKey,
}
CURVES = {EcCurve.P256: ec.SECP256R1(), EcCurve.P384: ec.SECP384R1()}
HASHES = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384()}


class SoftwareCompositeKey:
    def __init__(self, algorithm: CompositeAlgorithm, ml_dsa_key=None, ec_key=None) -> None:
        self.algorithm = algorithm
        self.ml_dsa_key = ml_dsa_key or ML_DSA[algorithm.ml_dsa].generate()
        self.ec_key = ec_key or ec.generate_private_key(CURVES[algorithm.curve])
        self.public_key = CompositePublicKey.from_bytes(
            algorithm,
            join_public_key(
                algorithm,
                ml_dsa=self.ml_dsa_key.public_key().public_bytes_raw(),
                ec_point=self.ec_key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint),
            ),
        )

    def sign(self, message: bytes, context: bytes = b"") -> bytes:
        ml_dsa, ecdsa = self.halves(message, context)
        return join_signature(self.algorithm, ml_dsa=ml_dsa, ecdsa_der=ecdsa)

    def halves(self, message: bytes, context: bytes = b"") -> tuple[bytes, bytes]:
        representative = message_representative(self.algorithm, prehash(self.algorithm, message), context)
        return self.ml_dsa_key.sign(representative, self.algorithm.label), self.sign_ecdsa(representative)

    def sign_ecdsa(self, representative: bytes) -> bytes:
        digest = hashlib.new(self.algorithm.ecdsa_hash, representative).digest()
        return self.ec_key.sign(digest, ec.ECDSA(utils.Prehashed(HASHES[self.algorithm.ecdsa_hash])))
