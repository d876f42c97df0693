import base64

import pytest

from hsm.secret import Secret
from kms.core.errors import InvalidArgument, Reason
from kms.events.cursor import CursorCodec, TokenKind
from kms.events.model import GLOBAL, REVOCATIONS, Position

CODEC = CursorCodec(Secret(bytes(range(32))))
POSITION = Position("default", REVOCATIONS, b"epoch of feed 16", 41)
CURSOR = CODEC.encode(TokenKind.CURSOR, POSITION)


def test_a_token_comes_back_as_the_position() -> None:
    assert CODEC.decode(TokenKind.CURSOR, CURSOR, tenant="default", feed=REVOCATIONS) == POSITION
    page = CODEC.encode(TokenKind.PAGE, POSITION, "tenants/default/keys/a")
    assert (
        CODEC.decode(TokenKind.PAGE, page, tenant="default", feed=REVOCATIONS, subject="tenants/default/keys/a")
        == POSITION
    )


def test_a_token_tells_no_tenant() -> None:
    assert b"default" not in base64.urlsafe_b64decode(CURSOR)
    assert len(CURSOR) == 88


def test_a_token_works_only_where_it_was_given_out() -> None:
    page = CODEC.encode(TokenKind.PAGE, POSITION)
    refused = [
        (TokenKind.CURSOR, CURSOR, "other", "", CODEC),
        (TokenKind.CURSOR, page, "default", "", CODEC),
        (TokenKind.PAGE, CURSOR, "default", "", CODEC),
        (TokenKind.PAGE, page, "default", "tenants/default/keys/a", CODEC),
        (TokenKind.CURSOR, CURSOR, "default", "", CursorCodec(Secret(bytes(32)))),
    ]
    with pytest.raises(InvalidArgument):
        CODEC.decode(TokenKind.CURSOR, CURSOR, tenant="default", feed=GLOBAL)
    for kind, token, tenant, subject, codec in refused:
        with pytest.raises(InvalidArgument):
            codec.decode(kind, token, tenant=tenant, feed=REVOCATIONS, subject=subject)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [(TokenKind.CURSOR, Reason.CURSOR_INVALID), (TokenKind.PAGE, Reason.PAGE_TOKEN_INVALID)],
)
@pytest.mark.parametrize(
    "token", ["x", "=" * 76, "A" * 88, CURSOR[:-1], CURSOR + "A", CURSOR + "\n", "é" * 76, " " * 76]
)
def test_garbage(kind: TokenKind, reason: Reason, token: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        CODEC.decode(kind, token, tenant="default", feed=REVOCATIONS)
    assert refused.value.reason is reason
    assert refused.value.field == kind.value


def test_the_key_does_not_show() -> None:
    assert "hidden" in repr(CODEC)
