"""A key serves its purpose only; a manifest key reads what it signs."""

import json
from dataclasses import replace

import pytest

from kms.core.errors import FailedPrecondition, InvalidArgument, NotFound, Reason
from kms.keys.algorithms import ALGORITHMS, DEFAULT, HPKE_DEFAULT, AlgorithmFamily, algorithm_titled
from kms.keys.manifest_format import check_manifest
from kms.keys.model import KeyPurpose
from kms.keys.purposes import (
    MANIFEST_CONTEXT,
    check_algorithm,
    check_opens,
    check_signs,
    context_for,
    default_algorithm,
    default_purpose,
    verification_context,
)
from support.clock import START
from support.key_life_model import key_of_one_version

SHA256 = "0" * 64
FILE = {"path": "a", "sha256": SHA256, "size": 1}
EMPTY = {"exclude": [], "files": [], "format": "hallmark-manifest/v1", "links": []}


def encode(content: object) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


@pytest.mark.parametrize("algorithm", ALGORITHMS.values(), ids=str)
@pytest.mark.parametrize("purpose", [KeyPurpose.SIGN, KeyPurpose.MANIFEST, KeyPurpose.ENVELOPE])
def test_which_algorithm_serves_which_purpose(purpose: KeyPurpose, algorithm) -> None:
    match purpose:
        case KeyPurpose.ENVELOPE:
            fits = algorithm.family is AlgorithmFamily.HPKE
        case KeyPurpose.MANIFEST:
            fits = algorithm.family in {AlgorithmFamily.COMPOSITE, AlgorithmFamily.ML_DSA}
        case _:
            fits = algorithm.family is not AlgorithmFamily.HPKE
    if fits:
        check_algorithm(purpose, algorithm)
        return
    with pytest.raises(InvalidArgument) as refused:
        check_algorithm(purpose, algorithm)
    assert refused.value.reason is Reason.PURPOSE_MISMATCH


def test_purpose_and_algorithm_stand_for_each_other() -> None:
    assert (default_purpose(None), default_purpose(HPKE_DEFAULT)) == (KeyPurpose.SIGN, KeyPurpose.ENVELOPE)
    assert (default_algorithm(KeyPurpose.SIGN), default_algorithm(KeyPurpose.ENVELOPE)) == (DEFAULT, HPKE_DEFAULT)


def test_titles_are_one_to_one() -> None:
    assert [algorithm_titled(algorithm.title) for algorithm in ALGORITHMS.values()] == list(ALGORITHMS.values())


def test_what_a_key_may_be_asked_for() -> None:
    key = key_of_one_version(START)
    check_signs(key)
    check_signs(replace(key, purpose=KeyPurpose.MANIFEST))
    check_opens(replace(key, purpose=KeyPurpose.ENVELOPE))
    for check, purpose in ((check_signs, KeyPurpose.ENVELOPE), (check_opens, KeyPurpose.SIGN)):
        with pytest.raises(FailedPrecondition) as refused:
            check(replace(key, purpose=purpose))
        assert refused.value.reason is Reason.PURPOSE_MISMATCH
    for check in (check_signs, check_opens):
        with pytest.raises(NotFound):
            check(replace(key, purpose=KeyPurpose.SERVICE))


def test_a_manifest_key_signs_manifests_under_one_context() -> None:
    manifest = encode(EMPTY)
    for context in (b"", MANIFEST_CONTEXT):
        assert context_for(KeyPurpose.MANIFEST, data=manifest, context=context) == MANIFEST_CONTEXT
    for data, context in ((manifest, b"other"), (None, b""), (b"{}", b"")):
        with pytest.raises(InvalidArgument) as refused:
            context_for(KeyPurpose.MANIFEST, data=data, context=context)
        assert refused.value.reason is Reason.PURPOSE_MISMATCH
    assert context_for(KeyPurpose.SIGN, data=b"anything", context=b"c") == b"c"
    assert verification_context(KeyPurpose.MANIFEST, b"") == MANIFEST_CONTEXT
    assert verification_context(KeyPurpose.SIGN, b"") == b""


@pytest.mark.parametrize(
    "data",
    [
        encode(EMPTY),
        encode({**EMPTY, "files": [FILE, {**FILE, "path": "b/c d.bin"}], "exclude": ["*.tmp"]}),
        encode({**EMPTY, "links": [{"path": "l", "target": "../elsewhere"}]}),
        encode({**EMPTY, "files": [{**FILE, "path": "dossier/é"}]}),
    ],
)
def test_manifests(data: bytes) -> None:
    check_manifest(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b"\xff",
        b"[" * 5000,
        encode(EMPTY) + b"\n",
        json.dumps(EMPTY).encode(),
        encode({**EMPTY, "more": 1}),
        encode({**EMPTY, "format": "hallmark-manifest/v2"}),
        encode({**EMPTY, "files": {}}),
        encode({**EMPTY, "exclude": [1]}),
        encode({**EMPTY, "files": [{**FILE, "size": -1}]}),
        encode({**EMPTY, "files": [{**FILE, "size": True}]}),
        encode({**EMPTY, "files": [{**FILE, "size": 1.0}]}),
        encode({**EMPTY, "files": [{**FILE, "sha256": "G" * 64}]}),
        encode({**EMPTY, "files": [{**FILE, "path": "/a"}]}),
        encode({**EMPTY, "files": [{**FILE, "path": "a/../b"}]}),
        encode({**EMPTY, "files": [{**FILE, "path": "./a"}]}),
        encode({**EMPTY, "files": [{**FILE, "path": "a\0"}]}),
        encode({**EMPTY, "files": [{**FILE, "path": "b"}, FILE]}),
        encode({**EMPTY, "files": [FILE, FILE]}),
        encode({**EMPTY, "files": [FILE], "links": [{"path": "a", "target": "b"}]}),
        b'{"exclude":[],"exclude":[],"files":[],"format":"hallmark-manifest/v1","links":[]}',
        b'{"exclude":["\\ud800"],"files":[],"format":"hallmark-manifest/v1","links":[]}',
        b'{"exclude":["\\u0041"],"files":[],"format":"hallmark-manifest/v1","links":[]}',
    ],
)
def test_what_is_no_manifest_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidArgument) as refused:
        check_manifest(data)
    assert refused.value.reason is Reason.PURPOSE_MISMATCH


@pytest.mark.parametrize("context", [b"hallmark/", b"hallmark/manifest/v1", b"hallmark/revocation-event/v1"])
def test_contexts_of_other_purposes_are_not_for_keys_that_sign_anything(context: bytes) -> None:
    with pytest.raises(InvalidArgument) as refused:
        context_for(KeyPurpose.SIGN, data=b"m", context=context)
    assert (refused.value.reason, refused.value.field) == (Reason.PURPOSE_MISMATCH, "context")
    near = context.replace(b"/", b".")
    assert context_for(KeyPurpose.SIGN, data=b"m", context=near) == near
