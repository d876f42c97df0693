import io

import pytest

from kms.cli.demo.show import Show


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def _story(show: Show) -> None:
    show.heading("A story")
    with show.step("It holds") as lines:
        lines.append("a fact")
    with pytest.raises(ValueError, match="no"), show.step("It does not"):
        raise ValueError("no")


def test_what_is_no_terminal_gets_plain_ascii() -> None:
    stream = io.StringIO()
    _story(Show.on(stream))
    text = stream.getvalue()
    assert text.isascii()
    assert "\x1b" not in text
    assert "[ok] It holds (" in text
    assert "     a fact" in text
    assert "[FAILED] It does not (" in text


def test_a_terminal_gets_ticks(monkeypatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = Terminal()
    _story(Show.on(stream))
    assert "✓" in stream.getvalue()
    assert "✗" in stream.getvalue()


def test_no_color_is_respected(monkeypatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    stream = Terminal()
    _story(Show.on(stream))
    assert stream.getvalue().isascii()
