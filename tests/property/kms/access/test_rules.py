"""Foreign bytes make typed refusals only; and what is told beforehand is what is decided."""

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from kms.access.grants import Grant, check_statement, statement_of
from kms.access.question import Circumstances, Question, VerdictFacts, address_of, cedar_resource, resource_named
from kms.access.reading import Statement, parse_document, read_document
from kms.access.rules import Outcome, Rules
from kms.access.schema import parsed_schema, schema_text
from kms.access.statements import take_apart
from kms.app.access import ACTIONS
from kms.core.call import Channel
from kms.core.errors import InvalidArgument
from kms.core.identity import Caller, Role
from kms.core.names import ChildName
from kms.core.resources import ResourceFacts, Sensitivity

SCHEMA = parsed_schema(schema_text(ACTIONS))
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
PIECES = st.sampled_from(
    ['@id("a")', "permit", "forbid", "(", ")", "{", "}", "[", "]", ";", ",", "principal", "action", "resource", "when",
     "unless", "context", ".", "==", "&&", "||", "!", '"x"', '"', "1", "-", "has", "like", "in", "is", "if", "then",
     "else", "//", "\n", 'Action::"use"', "time", "hour", "?principal", "\\", "ip", "\u00e9", "\0"]
)  # fmt: skip
CONDITIONS = st.sampled_from(
    ["true", "context.post_quantum", "context.hour < 12", 'resource.kind == "keys"', "resource.sensitivity > 2",
     'resource.hasTag("team")', 'context.address.isInRange(ip("10.0.0.0/8"))', "context.verdict.appraised",
     'principal.name == "bob"', 'resource in Resource::"tenants/a/keys/k"', 'resource.name like "*k*"',
     "resource.sensitivity + 9223372036854775807 > 3"]
)  # fmt: skip
ROLES, KINDS = st.sampled_from(list(Role)), st.sampled_from([action.name for action in ACTIONS][::7])
NAMES = st.sampled_from(
    ["tenants/a", "tenants/a/keys/k", "tenants/a/keys/k/versions/2", "tenants/b/keys/k", "nonsense"]
)


def _statement(number: int, effect: str, condition: str, other: str) -> Statement:
    text = f'@id("s{number}") {effect}(principal, action, resource) when {{ {condition} }} unless {{ !({other}) }};'
    return Statement(f"s{number}", number + 1, text)


DOCUMENTS = st.lists(
    st.tuples(st.sampled_from(["permit", "permit", "forbid"]), CONDITIONS, CONDITIONS), min_size=1, max_size=4
)


@given(st.one_of(st.binary(max_size=300), st.lists(PIECES, max_size=60).map(lambda found: " ".join(found).encode())))
@settings(max_examples=300)
def test_whatever_is_set_is_read_or_refused(document: bytes) -> None:
    try:
        read = read_document(document, SCHEMA)
    except InvalidArgument:
        return
    assert parse_document(document) == read
    Rules.of(1, read, ACTIONS)


@given(st.text(max_size=400))
def test_pieces_keep_the_text(text: str) -> None:
    try:
        pieces = take_apart(text)
    except InvalidArgument:
        return
    for piece in pieces:
        assert piece.text in text
        assert 1 <= piece.line <= text.count("\n") + 1


@given(st.lists(PIECES, max_size=25).map(" ".join))
@settings(max_examples=200)
def test_a_condition_never_grants_more_than_its_grant(condition: str) -> None:
    grant = Grant(
        name=ChildName("a", "grants", "019a0000-0000-7000-8000-000000000000"),
        principal="spiffe://h/tenants/a/backend/bob",
        actions=("SigningService.Sign",),
        resources=("tenants/a/keys/k",),
        condition=condition,
        reason="",
        create_time=NOW,
        expire_time=NOW + timedelta(days=1),
        grantor="spiffe://h/tenants/a/admin/alice",
    )
    try:
        check_statement(grant, SCHEMA)
    except InvalidArgument:
        return
    rules = Rules.of(1, [statement_of(grant)], ACTIONS)
    for name, action, key in (
        ("eve", "SigningService.Sign", "tenants/a/keys/k"),
        ("bob", "KeyService.GetKey", "tenants/a/keys/k"),
        ("bob", "SigningService.Sign", "tenants/a/keys/other"),
    ):
        caller = Caller(f"spiffe://h/tenants/a/backend/{name}", "a", Role.BACKEND, name)
        how = Circumstances(Channel("ipv4:10.0.0.1:1", "TLSv1.3", "X25519MLKEM768"), NOW)
        assert rules.decide(Question(caller, action, key, resource_named(key, caller), how)).outcome is Outcome.DENIED


@given(
    DOCUMENTS, ROLES, KINDS, NAMES, st.sampled_from(list(Sensitivity)), st.booleans(), st.booleans(), st.booleans(),
    st.integers(0, 23),
)  # fmt: skip
@settings(max_examples=300)
def test_what_is_told_beforehand_is_what_is_decided(
    document: list[tuple[str, str, str]],
    role: Role,
    action: str,
    name: str,
    sensitivity: Sensitivity,
    hybrid: bool,
    near: bool,
    tagged: bool,
    hour: int,
) -> None:
    rules = Rules.of(1, [_statement(number, *parts) for number, parts in enumerate(document)], ACTIONS)
    caller = Caller(f"spiffe://h/tenants/a/{role}/bob", "a", role, "bob")
    named = resource_named(name, caller)
    labels = {"team": "blue"} if tagged else {}
    facts = ResourceFacts(named.name, named.tenant, named.kind, sensitivity, labels=labels)
    channel = Channel(
        f"ipv4:{'10.0.0.1' if near else '192.0.2.1'}:1", "TLSv1.3", "X25519MLKEM768" if hybrid else "X25519"
    )
    how = Circumstances(channel, NOW.replace(hour=hour), VerdictFacts(appraised=near))
    decided = rules.decide(Question(caller, action, name, facts, how)).outcome
    for resource in (None, cedar_resource(name, facts)):
        told = rules.preview(caller, action, resource=resource).outcome
        if told is not None and told is not Outcome.FAILED:
            assert (decided is Outcome.ALLOWED) == (told is Outcome.ALLOWED) or decided is Outcome.FAILED
        if told is Outcome.ALLOWED:
            assert decided is Outcome.ALLOWED, "what is told without a condition has none"


@given(st.text(max_size=80))
def test_any_peer_has_an_address(peer: str) -> None:
    assert address_of(address_of(peer)) == address_of(peer)
