"""The settings as a page for people (docs/settings.md), and as a TOML file to begin with."""

import textwrap
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

from kms.cli.settings_tree import Setting

_WIDTH: Final = 118
_COLUMNS: Final = ("| key | what it may be | default | what it does |", "|---|---|---|---|")
_PAGE: Final = """# Settings

Every key of the service, from one source: the same text is what `hallmark settings show` prints, and what the Helm
chart takes under `settings` ([kubernetes.md](kubernetes.md)). `python scripts/render_settings.py` makes it.

Order: defaults, then the file (`hallmark serve --config FILE`), then the environment, then options of the command line.
An unknown key is an error that names it. Paths that are not absolute are taken from `home`.

```
hallmark settings show log              # this page, a section of it
hallmark settings show --toml > hallmark.toml   # a file with every default, to begin with
hallmark settings check hallmark.toml   # is it right, and what does it change
hallmark doctor --config hallmark.toml --offline   # is it wise
```

A key with a variable can be set in the environment; the others stand in the file. `[[...]]` may stand many times.
"""


def as_page(settings: Sequence[Setting]) -> str:
    """Markdown."""
    lines = [_PAGE]
    for section, found in groupby(settings, key=lambda setting: setting.section):
        lines += [
            f"## {heading(section)}",
            "",
            "| key | what it may be | default | what it does |",
            "|---|---|---|---|",
        ]
        lines += [f"| `{each.name}` | {_kind(each)} | {_default(each)} | {_what(each)} |" for each in found]
        lines.append("")
    return "\n".join(lines)


def heading(section: str) -> str:
    """As TOML writes it; the top has no name."""
    return "The top" if not section else f"[{_table(section)}]"


def as_file(settings: Sequence[Setting]) -> Iterator[str]:
    """Lines of a TOML file with every key and its default, none of them in force: what a later version makes better
    stays better.
    """
    yield "# Settings of Hallmark. Take the # away from what you change; `hallmark settings check FILE` looks it over."
    for section, found in groupby(settings, key=lambda setting: setting.section):
        is_list = section.endswith("[]")
        yield ""
        if section:
            yield f"#[{_table(section)}]" if "[]" in section else f"[{_table(section)}]"
        for each in found:
            if each.kind == "list of tables":
                continue
            text = f"{each.description} ({each.kind})"
            yield from textwrap.wrap(text, _WIDTH, initial_indent="# ", subsequent_indent="# ", break_long_words=False)
            if each.variable:
                yield f"# {each.variable}"
            value = "" if each.default is None else each.default
            yield f"#{each.name} = {value}".rstrip() + ("   # required" if each.is_required and is_list else "")


def _table(section: str) -> str:
    """identity.issuers[] is [[identity.issuers]] in TOML, and so is a list in a list."""
    return f"[{section.replace('[]', '')}]" if "[]" in section else section


def _kind(setting: Setting) -> str:
    return _cell(setting.kind)


def _default(setting: Setting) -> str:
    if setting.is_required:
        return "required"
    return "" if setting.default is None else f"`{_cell(setting.default)}`"


def _what(setting: Setting) -> str:
    variable = f" `{setting.variable}`" if setting.variable else ""
    return _cell(setting.description) + variable


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
