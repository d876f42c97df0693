import base64
import contextlib

from hypothesis import given
from hypothesis import strategies as st

from hsm.secret import Secret
from kms.core.errors import InvalidArgument, Reason
from kms.core.names import ID_PATTERN
from kms.events.cursor import CursorCodec, TokenKind
from kms.events.model import REVOCATIONS, Position
from kms.revocation.model import parse_subject

CODEC = CursorCodec(Secret(bytes(range(32))))
TENANTS = st.from_regex(ID_PATTERN, fullmatch=True)
KINDS = st.sampled_from(TokenKind)
POSITIONS = st.builds(
    Position,
    TENANTS,
    st.just(REVOCATIONS),
    st.binary(min_size=16, max_size=16),
    st.integers(min_value=0, max_value=2**63 - 1),
)


@given(kind=KINDS, position=POSITIONS, subject=st.sampled_from(["", "tenants/t/keys/a"]))
def test_every_position_comes_back(kind: TokenKind, position: Position, subject: str) -> None:
    token = CODEC.encode(kind, position, subject)
    assert CODEC.decode(kind, token, tenant=position.tenant, feed=REVOCATIONS, subject=subject) == position


@given(kind=KINDS, position=POSITIONS, bit=st.integers(min_value=0, max_value=57 * 8 - 1))
def test_every_changed_bit_is_refused(kind: TokenKind, position: Position, bit: int) -> None:
    data = bytearray(base64.urlsafe_b64decode(CODEC.encode(kind, position)))
    data[bit // 8] ^= 1 << bit % 8
    _assert_refused(kind, base64.urlsafe_b64encode(data).decode(), position.tenant)


@given(kind=KINDS, text=st.text(max_size=100) | st.from_regex(r"[A-Za-z0-9_-]{88}", fullmatch=True))
def test_any_text_is_refused(kind: TokenKind, text: str) -> None:
    _assert_refused(kind, text, "default")


@given(position=POSITIONS, other=TENANTS)
def test_no_tenant_uses_the_cursor_of_another(position: Position, other: str) -> None:
    token = CODEC.encode(TokenKind.CURSOR, position)
    if other != position.tenant:
        _assert_refused(TokenKind.CURSOR, token, other)


@given(
    st.text(max_size=80)
    | st.from_regex(rf"tenants/{ID_PATTERN}/(keys|devices|verdicts|consents|artifacts|anchors|policies)/.{{0,40}}")
)
def test_subjects_are_parsed_or_refused_with_a_reason(text: str) -> None:
    with contextlib.suppress(InvalidArgument):
        assert str(parse_subject(text)) == text


def _assert_refused(kind: TokenKind, token: str, tenant: str) -> None:
    try:
        CODEC.decode(kind, token, tenant=tenant, feed=REVOCATIONS)
    except InvalidArgument as error:
        assert error.reason in {Reason.CURSOR_INVALID, Reason.PAGE_TOKEN_INVALID}  # noqa: PT017
    else:
        raise AssertionError(f"{kind} {token!r} was believed")
