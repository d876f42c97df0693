"""Every parser, on any bytes: either a value that writes back the very same bytes, or a TlogError."""

from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hallmark_tlog.audit import audit
from hallmark_tlog.bundles import format_bundle, parse_bundle
from hallmark_tlog.checkpoint import parse_checkpoint
from hallmark_tlog.errors import TlogError
from hallmark_tlog.note import parse_note, parse_signature_line
from hallmark_tlog.proof import parse_proof, verify_proof
from hallmark_tlog.tiles import parse_tile_path
from hallmark_tlog.verify import open_checkpoint, verify_note
from hallmark_tlog.vkey import parse_vkey
from unit.hallmark_tlog.virtual_log import LOG_ED25519, LOG_ML_DSA, LOG_VKEYS, ORIGIN, VirtualLog

LOG = VirtualLog.of_size(2)
NOTE = LOG.files["checkpoint"]
PROOF = b"c2sp.org/tlog-proof@v1\nextra eA==\nindex 1\n" + b"A" * 43 + b"=\n\n" + NOTE


def altered(seed: bytes) -> st.SearchStrategy[bytes]:
    """Bytes like `seed` with a piece cut out and another put in: reaches deeper than random bytes."""
    places = st.tuples(st.integers(0, len(seed)), st.integers(0, len(seed)), st.binary(max_size=8))
    return places.map(lambda cut: seed[: cut[0]] + cut[2] + seed[cut[1] :])


def text_like(*seeds: str) -> st.SearchStrategy[str]:
    near = [altered(seed.encode()).map(lambda data: data.decode("utf-8", "surrogateescape")) for seed in seeds]
    return st.one_of(st.text(), *near)


def same_or_refused(parse: Callable, write: Callable, value: bytes | str) -> None:
    try:
        parsed = parse(value)
    except TlogError:
        return
    assert write(parsed) == value


@given(st.one_of(st.binary(), altered(NOTE)))
@example(NOTE)
def test_notes(data: bytes) -> None:
    same_or_refused(parse_note, bytes, data)


@given(st.one_of(st.binary(), altered(NOTE)))
def test_a_changed_note_is_never_trusted(data: bytes) -> None:
    """Whatever is done to the bytes: nobody gets a text that was not signed."""
    try:
        verified = verify_note(data, LOG_VKEYS)
    except TlogError:
        return
    assert verified.text == str(LOG.checkpoint)
    assert open_checkpoint(data, LOG_VKEYS).checkpoint == LOG.checkpoint


@given(text_like("\u2014 name AAAAAAE="))
def test_signature_lines(text: str) -> None:
    same_or_refused(parse_signature_line, str, text)


@given(text_like(str(LOG.checkpoint), str(LOG.checkpoint) + "extension\n"))
def test_checkpoints(text: str) -> None:
    same_or_refused(parse_checkpoint, str, text)


@given(text_like(str(LOG_ED25519.vkey), str(LOG_ML_DSA.vkey)))
@example(str(LOG_ED25519.vkey))
def test_vkeys(text: str) -> None:
    same_or_refused(parse_vkey, str, text)


@given(text_like("tile/0/x001/x234/067.p/8", "tile/entries/005", "tile/63/x001/000"))
def test_tile_paths(path: str) -> None:
    same_or_refused(parse_tile_path, lambda tile: tile.path, path)


@given(st.one_of(st.binary(), altered(b"\x00\x03one\x00\x00\x00\x01x")), st.integers(1, 4))
def test_bundles(data: bytes, width: int) -> None:
    same_or_refused(lambda value: parse_bundle(value, width), format_bundle, data)


@given(st.one_of(st.binary(), altered(PROOF)))
@example(PROOF)
def test_proofs(data: bytes) -> None:
    same_or_refused(parse_proof, bytes, data)


@given(st.one_of(st.binary(), altered(PROOF)))
def test_a_proof_of_something_else_is_refused(data: bytes) -> None:
    with pytest.raises(TlogError):
        verify_proof(data, b"never logged", LOG_VKEYS)


@given(st.sampled_from([path for path in LOG.files if path != "checkpoint"]), st.data())
def test_an_audit_of_any_altered_file_fails(path: str, data: st.DataObject) -> None:
    original = LOG.files[path]
    replaced = data.draw(st.one_of(st.binary(max_size=100), altered(original)).filter(lambda value: value != original))

    def fetch(asked: str) -> bytes:
        return replaced if asked == path else LOG.fetch(asked)

    with pytest.raises(TlogError):
        audit(fetch, LOG_VKEYS, origin=ORIGIN)
