import pytest

from kms.core.errors import InvalidArgument, NotFound, OutOfRange, Reason
from kms.revocation import service
from unit.kms.revocation.bench import Bench

KEYS = ("a", "b", "c", "d", "e")


def _ids(response: object) -> list[str]:
    return [event.subject.rpartition("/")[2] for event in response.events]


async def test_pages_oldest_first(bench: Bench) -> None:
    await bench.revoke_keys(*KEYS)
    first = await bench.list(page_size=2)
    second = await bench.list(page_size=2, page_token=first.next_page_token)
    third = await bench.list(page_size=2, page_token=second.next_page_token)
    assert [_ids(page) for page in (first, second, third)] == [["a", "b"], ["c", "d"], ["e"]]
    assert not third.next_page_token
    assert _ids(await bench.list()) == list(KEYS)


async def test_a_full_last_page_promises_no_other(bench: Bench) -> None:
    await bench.revoke_keys("a", "b")
    assert not (await bench.list(page_size=2)).next_page_token


async def test_one_subject(bench: Bench) -> None:
    await bench.revoke_keys(*KEYS)
    assert _ids(await bench.list(subject="tenants/default/keys/d")) == ["d"]
    assert _ids(await bench.list(subject="tenants/default/keys/unknown")) == []


async def test_an_empty_feed_has_a_cursor(bench: Bench) -> None:
    response = await bench.list()
    assert not response.events
    assert len(response.cursor) == 88


async def test_tenants_see_their_own(bench: Bench) -> None:
    await bench.revoke_keys("a")
    await bench.revoke_keys("b", tenant="other")
    assert _ids(await bench.list()) == ["a"]
    with pytest.raises(NotFound):
        await bench.list(parent="tenants/other")
    with pytest.raises(NotFound):
        await bench.list(subject="tenants/other/keys/b")


async def test_sequences_count_per_tenant_without_gaps(bench: Bench) -> None:
    await bench.revoke_keys("a", "b")
    await bench.revoke_keys("a", tenant="other")
    await bench.revoke_keys("c")
    for tenant, count in (("default", 3), ("other", 1)):
        page = await bench.revocations.list(tenant, None, limit=10, now=bench.clock.now())
        assert [event.sequence for event in page.events] == list(range(1, count + 1))
        assert (await bench.revocations.newest(tenant, bench.clock.now())).sequence == count


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"page_token": "x"}, Reason.PAGE_TOKEN_INVALID),
        ({"page_size": -1}, Reason.FIELD_INVALID),
        ({"page_size": 1001}, Reason.FIELD_INVALID),
        ({"parent": "default"}, Reason.NAME_INVALID),
        ({"subject": "manifest"}, Reason.NAME_INVALID),
    ],
)
async def test_bad_requests(bench: Bench, fields: dict, reason: Reason) -> None:
    with pytest.raises(InvalidArgument) as refused:
        await bench.list(**fields)
    assert refused.value.reason is reason


async def test_a_page_token_belongs_to_its_filter_and_is_no_cursor(bench: Bench) -> None:
    await bench.revoke_keys(*KEYS)
    page = await bench.list(page_size=1)
    for fields in (
        {"page_token": page.next_page_token, "subject": "tenants/default/keys/a"},
        {"page_token": page.cursor},
    ):
        with pytest.raises(InvalidArgument) as refused:
            await bench.list(**fields)
        assert refused.value.reason is Reason.PAGE_TOKEN_INVALID


async def test_after_the_history_was_replaced_old_page_tokens_are_refused(bench: Bench) -> None:
    await bench.revoke_keys(*KEYS)
    token = (await bench.list(page_size=1)).next_page_token
    await bench.replace_epoch()
    with pytest.raises(OutOfRange) as refused:
        await bench.list(page_token=token)
    assert refused.value.reason is Reason.CURSOR_EPOCH
    assert _ids(await bench.list()) == list(KEYS)


async def test_a_page_fits_one_message(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    (event,) = await bench.revoke_keys("a")
    assert service.PAGE_EVENTS_MAX * event.ByteSize() < 4 * 1024 * 1024
    monkeypatch.setattr(service, "PAGE_EVENTS_MAX", 2)
    await bench.revoke_keys("b", "c")
    page = await bench.list(page_size=1000)
    assert _ids(page) == ["a", "b"]
    assert page.next_page_token
