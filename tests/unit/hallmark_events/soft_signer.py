"""Keys in software that sign as JOSE and COSE want it."""

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, mldsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from hallmark_events.canonical import canonical_json
from hallmark_events.jws import jwk_of, parse_jwks


class Es256:
    def __init__(self) -> None:
        self.private = ec.generate_private_key(ec.SECP256R1())
        self.jwk = jwk_of(self.private.public_key())
        self.kid = str(self.jwk["kid"])

    def __call__(self, signed: bytes) -> bytes:
        r, s = decode_dss_signature(self.private.sign(signed, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


class MlDsa65:
    def __init__(self) -> None:
        self.private = mldsa.MLDSA65PrivateKey.generate()
        self.jwk = jwk_of(self.private.public_key())
        self.kid = str(self.jwk["kid"])

    def __call__(self, signed: bytes) -> bytes:
        return self.private.sign(signed)


def key_set(*signers: Es256 | MlDsa65):
    return parse_jwks(canonical_json({"keys": [signer.jwk for signer in signers]}))
