"""client.artifacts: which artifacts may be used at all, and from which version on."""

from collections.abc import Iterator

from hallmark.v1 import artifacts_pb2
from hallmark_client import permission_rpc as rpc
from hallmark_client.calls import Calls
from hallmark_client.model.artifacts import ArtifactChange, ArtifactStatus
from hallmark_client.model.enums import LogWait
from hallmark_client.wire.artifacts import change_of, status_of
from hallmark_client.wire.scalars import log_wait_argument


class Artifacts:
    """Reached as `client.artifacts`. An artifact is named by the SHA-256 of its content (hex), a model by its id.

    To take an artifact back for ever: `client.revocations.revoke("artifacts/{sha256}", ...)`.
    """

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def suspend(self, sha256: str, *, wait: LogWait = "committed", request_id: str | None = None) -> ArtifactChange:
        """Nobody may use it until it is resumed; told at once. Raises FailedPrecondition (STATE_TRANSITION_INVALID)."""
        return self._set(sha256, artifacts_pb2.ARTIFACT_STATE_SUSPENDED, wait, request_id)

    def resume(self, sha256: str, *, wait: LogWait = "committed", request_id: str | None = None) -> ArtifactChange:
        """Ends a suspension; told when the log has published it. Raises FailedPrecondition."""
        return self._set(sha256, artifacts_pb2.ARTIFACT_STATE_VALID, wait, request_id)

    def set_minimum_version(
        self, model: str, version: int, *, wait: LogWait = "committed", request_id: str | None = None
    ) -> ArtifactChange:
        """Nothing older may be used; it only goes up. Raises FailedPrecondition (STATE_TRANSITION_INVALID)."""
        request = artifacts_pb2.SetMinimumVersionRequest(
            name=self._name(model, "models"),
            minimum_version=version,
            request_id=self._calls.request_id(request_id),
            log_wait=log_wait_argument(wait),
        )
        return self._calls(rpc.SET_MINIMUM_VERSION, request, change_of)

    def list(self, *, page_size: int = 0) -> Iterator[ArtifactStatus]:
        """Of which anything was said: artifacts, then models, fetched page by page."""
        token = ""
        while True:
            request = artifacts_pb2.ListArtifactStatusesRequest(
                parent=self._calls.names.parent, page_size=page_size, page_token=token
            )
            page, token = self._calls(
                rpc.LIST_ARTIFACT_STATUSES,
                request,
                lambda answer: (tuple(map(status_of, answer.statuses)), answer.next_page_token),
            )
            yield from page
            if not token:
                return

    def _set(
        self, sha256: str, state: artifacts_pb2.ArtifactState, wait: LogWait, request_id: str | None
    ) -> ArtifactChange:
        request = artifacts_pb2.SetArtifactStatusRequest(
            name=self._name(sha256, "artifacts"),
            state=state,
            request_id=self._calls.request_id(request_id),
            log_wait=log_wait_argument(wait),
        )
        return self._calls(rpc.SET_ARTIFACT_STATUS, request, change_of)

    def _name(self, text: str, collection: str) -> str:
        if text.startswith("tenants/"):
            return text
        return f"{self._calls.names.parent}/{collection}/{text.removeprefix(collection + '/')}"
