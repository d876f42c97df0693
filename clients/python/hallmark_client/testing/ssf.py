"""Receivers of shared signals of the fake: let in, listed, sent away. No stream is served, so nothing waits."""

import base64
import hashlib
import re
from typing import Final

import grpc

from hallmark.v1 import common_pb2, ssf_pb2
from hallmark_client.testing.key_rules import stamp
from hallmark_client.testing.refusals import invalid, not_found, refusal
from hallmark_client.testing.state import State

_ID: Final = re.compile("[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?")
_NAME: Final = re.compile(f"tenants/({_ID.pattern})/ssfReceivers/({_ID.pattern})")
_AUDIENCE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]+", re.ASCII)
_AUDIENCE_CHARACTERS_MAX: Final = 512


class FakeSsf:
    """The SsfService."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._receivers: dict[str, ssf_pb2.SsfReceiver] = {}

    def create(self, request: ssf_pb2.CreateSsfReceiverRequest) -> ssf_pb2.CreateSsfReceiverResponse:
        self._state.check_parent(request.parent)
        if not _ID.fullmatch(request.receiver_id):
            raise invalid("receiver_id", "must be 1 to 63 lower-case letters, digits or hyphens")
        if len(request.audience) > _AUDIENCE_CHARACTERS_MAX or not _AUDIENCE.fullmatch(request.audience):
            raise invalid("audience", f"must be a URI of at most {_AUDIENCE_CHARACTERS_MAX} characters")
        name = f"{self._state.parent}/ssfReceivers/{request.receiver_id}"
        if name in self._receivers:
            raise refusal(grpc.StatusCode.ALREADY_EXISTS, "RECEIVER_EXISTS", f"{name} exists")
        token = base64.urlsafe_b64encode(self._state.random_bytes(32)).rstrip(b"=").decode()
        receiver = ssf_pb2.SsfReceiver(name=name, audience=request.audience, create_time=stamp(self._state.now()))
        self._receivers[name] = receiver
        details = {
            "audience_sha256": hashlib.sha256(request.audience.encode()).hexdigest(),
            "token_sha256": hashlib.sha256(token.encode()).hexdigest(),
        }
        self._state.record("ssf-receiver.created", name, details, wait=common_pb2.LOG_WAIT_COMMITTED)
        return ssf_pb2.CreateSsfReceiverResponse(receiver=receiver, token=token)

    def list(self, request: ssf_pb2.ListSsfReceiversRequest) -> ssf_pb2.ListSsfReceiversResponse:
        self._state.check_parent(request.parent)
        found = [receiver for _, receiver in sorted(self._receivers.items())]
        return ssf_pb2.ListSsfReceiversResponse(receivers=found)

    def delete(self, request: ssf_pb2.DeleteSsfReceiverRequest) -> ssf_pb2.SsfReceiver:
        if not _NAME.fullmatch(request.name):
            raise invalid("name", "must look like tenants/{tenant}/ssfReceivers/{receiver}", "NAME_INVALID")
        if request.name not in self._receivers:
            raise not_found(request.name)
        receiver = self._receivers.pop(request.name)
        self._state.record("ssf-receiver.deleted", request.name, {}, wait=common_pb2.LOG_WAIT_COMMITTED)
        return receiver
