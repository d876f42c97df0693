"""The agent's protocol, from both sides: any bytes raise its own error, and what is written is read back."""

import json
from contextlib import suppress
from datetime import UTC

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hallmark_client.device.agent import AgentBusy, AgentInvalid, AgentStatus, PermissionChange, Standing
from hallmark_client.device.agent.frames import (
    ANSWER_MAX,
    PIECE,
    PREFIX_SIZE,
    READ_MAX,
    REQUEST_MAX,
    Members,
    body_size,
    frame,
    parse_body,
    parse_piece,
    parse_request,
)
from hallmark_client.device.agent.refusals import error_json, read_error
from hallmark_client.device.agent.values import (
    artifact_json,
    change_json,
    clause_json,
    deletion_json,
    read_artifact,
    read_change,
    read_clause,
    read_deletion,
    read_root,
    read_status,
    root_json,
    status_json,
)
from hallmark_client.device.audit import AuditHead
from hallmark_client.device.errors import ArtifactSuspended, ArtifactUnknown, ContentInvalid, LimitReached, StoreFailed
from hallmark_client.device.model import Artifact, ArtifactState, Clause, Enforcement, Part
from hallmark_client.device.roots.memory import FACTS
from hallmark_client.device.roots.port import EpochEvidence
from hallmark_client.device.vault import Deletion
from hallmark_client.model.consents import ArtifactKind
from hallmark_events.canonical import canonical_json

TEXTS = st.text(st.characters(codec="utf-8"), max_size=40)
NUMBERS = st.integers(0, 2**53)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abcdefghijklmnop_", max_size=12), inner, max_size=5)
    ),
    max_leaves=12,
)
READERS = (
    read_artifact,
    read_change,
    read_clause,
    read_deletion,
    read_error,
    read_root,
    read_status,
)
PARTS = st.builds(
    lambda path, size, digest: Part(path=path, size=size, sha256=digest, blob="", blob_size=0, context=b""),
    TEXTS,
    NUMBERS,
    TEXTS,
)
ARTIFACTS = st.builds(
    Artifact,
    artifact_id=TEXTS,
    name=TEXTS,
    kind=st.sampled_from(ArtifactKind),
    version=NUMBERS,
    tenant=TEXTS,
    digest=TEXTS,
    size=NUMBERS,
    epoch=NUMBERS,
    state=st.sampled_from(ArtifactState),
    needs_permission=st.booleans(),
    created_at=st.datetimes(timezones=st.just(UTC)),
    parts=st.lists(PARTS, max_size=3).map(tuple),
    labels=st.dictionaries(TEXTS, TEXTS, max_size=3),
)


def whole(data: bytes) -> bytes:
    """The body of a frame, by its own prefix."""
    assert body_size(data[:PREFIX_SIZE], ANSWER_MAX) == len(data) - PREFIX_SIZE
    return data[PREFIX_SIZE:]


@given(st.binary(max_size=200))
@example(b'{"op":"find","params":{},"v":1}')
@example(b'{"v":true}')
def test_any_bytes(data: bytes) -> None:
    for parse in (lambda: parse_request(data), lambda: parse_body(data, ANSWER_MAX)):
        try:
            parse()
        except AgentInvalid:
            pass
        else:
            assert canonical_json(json.loads(data)) == data


@given(st.binary(max_size=8), st.integers(0, READ_MAX))
def test_any_prefix_and_piece(data: bytes, wanted: int) -> None:
    with suppress(AgentInvalid):
        assert body_size(data, REQUEST_MAX) <= REQUEST_MAX
    header = data.ljust(PIECE.size, b"\0")[: PIECE.size]
    try:
        kind, length = parse_piece(header, at_most=wanted)
    except AgentInvalid:
        return
    assert length <= wanted or kind


@given(JSON, st.sampled_from(READERS))
def test_any_value(value: object, read: object) -> None:
    with suppress(AgentInvalid):
        assert read(Members(value)) is not None  # type: ignore[operator]


@given(ARTIFACTS, st.data())
def test_an_artifact_with_anything_in_a_members_place(artifact: Artifact, data: st.DataObject) -> None:
    written = artifact_json(artifact, artifact.parts)
    member = data.draw(st.sampled_from(sorted(written)))
    changed = {**written, member: data.draw(JSON)}
    try:
        found = read_artifact(Members(changed))
    except AgentInvalid:
        return
    assert artifact_json(found, found.parts) == changed


@given(ARTIFACTS)
def test_artifacts_go_over_and_come_back(artifact: Artifact) -> None:
    data = whole(frame(result={"artifact": artifact_json(artifact, artifact.parts)}))
    assert read_artifact(parse_body(data, ANSWER_MAX).members("result").members("artifact")) == artifact


@given(TEXTS, st.sampled_from(Enforcement), TEXTS, st.booleans())
def test_clauses(name: str, enforcement: Enforcement, text: str, allows: bool) -> None:
    clause = Clause(name=name, text=text, enforcement=enforcement, allows=allows)
    assert read_clause(Members(clause_json(clause))) == clause


@given(
    NUMBERS,
    st.none() | st.dictionaries(TEXTS, st.binary(max_size=100), max_size=3),
    st.binary(min_size=32, max_size=32),
)
def test_deletions(number: int, evidence: dict[str, bytes] | None, head: bytes) -> None:
    deletion = Deletion(
        artifacts=(),
        method="m",
        epoch_before=number,
        epoch_after=number,
        evidence=None if evidence is None else EpochEvidence(epoch=number, parts=evidence),
        audit_head=AuditHead(size=number, head=head),
    )
    assert read_deletion(Members(deletion_json(deletion))) == deletion


def test_status_roots_and_changes() -> None:
    status = AgentStatus(application="app", tenant="t", epoch=1, policy_version=2, readers=3, readers_max=4, root=FACTS)
    assert read_status(Members(status_json(status))) == status
    assert read_root(Members(root_json(FACTS))) == FACTS
    change = PermissionChange(artifact_id="1", name="2", version=3, standing=Standing.SUSPENDED, why="4")
    assert read_change(Members(change_json(change))) == change


@given(st.text(max_size=200), st.dictionaries(TEXTS, TEXTS, max_size=3))
def test_errors_keep_kind_reason_and_facts(message: str, metadata: dict[str, str]) -> None:
    for sent in (
        ArtifactUnknown("ARTIFACT_UNKNOWN", message, metadata=metadata),
        ArtifactSuspended("ARTIFACT_SUSPENDED", message, metadata=metadata),
        ContentInvalid("CONTENT_INVALID", message, metadata=metadata),
    ):
        found = read_error(Members(error_json(sent)))
        assert type(found) is type(sent)
        assert (found.reason, found.metadata) == (sent.reason, metadata)  # type: ignore[attr-defined]


def test_errors_with_members_of_their_own() -> None:
    busy = read_error(Members(error_json(AgentBusy("busy", retry_after_seconds=1.25))))
    assert isinstance(busy, AgentBusy)
    assert busy.retry_after_seconds == 1.25
    reached = read_error(Members(error_json(LimitReached("max-uses", "spent"))))
    assert isinstance(reached, LimitReached)
    assert reached.clause == "max-uses"
    assert str(read_error(Members(error_json(ValueError("why"))))) == "why"


@pytest.mark.parametrize(
    "error", [StoreFailed("STORE_FAILED", "/home/me/vault: disk"), RuntimeError("/home/me"), OSError(5, "x")]
)
def test_what_is_the_owners_stays_with_the_owner(error: Exception) -> None:
    found = read_error(Members(error_json(error)))
    assert isinstance(found, StoreFailed)
    assert "/home" not in str(found)


def test_a_frame_that_is_too_long() -> None:
    with pytest.raises(ValueError, match="at most"):
        frame(REQUEST_MAX, op="x" * REQUEST_MAX)
