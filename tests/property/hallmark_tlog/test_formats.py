"""Policies, witness messages and COSE receipts, on any bytes: as test_parsers, and no altered one is believed."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hallmark_tlog.ccf_receipt import verify_ccf_receipt
from hallmark_tlog.checkpoint import Checkpoint
from hallmark_tlog.cose import decode_cbor, encode_cbor, load_key, parse_sign1
from hallmark_tlog.cose_receipt import inclusion_receipt, receipt_header, receipt_message, verify_receipt
from hallmark_tlog.errors import TlogError
from hallmark_tlog.policy import Group, Policy, PolicyLog, Witness, parse_policy
from hallmark_tlog.prove import inclusion_proof
from hallmark_tlog.verify import Signer
from hallmark_tlog.vkey import KeyType, VerifierKey
from hallmark_tlog.witness import (
    AddCheckpointRequest,
    Cosigned,
    parse_add_checkpoint,
    parse_size_conflict,
    read_answer,
)
from hallmark_tlog.witness_server import CosigningKey, WitnessServer
from property.hallmark_tlog.test_parsers import altered, same_or_refused, text_like
from unit.hallmark_tlog.cose_signers import SIGNERS
from unit.hallmark_tlog.virtual_log import (
    LOG_ED25519,
    LOG_VKEYS,
    ORIGIN,
    SIGNED_AT,
    WITNESS_ED25519,
    VirtualLog,
    sign_note,
)

LOG = VirtualLog.of_size(5)
NOTE = sign_note(LOG.checkpoint, LOG_ED25519)
REQUEST = bytes(AddCheckpointRequest(0, (), NOTE))
SERVER = WitnessServer((CosigningKey(WITNESS_ED25519.vkey, WITNESS_ED25519.private.sign),), {ORIGIN: LOG_VKEYS})
ANSWER = f"{WITNESS_ED25519.sign(LOG.checkpoint)}\n".encode()

SIGNER = SIGNERS[0]
HEADER = receipt_header(algorithm=SIGNER.algorithm, kid=b"k", issuer="i", subject="s")
RECEIPT = inclusion_receipt(
    HEADER,
    SIGNER.sign(receipt_message(HEADER, LOG.checkpoint.root)),
    size=5,
    index=2,
    path=inclusion_proof(2, 5, LOG.read_hash),
)


def key(number: int) -> VerifierKey:
    return VerifierKey(f"witness.example/{number}", KeyType.ED25519_COSIGNATURE, number.to_bytes(32, "big"))


NAMES = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0x17F, exclude_characters="#\x7f"), min_size=1, max_size=3
)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """Any policy: groups take names that are free, so that every witness counts in one way."""
    names = draw(st.lists(NAMES.filter(lambda name: name not in ("any", "all", "none")), unique=True, max_size=9))
    urls = st.one_of(st.none(), st.sampled_from(["https://w.example/", "x#y"]))
    half = len(names) // 2 + 1
    witnesses = tuple(Witness(name, key(number), draw(urls)) for number, name in enumerate(names[:half]))
    free, groups = [witness.name for witness in witnesses], []
    for name in names[half:]:
        if members := draw(st.lists(st.sampled_from(free), unique=True)) if free else []:
            groups.append(Group(name, draw(st.integers(1, len(members))), tuple(members)))
            free = [other for other in free if other not in members] + [name]
    quorum = draw(st.sampled_from(["none", *names[:half], *(group.name for group in groups)]))
    return Policy((PolicyLog(LOG_ED25519.vkey, draw(urls)),), witnesses, tuple(groups), quorum)


@given(policies())
def test_policies_are_written_as_they_are_read(policy: Policy) -> None:
    assert parse_policy(str(policy)) == policy
    assert str(parse_policy(str(policy))) == str(policy)


def has_witnessed(policy: Policy, name: str, signed: set[str]) -> bool:
    """The definition, top down."""
    group = next((group for group in policy.groups if group.name == name), None)
    if group is None:
        return name in signed
    return sum(has_witnessed(policy, member, signed) for member in group.members) >= group.threshold


@given(policies(), st.sets(st.integers(0, 5)))
def test_a_quorum_is_what_the_definition_says(policy: Policy, numbers: set[int]) -> None:
    keys = [witness.vkey for number, witness in enumerate(policy.witnesses) if number in numbers]
    signed = [Signer(vkey.name, vkey.key_id, vkey.type, SIGNED_AT) for vkey in keys]
    names = {witness.name for number, witness in enumerate(policy.witnesses) if number in numbers}
    reached = policy.quorum == "none" or has_witnessed(policy, policy.quorum, names)
    missing = policy.missing(signed)
    assert (missing == ()) is reached
    assert not names & set(missing)
    if reached:
        assert {name for name, _ in policy.check(signed).cosigners} == names
    else:
        with pytest.raises(TlogError):
            policy.check(signed)


POLICY = f"log {LOG_ED25519.vkey} https://a\n# c\nwitness w {key(1)}\ngroup g 1 w\nquorum g\n"


@given(st.one_of(text_like(POLICY), st.binary(), altered(POLICY.encode())))
@example(POLICY)
def test_any_text_is_a_policy_or_refused(text: str | bytes) -> None:
    try:
        policy = parse_policy(text)
    except TlogError:
        return
    assert parse_policy(str(policy)) == policy


@given(st.one_of(st.binary(), altered(REQUEST), altered(b"old 3\n" + b"A" * 43 + b"=\n\n" + NOTE)))
@example(REQUEST)
def test_requests(data: bytes) -> None:
    same_or_refused(parse_add_checkpoint, bytes, data)


@given(st.one_of(st.binary(), altered(REQUEST)))
@example(REQUEST)
def test_a_witness_cosigns_only_what_the_log_signed(data: bytes) -> None:
    latest: dict[str, Checkpoint] = {}
    reply = SERVER.answer(data, latest.get, now=SIGNED_AT)
    assert reply.status in (200, 400, 403, 404, 409, 422)
    assert reply.record in (None, LOG.checkpoint)
    assert (reply.record is not None) is (reply.status == 200)


@given(
    st.sampled_from([200, 400, 403, 404, 409, 422, 429, 500, 0, 302]),
    st.one_of(st.none(), st.text(), st.sampled_from(["text/x.tlog.size"])),
    st.one_of(st.binary(), altered(ANSWER), altered(b"600\n")),
)
@example(200, None, ANSWER)
def test_answers(status: int, content_type: str | None, body: bytes) -> None:
    answer = read_answer(status, content_type, body, text=str(LOG.checkpoint), vkeys=[WITNESS_ED25519.vkey])
    if isinstance(answer, Cosigned):
        assert [str(line).encode() + b"\n" for line, _ in answer.lines] == [ANSWER]


@given(st.one_of(st.binary(), altered(b"600\n")))
@example(b"600\n")
def test_sizes(body: bytes) -> None:
    same_or_refused(
        lambda data: parse_size_conflict(409, "text/x.tlog.size", data), lambda size: f"{size}\n".encode(), body
    )


CBOR = st.recursive(
    st.one_of(st.integers(-(2**63), 2**63), st.binary(), st.text(), st.booleans(), st.none()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.one_of(st.integers(-9, 9), st.text()), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(CBOR)
def test_cbor_is_read_as_it_is_written(value: object) -> None:
    assert decode_cbor(encode_cbor(value)) == value


@given(st.one_of(st.binary(), altered(RECEIPT), CBOR.map(encode_cbor)))
@example(RECEIPT)
def test_any_bytes_are_cose_or_refused(data: bytes) -> None:
    for parse in (decode_cbor, parse_sign1, load_key):
        try:
            parse(data)
        except TlogError:
            continue


@given(st.one_of(st.binary(), altered(RECEIPT)), st.sampled_from(LOG.entries))
@example(RECEIPT, LOG.entries[2])
def test_an_altered_receipt_shows_nothing_else(data: bytes, entry: bytes) -> None:
    try:
        verified = verify_receipt(data, entry, [SIGNER.key])
    except TlogError:
        return
    assert (verified.root, verified.entry, verified.issuer) == (LOG.checkpoint.root, LOG.entries[2], "i")


@given(CBOR)
def test_any_proof_in_a_signed_receipt_is_refused(proof: object) -> None:
    """The log's own signature, over a root that none of these proofs leads to."""
    for value in (
        proof,
        [5, 2, proof],
        [proof, 2, []],
        {1: proof, 2: proof},
        {1: [bytes(32), "e", bytes(32)], 2: proof},
    ):
        for vds, verify in ((1, verify_receipt), (2, verify_ccf_receipt)):
            protected = encode_cbor({1: int(SIGNER.algorithm), 395: vds})
            signature = SIGNER.sign(receipt_message(protected, LOG.checkpoint.root))
            receipt = encode_cbor([protected, {396: {-1: [encode_cbor(value)]}}, None, signature])
            with pytest.raises(TlogError):
                verify(receipt, bytes(32), [SIGNER.key])
