import base64

import pytest

from hallmark_tlog.checkpoint import Checkpoint, parse_checkpoint
from hallmark_tlog.errors import FormatError
from hallmark_tlog.merkle import EMPTY_ROOT

ROOT = bytes(range(32))
ROOT64 = base64.b64encode(ROOT).decode()


@pytest.mark.parametrize(
    "checkpoint",
    [
        Checkpoint("log.example/a", 7, ROOT),
        Checkpoint("Name with spaces + plus", 2**63 - 1, ROOT),
        Checkpoint("log.example/a", 0, EMPTY_ROOT),
        Checkpoint("log.example/a", 7, ROOT, ("one", "two")),
    ],
)
def test_a_checkpoint_reads_back(checkpoint: Checkpoint) -> None:
    assert parse_checkpoint(str(checkpoint)) == checkpoint


def test_the_text_is_three_lines() -> None:
    assert str(Checkpoint("o", 7, ROOT)) == f"o\n7\n{ROOT64}\n"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        f"o\n7\n{ROOT64}",
        "o\n7\n",
        f"\n7\n{ROOT64}\n",
        f"o\n07\n{ROOT64}\n",
        f"o\n+7\n{ROOT64}\n",
        f"o\n-7\n{ROOT64}\n",
        f"o\n7 \n{ROOT64}\n",
        f"o\n{2**63}\n{ROOT64}\n",
        f"o\n7\n{ROOT64[:-1]}\n",
        f"o\n7\n{base64.b64encode(ROOT[:31]).decode()}\n",
        f"o\n7\n{base64.b64encode(ROOT + b'x').decode()}\n",
        f"o\n7\n{ROOT64}\n\n",
        f"o\n7\n{ROOT64}\na\n\nb\n",
        f"o\r\n7\r\n{ROOT64}\r\n",
        f"o\x01\n7\n{ROOT64}\n",
        f"\ud800\n7\n{ROOT64}\n",
        f"o\n0\n{ROOT64}\n",
    ],
)
def test_malformed_checkpoints(text: str) -> None:
    with pytest.raises(FormatError):
        parse_checkpoint(text)


@pytest.mark.parametrize(
    ("origin", "size", "root"), [("", 7, ROOT), ("a\nb", 7, ROOT), ("o", -1, ROOT), ("o", 2**63, ROOT), ("o", 7, b"")]
)
def test_checkpoints_that_could_not_be_read_back_are_not_made(origin: str, size: int, root: bytes) -> None:
    with pytest.raises(FormatError):
        Checkpoint(origin, size, root)
