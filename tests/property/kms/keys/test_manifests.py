"""The service's own reader of manifests agrees with the client's, whatever the bytes."""

import json

from hypothesis import given
from hypothesis import strategies as st

from hallmark_client.errors import ManifestInvalid
from hallmark_client.manifest import parse_manifest
from kms.core.errors import InvalidArgument
from kms.keys.manifest_format import check_manifest

PATHS = st.sampled_from(["a", "b", "a/b", "./a", "/a", "..", "", "é", "a/", "a//b"]) | st.text(max_size=4)
FILES = st.fixed_dictionaries(
    {
        "path": PATHS,
        "sha256": st.sampled_from(["0" * 64, "f" * 64, "F" * 64, "0" * 63, ""]),
        "size": st.sampled_from([0, 1, -1, True, 1.5, 2**70, "1"]),
    }
)
LINKS = st.fixed_dictionaries({"path": PATHS, "target": st.text(max_size=3) | st.none()})
CONTENTS = st.fixed_dictionaries(
    {
        "exclude": st.lists(st.text(max_size=2) | st.integers(), max_size=2),
        "files": st.lists(FILES, max_size=3),
        "format": st.sampled_from(["hallmark-manifest/v1"] * 5 + ["hallmark-manifest/v2"]),
        "links": st.lists(LINKS, max_size=2),
    }
)


def is_manifest(data: bytes) -> bool:
    try:
        check_manifest(data)
    except InvalidArgument:
        return False
    return True


def client_reads(data: bytes) -> bool:
    try:
        parse_manifest(data)
    except ManifestInvalid:
        return False
    return True


@given(CONTENTS)
def test_both_read_the_same_of_what_looks_like_one(content) -> None:
    data = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode(
        "utf-8", "surrogatepass"
    )
    assert is_manifest(data) == client_reads(data)


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_both_read_the_same_of_any_bytes(data: bytes) -> None:
    assert is_manifest(data) == client_reads(data)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=3),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=8), inner),
        max_leaves=8,
    )
)
def test_both_refuse_any_other_json(content) -> None:
    data = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
    assert not is_manifest(data)
    assert not client_reads(data)
