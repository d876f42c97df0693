"""Artifacts of the fake: statuses by name, as the service keeps them. Its feeds do not tell of them."""

import base64
import re
from typing import Final

import grpc

from hallmark.v1 import artifacts_pb2
from hallmark_client.errors import HallmarkError
from hallmark_client.testing.refusals import invalid, not_found, refusal
from hallmark_client.testing.state import State

_ARTIFACT: Final = re.compile("(tenants/[a-z][a-z0-9-]*)/artifacts/[0-9a-f]{64}")
_MODEL: Final = re.compile("(tenants/[a-z][a-z0-9-]*)/models/[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?")
_VALID: Final = artifacts_pb2.ARTIFACT_STATE_VALID
_REVOKED: Final = artifacts_pb2.ARTIFACT_STATE_REVOKED
_SUSPENDED: Final = artifacts_pb2.ARTIFACT_STATE_SUSPENDED
_PAGE_DEFAULT: Final = 100
_PAGE_MAX: Final = 1000
_VERSION_MAX: Final = 2**53


class FakeArtifacts:
    """The ArtifactService."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._statuses: dict[str, artifacts_pb2.ArtifactStatus] = {}

    def set_status(self, request: artifacts_pb2.SetArtifactStatusRequest) -> artifacts_pb2.ArtifactStatusResponse:
        self._check(request.name, _ARTIFACT, "artifacts/{sha256}")
        if request.state not in {_VALID, _SUSPENDED}:
            raise invalid("state", "must be VALID or SUSPENDED")
        before = self._statuses.get(request.name)
        known = _VALID if before is None else before.state
        if known in {_REVOKED, request.state}:
            raise _unchanged(request.name, "is so already, or was revoked")
        status = self._next(request.name, before, state=request.state)
        return self._answer("artifact.status-set", status, request.log_wait)

    def set_minimum(self, request: artifacts_pb2.SetMinimumVersionRequest) -> artifacts_pb2.ArtifactStatusResponse:
        self._check(request.name, _MODEL, "models/{model}")
        if not 1 <= request.minimum_version <= _VERSION_MAX:
            raise invalid("minimum_version", f"must be 1 to {_VERSION_MAX}")
        before = self._statuses.get(request.name)
        if before is not None and request.minimum_version <= before.minimum_version:
            raise _unchanged(request.name, "has this minimum version already: it only goes up")
        status = self._next(request.name, before, state=_VALID, minimum=request.minimum_version)
        return self._answer("model.minimum-version-set", status, request.log_wait)

    def list(self, request: artifacts_pb2.ListArtifactStatusesRequest) -> artifacts_pb2.ListArtifactStatusesResponse:
        self._state.check_parent(request.parent)
        if not 0 <= request.page_size <= _PAGE_MAX:
            raise invalid("page_size", f"must be 0 to {_PAGE_MAX}")
        size, after = request.page_size or _PAGE_DEFAULT, _read_token(request.page_token)
        names = [name for name in sorted(self._statuses) if name > after]
        return artifacts_pb2.ListArtifactStatusesResponse(
            statuses=[self._statuses[name] for name in names[:size]],
            next_page_token=base64.urlsafe_b64encode(names[size - 1].encode()).decode() if len(names) > size else "",
        )

    def _check(self, name: str, pattern: re.Pattern[str], shape: str) -> None:
        found = pattern.fullmatch(name)
        if found is None:
            raise invalid("name", f"must look like tenants/{{tenant}}/{shape}", "NAME_INVALID")
        if found[1] != self._state.parent:
            raise not_found(name)

    def _next(
        self,
        name: str,
        before: artifacts_pb2.ArtifactStatus | None,
        *,
        state: artifacts_pb2.ArtifactState,
        minimum: int = 0,
    ) -> artifacts_pb2.ArtifactStatus:
        status = artifacts_pb2.ArtifactStatus(name=name, state=state, minimum_version=minimum)
        status.revision = 1 if before is None else before.revision + 1
        status.update_time.FromDatetime(self._state.now())
        self._statuses[name] = status
        return status

    def _answer(
        self, kind: str, status: artifacts_pb2.ArtifactStatus, wait: int
    ) -> artifacts_pb2.ArtifactStatusResponse:
        log = self._state.record(kind, status.name, {"revision": status.revision}, wait=wait)
        return artifacts_pb2.ArtifactStatusResponse(status=status, log=log)


def _read_token(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token).decode()
    except ValueError:
        raise invalid("page_token", "is not one of ours", "PAGE_TOKEN_INVALID") from None


def _unchanged(name: str, why: str) -> HallmarkError:
    return refusal(grpc.StatusCode.FAILED_PRECONDITION, "STATE_TRANSITION_INVALID", f"{name} {why}")
