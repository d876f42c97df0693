"""Answers to rehearsals and reports, from the wire."""

from hallmark.v1 import keys_pb2
from hallmark_client.model.key_settings import Compromise, Rehearsal, UpdateRehearsal
from hallmark_client.wire.key_settings import readiness_of
from hallmark_client.wire.keys import key_of
from hallmark_client.wire.log import promise_of


def rehearsal_of(wire: keys_pb2.RotateKeyResponse) -> Rehearsal:
    return Rehearsal(key=key_of(wire.key), readiness=readiness_of(wire.readiness))


def update_rehearsal_of(wire: keys_pb2.UpdateKeyResponse) -> UpdateRehearsal:
    return UpdateRehearsal(
        key=key_of(wire.key),
        loosened=tuple(wire.loosened),
        parameters_sha256=wire.parameters_sha256,
        approvals_needed=wire.approvals_needed,
    )


def compromise_of(wire: keys_pb2.ReportKeyCompromiseResponse) -> Compromise:
    return Compromise(
        key=key_of(wire.key),
        revocations=tuple(wire.revocations),
        log=promise_of(wire.log),
        replayed=wire.replayed,
    )
