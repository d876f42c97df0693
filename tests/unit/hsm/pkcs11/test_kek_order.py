import pytest

from hsm.pkcs11.kek_order import generation_of, label_of, newest_of


@pytest.mark.parametrize("generation", [1, 2, 10, 999_999_999])
def test_labels_count(generation: int) -> None:
    assert generation_of(label_of(generation)) == generation


@pytest.mark.parametrize(
    "label",
    [
        None,
        "",
        "hallmark",
        "hallmark-kek-",
        "hallmark-kek-0",
        "hallmark-kek-1",
        "hallmark-kek-02",
        "hallmark-kek--2",
        "hallmark-kek-2 ",
        "hallmark-kek-x",
        "hallmark-kek-\u0662",
        "hallmark-kek-1234567890",
        "xhallmark-kek-2",
    ],
)
def test_other_labels_are_not_ours(label: str | None) -> None:
    assert generation_of(label) is None


def test_everybody_agrees_on_the_newest() -> None:
    assert newest_of([]) is None
    assert newest_of([(1, b"a"), (2, b"c"), (2, b"b")]) == (2, b"b")
