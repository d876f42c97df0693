"""Verification of signatures by any key of the service, on public material only."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import cryptography.exceptions
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from sqlalchemy.engine import Connection

from hallmark_composite import CompositeError, CompositePublicKey, EcCurve
from hallmark_composite import verify as verify_composite
from hallmark_composite.encoding import decode_ecdsa_der
from kms.core.database import Database
from kms.core.errors import InvalidArgument, NotFound, Reason, ServiceError, not_found
from kms.keys.inputs import Prepared, SignInput, prepare_to_verify
from kms.keys.model import KeyPurpose, KeyVersion
from kms.keys.public_keys import MlDsaPublicKey, load_public_key
from kms.keys.purposes import verification_context
from kms.keys.resolve import KeyReference, find_referenced

_ECDSA_HASHES: dict[EcCurve, ec.ECDSA] = {
    EcCurve.P256: ec.ECDSA(Prehashed(hashes.SHA256())),
    EcCurve.P384: ec.ECDSA(Prehashed(hashes.SHA384())),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyItem:
    """A signature in the algorithm's own bytes, and what it should be of."""

    reference: KeyReference
    given: SignInput
    signature: bytes


@dataclass(slots=True)
class VerificationService:
    """Answers with the version whose key verifies; there is no boolean to forget."""

    database: Database

    async def verify(self, item: VerifyItem) -> KeyVersion:
        """Raises InvalidArgument/SIGNATURE_INVALID when no version named verifies it, NotFound."""
        (outcome,) = await self.verify_many([item])
        if isinstance(outcome, ServiceError):
            raise outcome
        return outcome

    async def verify_many(self, items: Sequence[VerifyItem]) -> list[KeyVersion | ServiceError]:
        """One read for all keys, then the arithmetic in a thread: the event loop has other callers."""
        references = {item.reference for item in items}
        keys = await self.database.read(lambda tx: {reference: _candidates(tx, reference) for reference in references})
        return await asyncio.to_thread(lambda: [_verify(item, keys[item.reference]) for item in items])


@dataclass(frozen=True, slots=True)
class _Candidates:
    """Versions to try, newest first."""

    purpose: KeyPurpose
    versions: tuple[KeyVersion, ...]


def check_signature(version: KeyVersion, prepared: Prepared, signature: bytes) -> None:
    """Raises InvalidArgument/SIGNATURE_INVALID, whatever the bytes."""
    algorithm = version.algorithm
    try:
        key = load_public_key(algorithm, version.public_bytes)
        match key:
            case CompositePublicKey():
                verify_composite(key, signature, digest=prepared.content, context=prepared.context)
            case ed25519.Ed25519PublicKey():
                key.verify(signature, prepared.content)
            case ec.EllipticCurvePublicKey():
                assert algorithm.curve is not None
                decode_ecdsa_der(algorithm.curve, signature)  # strict DER: one spelling for each signature
                key.verify(signature, prepared.content, _ECDSA_HASHES[algorithm.curve])
            case _:
                _check_ml_dsa(key, prepared, signature)
    except (CompositeError, cryptography.exceptions.InvalidSignature, ValueError):
        raise _invalid(str(version.name)) from None


def _check_ml_dsa(key: MlDsaPublicKey, prepared: Prepared, signature: bytes) -> None:
    if prepared.is_message:
        key.verify(signature, prepared.content, prepared.context)
    else:
        key.verify_mu(signature, prepared.content)


def _candidates(tx: Connection, reference: KeyReference) -> _Candidates | NotFound:
    try:
        key, number = find_referenced(tx, reference)
    except NotFound as error:
        return error
    named = key.versions if number is None else (key.version(number),)
    versions = tuple(version for version in named if version is not None)
    return _Candidates(key.purpose, versions) if key.algorithm.signs else not_found(str(reference))


def _verify(item: VerifyItem, found: _Candidates | NotFound) -> KeyVersion | ServiceError:
    if isinstance(found, NotFound):
        return found
    given = item.given
    context = verification_context(found.purpose, given.context)
    given = SignInput(data=given.data, digest=given.digest, mu=given.mu, context=context)
    for version in found.versions:
        try:
            check_signature(version, prepare_to_verify(version, given), item.signature)
        except InvalidArgument as error:
            if error.reason is not Reason.SIGNATURE_INVALID:
                return error
            continue
        return version
    return _invalid(str(item.reference))


def _invalid(name: str) -> InvalidArgument:
    return InvalidArgument(
        Reason.SIGNATURE_INVALID,
        f"the signature does not verify with {name} over this input and context",
        field="signature",
    )
