"""What is asked for: one signature, with what makes the HSM's input of it."""

from collections.abc import Callable
from dataclasses import dataclass

from kms.core.idempotency import RequestKey
from kms.keys.formats import Envelope, SignatureFormat, open_envelope
from kms.keys.inputs import Prepared, SignInput, check_size, prepare
from kms.keys.purposes import context_for
from kms.keys.resolve import KeyReference
from kms.keys.signing_key import SigningKey
from kms.keys.verdict_gate import NOBODY, Claimant


@dataclass(frozen=True, slots=True, kw_only=True)
class SignItem:
    """One signature that is asked for. `prepare` makes the HSM's input once the version is known."""

    reference: KeyReference
    request: RequestKey
    prepare: Callable[[SigningKey], tuple[Prepared, Envelope | None]]
    claimant: Claimant = NOBODY


def item_of(
    reference: KeyReference,
    given: SignInput,
    form: SignatureFormat,
    request: RequestKey,
    claimant: Claimant = NOBODY,
) -> SignItem:
    """For an input that is there as a whole."""
    return SignItem(
        reference=reference,
        request=request,
        prepare=lambda key: prepare_whole(key, given, form),
        claimant=claimant,
    )


def prepare_whole(key: SigningKey, given: SignInput, form: SignatureFormat) -> tuple[Prepared, Envelope | None]:
    """Raises InvalidArgument where purpose, format or algorithm do not allow this input."""
    context = context_for(key.purpose, data=given.data, context=given.context)
    if context != given.context:
        given = SignInput(data=given.data, digest=given.digest, mu=given.mu, context=context)
    check_size(key.version, given.data)
    envelope = open_envelope(key.version, form, given)
    if envelope is not None:
        given = SignInput(data=envelope.to_be_signed)
    return prepare(key.version, given), envelope
