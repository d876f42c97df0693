"""Verification of composite signatures, offline, with public material only."""

from dataclasses import dataclass

from . import components, encoding
from .errors import MalformedInput
from .public_key import CompositePublicKey
from .representative import message_representative, prehash


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedComposite:
    """What was proved: the holder of both halves of `public_key` signed `digest` under `context`.

    The signature bytes themselves identify nothing: others for the same message can be made from them without the
    private key (the scheme is EUF-CMA only; draft -19, section 10.2).
    """

    public_key: CompositePublicKey
    digest: bytes
    """PH(M)."""
    context: bytes


def verify(
    public_key: CompositePublicKey,
    signature: bytes,
    *,
    message: bytes | None = None,
    digest: bytes | None = None,
    context: bytes = b"",
) -> VerifiedComposite:
    """Checks both halves (draft -19, section 3.3). Give the message or its pre-hash PH(M), not both.

    1. split the signature by size, strict DER for the ECDSA half
    2. M' from the digest and the context
    3. ML-DSA over M', context = label
    4. ECDSA over M'

    Raises InvalidSignature, or MalformedInput for arguments that cannot be right.
    """
    algorithm = public_key.algorithm
    match message, digest:
        case bytes(), None:
            digest = prehash(algorithm, message)
        case None, bytes():
            pass
        case _:
            raise MalformedInput("give the message or its pre-hash, as bytes, and not both")
    ml_dsa, ecdsa_der = encoding.split_signature(algorithm, signature)
    representative = message_representative(algorithm, digest, context)
    components.verify_ml_dsa_half(public_key, signature=ml_dsa, representative=representative)
    components.verify_ecdsa_half(public_key, signature_der=ecdsa_der, representative=representative)
    return VerifiedComposite(public_key=public_key, digest=digest, context=context)
