"""Every reader, on any bytes: a value that writes back the very same bytes, or an EventsError and nothing else."""

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hallmark_events.canonical import canonical_json, parse_canonical
from hallmark_events.errors import EventInvalid, EventsError
from hallmark_events.event_set import EventSet
from hallmark_events.heartbeat import FeedHead, HeartbeatEvidence, encode_leaf, encode_payload, verify_heartbeat
from hallmark_events.jws import build_compact, parse_jwks, verify_compact, verify_general
from hallmark_events.lease import Lease
from hallmark_events.manifest import Manifest, parse_manifest_signature
from hallmark_events.snapshot import verify_manifest
from hallmark_events.snapshot_files import parse_delta, parse_state
from hallmark_events.state import FeedState
from hallmark_events.status_list import StatusList, parse_aggregation, parse_reference
from hallmark_events.status_list_cwt import build_status_list_cwt, verify_status_list_cwt
from hallmark_events.status_list_jwt import verify_status_list_jwt
from hallmark_events.subject_ids import parse_subject_id
from hallmark_events.trusted_time import Clocks, TrustedTime
from hallmark_events.types import LEASE_GRANTED, StatusValue
from hallmark_events.verified import EventEvidence
from hallmark_tlog.cose import CoseKey
from unit.hallmark_events.events_world import EPOCH, PARENT, START, ReadPlane, event, verifier
from unit.hallmark_events.soft_signer import Es256, key_set
from unit.hallmark_events.test_lease import OWN

SIGNER = Es256()
KEYS = key_set(SIGNER)
PLANE = ReadPlane()
PLANE.publish([event(1, "artifacts/a", StatusValue.VALID)], {1: StatusList.of_size(8, 2)})
STATE = FeedState()
STATE.begin_full(EPOCH)
STATE.apply(event(1, "artifacts/a", StatusValue.INVALID))
STATE.commit_full(sequence=1)
TIME = TrustedTime().heard(START, Clocks(boot_id="b", boot=timedelta(1), rtc=START))
LEAF = encode_leaf(
    parent=PARENT, nonce=b"n" * 16, feeds={"global": FeedHead(epoch=EPOCH, sequence=1, state_digest=bytes(32))}
)
CWT = build_status_list_cwt(StatusList.of_size(8, 2), uri="https://x", issued_at=START, kid=b"1", signer=SIGNER)
JWT = build_compact(b'{"iat":1,"sub":"https://x"}', kid=SIGNER.kid, typ="statuslist+jwt", signer=SIGNER).encode()


def altered(seed: bytes) -> st.SearchStrategy[bytes]:
    """Bytes like `seed` with a piece cut out and another put in: reaches deeper than random bytes."""
    places = st.tuples(st.integers(0, len(seed)), st.integers(0, len(seed)), st.binary(max_size=8))
    return places.map(lambda cut: seed[: cut[0]] + cut[2] + seed[cut[1] :])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def json_like(seed: bytes) -> st.SearchStrategy[bytes]:
    """The object with one member, at any depth, replaced: canonical, and wrong in one place."""

    def paths(value, path=()):
        yield path
        if isinstance(value, dict):
            for key, item in value.items():
                yield from paths(item, (*path, key))

    def replaced(choice) -> bytes:
        path, new = choice
        value = json.loads(seed)
        place = value
        for key in path[:-1]:
            place = place[key]
        if path:
            place[path[-1]] = new
        else:
            value = new
        try:
            return canonical_json(value)
        except ValueError:
            return b""

    return st.tuples(st.sampled_from(list(paths(json.loads(seed)))), JSON).map(replaced)


def near(seed: bytes) -> st.SearchStrategy[bytes]:
    return st.binary(max_size=64) | altered(seed) | json_like(seed)


CANONICAL: dict[str, tuple[bytes, Callable[[bytes], object], Callable[[object], bytes]]] = {
    "event": (event(1, "keys/k", StatusValue.VALID, reason="X").data, EventSet.parse, lambda found: found.data),
    "state": (STATE.to_json(), FeedState.from_json, lambda found: found.to_json()),
    "time": (TIME.to_json(), TrustedTime.from_json, lambda found: found.to_json()),
    "manifest": (PLANE.files["manifest.json"], Manifest.parse, lambda found: found.encode()),
}


@pytest.mark.parametrize("name", CANONICAL)
@given(data=st.data())
def test_what_is_read_is_written_the_same(name, data) -> None:
    seed, parse, write = CANONICAL[name]
    assert write(parse(seed)) == seed
    found = data.draw(near(seed))
    try:
        parsed = parse(found)
    except EventsError:
        return
    if name != "manifest":  # an empty leases_until may be left out
        assert write(parsed) == found


REFUSING: dict[str, tuple[bytes, Callable[[bytes], object]]] = {
    "canonical": (b'{"a":1}', lambda data: parse_canonical(data, what="it", max_bytes=99, refuse=EventInvalid)),
    "state file": (PLANE.files[Manifest.parse(PLANE.files["manifest.json"]).state.path], parse_state),
    "delta": (b'{"events":[],"from":1,"lists":[{"changes":[[1,1]],"list":1}],"to":2}', parse_delta),
    "manifest.sig": (PLANE.files["manifest.sig"], parse_manifest_signature),
    "jwks": (canonical_json({"keys": [SIGNER.jwk]}), parse_jwks),
    "general": (b'{"payload":"","signatures":[]}', lambda data: verify_general(data, KEYS, typ="x")),
}


@pytest.mark.parametrize("name", REFUSING)
@given(data=st.data())
def test_readers_of_json_raise_only_their_own(name, data) -> None:
    seed, parse = REFUSING[name]
    with suppress(EventsError):
        parse(data.draw(near(seed)))


@given(altered(JWT) | st.binary(max_size=64), altered(CWT) | st.binary(max_size=64), st.text(max_size=40))
def test_tokens_raise_only_their_own(jwt, cwt, text) -> None:
    for verify in (
        lambda: verify_status_list_jwt(jwt, KEYS, uri="https://x", now=START),
        lambda: verify_compact(text, KEYS, typ="statuslist+jwt"),
        lambda: verify_status_list_cwt(cwt, [CoseKey(SIGNER.private.public_key())], uri="https://x", now=START),
    ):
        with suppress(EventsError):
            verify()


@given(altered(StatusList.of_size(64, 2).compress()) | st.binary(max_size=64), st.integers(-1, 9))
def test_lists_raise_only_their_own(data, bits) -> None:
    with suppress(EventsError):
        assert len(StatusList.decompress(data, bits)) >= 0


@given(JSON | st.dictionaries(st.sampled_from(["format", "id", "uri", "email", "identifiers", "user"]), JSON))
def test_readers_of_parsed_json_raise_only_their_own(value) -> None:
    for read in (parse_subject_id, parse_reference, StatusList.from_json):
        with suppress(EventsError):
            read(value)
    if isinstance(value, dict):
        with suppress(EventsError):
            parse_aggregation(value)


@given(st.sampled_from(sorted(OWN)), JSON)
def test_leases_raise_only_their_own(name, value) -> None:
    with suppress(EventsError):
        Lease.from_event(event(1, "leases/l", StatusValue.VALID, uri=LEASE_GRANTED, own={**OWN, name: value}))


@settings(max_examples=50)
@given(st.data())
def test_verifiers_raise_only_their_own(data) -> None:
    files = {name: data.draw(st.just(PLANE.files[name]) | altered(PLANE.files[name])) for name in (
        "manifest.json", "manifest.sig", "manifest.tlog-proof")}  # fmt: skip
    payload = encode_payload(issuer="x", root=bytes(32), size=1, server_time=START)
    evidence = EventEvidence(signature=parse_manifest_signature(PLANE.files["manifest.sig"]))
    beat = HeartbeatEvidence(
        payload=data.draw(near(payload)), signature=evidence.signature, leaf=data.draw(near(LEAF)), path=None
    )
    for verify in (
        lambda: verify_manifest(*files.values(), verifier(), tenant="acme", seen=None, now=START),
        lambda: verifier().verify_event(data.draw(near(CANONICAL["event"][0])), evidence, before=None),
        lambda: verify_heartbeat(beat, verifier().trusted_keys, nonce=b"n" * 16, parent=PARENT),
    ):
        with suppress(EventsError):
            verify()
