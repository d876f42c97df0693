"""Foreign bytes: a reader gives a value whose one spelling they are, or raises its own error; nothing else, ever."""

import json
from contextlib import suppress

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hallmark_events.canonical import canonical_json
from hallmark_release import ReleaseId, ReleaseIndex, SignedFile, Statement, parse_index, parse_statement
from hallmark_release.bundle import MEDIA_TYPE, encode_bundle, parse_bundle
from hallmark_release.dsse import Envelope
from hallmark_release.errors import FormatInvalid, LogProofInvalid, ReleaseError, ReleaseMismatch, TrustUnusable
from hallmark_release.index import IndexPart, encrypted_size
from hallmark_release.log_proof import verify_log_proof
from hallmark_release.names import meeting_paths, path_order, why_not_path
from hallmark_release.statement import SHARD_SIZE, shard_count
from hallmark_release.trust import parse_composite_key, parse_ecdsa_key, parse_log_policy
from unit.hallmark_release.release_world import POLICY

NAMES = st.text(min_size=1, max_size=8).filter(lambda text: "/" not in text and why_not_path(text) is None)
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
SIZES = st.integers(1, 3 * SHARD_SIZE)
DIGESTS = st.binary(min_size=32, max_size=32)
VERSIONS = st.text(min_size=1, max_size=64).filter(str.isprintable)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def releases(draw: st.DrawFn) -> ReleaseId:
    epoch = draw(st.integers(1, 2**53))
    return ReleaseId(
        tenant=draw(st.sampled_from(["default", "a", "t-1"])),
        model=draw(st.from_regex(r"[a-z]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)),
        version=draw(VERSIONS),
        epoch=epoch,
        minimum_epoch=draw(st.integers(0, epoch)),
    )


@st.composite
def statements(draw: st.DrawFn) -> Statement:
    paths = sorted(draw(st.sets(PATHS, min_size=1, max_size=4)), key=path_order)
    assume(meeting_paths(paths) is None)
    files = []
    for path in paths:
        size = draw(SIZES)
        count = shard_count(size)
        files.append(SignedFile(path, size, tuple(draw(st.lists(DIGESTS, min_size=count, max_size=count)))))
    return Statement(draw(releases()), tuple(files), tuple(sorted(draw(st.sets(PATHS, max_size=2)))))


@st.composite
def indexes(draw: st.DrawFn) -> ReleaseIndex:
    statement = draw(statements())
    parts = []
    for file in statement.files:
        size = encrypted_size(file.size)
        pieces = tuple(draw(DIGESTS) for _ in range(-(-size // (4 * 1024 * 1024))))
        parts.append(
            IndexPart(
                path=file.path,
                size=file.size,
                sha256=draw(DIGESTS).hex(),
                encrypted_size=size,
                pieces=pieces,
            )
        )
    return ReleaseIndex(statement.release, "0f" * 16, "model-weights", statement.sha256, tuple(parts))


@given(statements())
def test_a_statement_is_read_as_it_was_written(statement: Statement) -> None:
    assert parse_statement(statement.payload) == statement


@given(indexes())
def test_an_index_is_read_as_it_was_written(index: ReleaseIndex) -> None:
    assert parse_index(index.data) == index


def paths_into(value: object, prefix: tuple = ()) -> list[tuple]:
    """Every place in a JSON document."""
    found = [prefix]
    if isinstance(value, dict):
        for name in value:
            found += paths_into(value[name], (*prefix, name))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            found += paths_into(item, (*prefix, number))
    return found


def replaced(document: object, place: tuple, value: object) -> object:
    if not place:
        return value
    copy = json.loads(json.dumps(document))
    at = copy
    for step in place[:-1]:
        at = at[step]
    at[place[-1]] = value
    return copy


@pytest.mark.parametrize(("strategy", "attribute", "parse"), [
    (statements(), "payload", parse_statement), (indexes(), "data", parse_index),
], ids=["statement", "index"])  # fmt: skip
@given(data=st.data())
def test_one_member_changed(strategy, attribute, parse, data: st.DataObject) -> None:
    """Either the reader refuses it, or it is the one spelling of another value."""
    written = getattr(data.draw(strategy), attribute)
    document = json.loads(written)
    place = data.draw(st.sampled_from(paths_into(document)))
    try:
        changed = canonical_json(replaced(document, place, data.draw(JSON)))
    except ValueError:
        return
    try:
        read = parse(changed)
    except FormatInvalid:
        return
    assert getattr(read, attribute) == changed


@pytest.mark.parametrize(("strategy", "attribute", "parse"), [
    (statements(), "payload", parse_statement), (indexes(), "data", parse_index),
], ids=["statement", "index"])  # fmt: skip
@given(data=st.data())
def test_one_byte_changed(strategy, attribute, parse, data: st.DataObject) -> None:
    written = bytearray(getattr(data.draw(strategy), attribute))
    place = data.draw(st.integers(0, len(written) - 1))
    written[place] = data.draw(st.integers(0, 255))
    try:
        read = parse(bytes(written))
    except FormatInvalid:
        return
    assert getattr(read, attribute) == bytes(written)


@given(st.binary(max_size=300) | JSON.map(lambda value: json.dumps(value).encode()))
def test_anything(data: bytes) -> None:
    for parse, error in (
        (parse_statement, FormatInvalid),
        (parse_index, FormatInvalid),
        (lambda each: parse_bundle(each, media_type=MEDIA_TYPE), FormatInvalid),
        (parse_ecdsa_key, TrustUnusable),
        (parse_composite_key, TrustUnusable),
    ):
        with pytest.raises(error):
            parse(data)
    with suppress(TrustUnusable):
        parse_log_policy(data)


@given(st.binary(max_size=200), st.binary(min_size=1, max_size=100), st.text("0123456789abcdef", max_size=64))
def test_a_bundle_is_read_as_it_was_written(payload: bytes, signature: bytes, hint: str) -> None:
    written = encode_bundle(Envelope(payload, signature), key_sha256=hint, media_type=MEDIA_TYPE)
    read = parse_bundle(written, media_type=MEDIA_TYPE)
    assert (read.envelope, read.key_sha256) == (Envelope(payload, signature), hint)
    with pytest.raises(FormatInvalid):
        parse_bundle(written, media_type="application/other")


@given(indexes(), st.binary(max_size=400))
def test_any_log_proof(index: ReleaseIndex, data: bytes) -> None:
    for proof in (data, b"c2sp.org/tlog-proof@v1\nindex 0\n\n" + data):
        with pytest.raises((LogProofInvalid, ReleaseMismatch)):
            verify_log_proof(proof, index, POLICY)


def test_every_error_is_of_the_tree() -> None:
    assert issubclass(FormatInvalid, ReleaseError)
