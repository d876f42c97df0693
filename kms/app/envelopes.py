"""Envelopes, put together."""

from datetime import timedelta

from kms.approvals.service import ApprovalService
from kms.config import Config
from kms.core.clock import Clock
from kms.envelopes.data_keys import DataKeys
from kms.envelopes.opening import EnvelopeOpener
from kms.envelopes.rpc import EnvelopeServicer
from kms.envelopes.shredding import Shredder
from kms.envelopes.statements import EnvelopeKeys
from kms.keys.service import KeyService
from kms.keys.signing import SigningService
from kms.keys.usage import UseRates
from kms.server.errors import to_status


def make_envelopes(
    config: Config, keys: KeyService, signing: SigningService, approvals: ApprovalService, clock: Clock
) -> EnvelopeServicer:
    lifetime = timedelta(seconds=config.envelopes.key_lifetime_seconds)
    opener = EnvelopeOpener(keys, UseRates(clock), signing.verdicts)
    return EnvelopeServicer(
        statements=EnvelopeKeys(keys.database, signing, lifetime),
        opener=opener,
        data_keys=DataKeys(keys, opener),
        shredder=Shredder(keys, approvals),
        status_of=to_status,
    )
