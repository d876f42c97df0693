"""Answers to rehearsals and reports, from the wire."""

from hallmark.v1 import keys_pb2
from hallmark_client.model.key_settings import Compromise, Rehearsal
from hallmark_client.wire.key_settings import readiness_of
from hallmark_client.wire.keys import key_of
from hallmark_client.wire.log import promise_of


def rehearsal_of(wire: keys_pb2.RotateKeyResponse) -> Rehearsal:
    return Rehearsal(key=key_of(wire.key), readiness=readiness_of(wire.readiness))


def compromise_of(wire: keys_pb2.ReportKeyCompromiseResponse) -> Compromise:
    return Compromise(
        key=key_of(wire.key),
        revocations=tuple(wire.revocations),
        log=promise_of(wire.log),
        replayed=wire.replayed,
    )
