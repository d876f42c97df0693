"""Removals of the fake: asked for and read. Its callers have no attested key, so no receipt is ever for their own."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from hallmark.v1 import devices_pb2, removal_pb2
from hallmark_client.testing.refusals import invalid, not_found
from hallmark_client.testing.state import State

_LEAST: Final = timedelta(minutes=1)
_MOST: Final = timedelta(days=30)
_DEFAULT: Final = timedelta(hours=24)
_MAX_PAGE: Final = 1000
_DEFAULT_PAGE: Final = 100
_DIGEST_DIGITS: Final = 64
_STATES: Final = tuple(name.removeprefix("REMOVAL_STATE_").lower() for name in removal_pb2.RemovalState.keys()[1:])
_GRADES: Final = ("A0", "A1", "A2")


class FakeRemovals:
    """The RemovalService. `find_device` raises NotFound for a device that is not enrolled."""

    def __init__(self, state: State, find_device: Callable[[str], devices_pb2.Device]) -> None:
        self._state = state
        self._find_device = find_device
        self._removals: dict[str, removal_pb2.Removal] = {}

    def request(self, request: removal_pb2.RequestDeletionRequest) -> removal_pb2.Removal:
        now = self._state.now()
        self._state.check_child_name(request.device, "devices")
        _check_artifact(request.artifact, self._state.parent)
        deadline = now + _DEFAULT
        if request.HasField("deadline"):
            deadline = request.deadline.ToDatetime(tzinfo=now.tzinfo)
            if not now + _LEAST <= deadline <= now + _MOST:
                raise invalid("deadline", "must be 1 minute to 30 days from now")
        if len(request.reason) > 512 or not request.reason.isprintable():
            raise invalid("reason", "may have 512 printable characters")
        self._find_device(request.device)
        return self.ask(request.device, request.artifact, now, deadline, reason=request.reason)

    def ask(
        self, device: str, artifact: str, now: datetime, deadline: datetime, *, consent: str = "", reason: str = ""
    ) -> removal_pb2.Removal:
        """One device for one artifact, because of a withdrawal or of a request."""
        removal = removal_pb2.Removal(
            name=f"{self._state.parent}/removals/{self._state.new_id()}",
            device=device,
            artifact=artifact,
            consent=consent,
            state=removal_pb2.REMOVAL_STATE_ISSUED,
            reason=reason,
        )
        removal.deadline.FromDatetime(deadline)
        removal.effective_time.FromDatetime(now)
        removal.issue_time.FromDatetime(now)
        self._removals[removal.name] = removal
        self._state.record("removal.requested", removal.name, {"deadline": deadline.isoformat()}, wait=0)
        return removal

    def submit(self, request: removal_pb2.SubmitDeletionReceiptRequest) -> removal_pb2.DeletionReceiptResponse:
        """As the service answers a device for what is another's."""
        self._state.check_child_name(request.removal, "removals")
        if not request.receipt.set:
            raise invalid("receipt.set", "is missing")
        raise not_found(request.removal)

    def get(self, request: removal_pb2.GetRemovalRequest) -> removal_pb2.Removal:
        self._state.check_child_name(request.name, "removals")
        if request.name not in self._removals:
            raise not_found(request.name)
        return self._removals[request.name]

    def list(self, request: removal_pb2.ListRemovalsRequest) -> removal_pb2.ListRemovalsResponse:
        self._state.check_parent(request.parent)
        if not 0 <= request.page_size <= _MAX_PAGE:
            raise invalid("page_size", f"must be 0 to {_MAX_PAGE}")
        size = request.page_size or _DEFAULT_PAGE
        found = [each for each in reversed(self._removals.values()) if _is_wanted(each, request)]
        names = [each.name for each in found]
        if request.page_token and request.page_token not in names:
            raise invalid("page_token", "is not one of ours", "PAGE_TOKEN_INVALID")
        begin = names.index(request.page_token) + 1 if request.page_token else 0
        more = names[begin + size - 1] if len(found) > begin + size else ""
        return removal_pb2.ListRemovalsResponse(removals=found[begin : begin + size], next_page_token=more)

    def report(self, request: removal_pb2.GetRemovalReportRequest) -> removal_pb2.RemovalReport:
        self._state.check_parent(request.parent)
        now = self._state.now()
        until = request.until.ToDatetime(tzinfo=now.tzinfo) if request.HasField("until") else now
        since = request.since.ToDatetime(tzinfo=now.tzinfo) if request.HasField("since") else until - timedelta(days=30)
        if since >= until:
            raise invalid("since", "must be before until, by ten years at most")
        issued = [each for each in self._removals.values() if since <= each.issue_time.ToDatetime(now.tzinfo) < until]
        counts = Counter(removal_pb2.RemovalState.Name(each.state) for each in issued)
        report = removal_pb2.RemovalReport(
            states={state: counts[f"REMOVAL_STATE_{state.upper()}"] for state in _STATES},
            grades=dict.fromkeys(_GRADES, 0),
        )
        for field, moment in (("since", since), ("until", until), ("report_time", now)):
            getattr(report, field).FromDatetime(moment)
        return report


def _check_artifact(name: str, parent: str) -> None:
    beginning, _, digest = name.rpartition("/")
    if len(digest) != _DIGEST_DIGITS or set(digest) - set("0123456789abcdef") or not beginning.endswith("/artifacts"):
        raise invalid("artifact", "must look like tenants/{tenant}/artifacts/{sha256}", "NAME_INVALID")
    if beginning != f"{parent}/artifacts":
        raise not_found(name)


def _is_wanted(removal: removal_pb2.Removal, request: removal_pb2.ListRemovalsRequest) -> bool:
    return (
        request.state in {0, removal.state}
        and request.device in {"", removal.device}
        and request.consent in {"", removal.consent}
    )
