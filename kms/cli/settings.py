"""`hallmark settings`: what can be set, and whether a file is right."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kms.cli.failure import not_so, not_usable
from kms.cli.invocation import json_option
from kms.cli.output import print_json
from kms.config import ConfigError, load_config
from kms.config_section import Section

if TYPE_CHECKING:
    from kms.cli.settings_tree import Setting


@click.group()
def settings() -> None:
    """What can be set: every key with its default, and whether a file is right.

    \b
    Example:  hallmark settings show log
              hallmark settings show --toml > hallmark.toml
              hallmark settings check hallmark.toml
    """


@settings.command()
@click.argument("prefix", default="")
@click.option("--toml", "as_toml", is_flag=True, help="A commented file with every default, to begin with.")
@json_option
def show(prefix: str, as_toml: bool, as_json: bool) -> None:
    """Show every key, or those that begin with PREFIX: what it may be, its default, its variable, what it does.

    \b
    Example:  hallmark settings show server.drain
    Then:     hallmark settings show --toml > hallmark.toml
    """
    from kms.cli.settings_text import as_file
    from kms.cli.settings_tree import all_settings

    found = [each for each in all_settings() if each.key.startswith(prefix)]
    if not found:
        raise not_usable("NO_SUCH_SETTING", f"no setting begins with {prefix!r}", "hallmark settings show lists all")
    if as_json:
        print_json([_document(each) for each in found])
    elif as_toml:
        click.echo("\n".join(as_file(found)))
    else:
        for each in found:
            _tell(each)


@settings.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@json_option
def check(file: Path, as_json: bool) -> None:
    """Check that FILE, with the environment as it is here, is what `hallmark serve --config` takes.

    Ends with 0 when it is, and tells the keys it sets; with 1 when it is not, and tells each key that is wrong. Values
    are not printed: one may be a secret. Whether the settings are wise says `hallmark doctor --config FILE --offline`.

    \b
    Example:  hallmark settings check hallmark.toml
    """
    if not file.is_file():
        raise not_usable("FILE", f"there is no file {file}", "hallmark settings show --toml > FILE makes one")
    try:
        config = load_config(file)
    except ConfigError as error:
        raise not_so("SETTINGS_WRONG", str(error), "hallmark settings show KEY tells what it may be") from error
    changed = list(_set_keys(config))
    if as_json:
        print_json({"file": str(file), "set": changed})
        return
    click.echo(f"{file} is right. " + (f"It sets {', '.join(changed)}." if changed else "It sets nothing."))


def _set_keys(section: Section, prefix: str = "") -> Iterator[str]:
    """What file and environment say, whatever the default is."""
    for name in type(section).model_fields:
        if name not in section.model_fields_set:
            continue
        value = getattr(section, name)
        if isinstance(value, Section):
            yield from _set_keys(value, f"{prefix}{name}.")
        else:
            yield prefix + name


def _tell(setting: "Setting") -> None:
    default = "required" if setting.is_required else f"default {setting.default}" if setting.default else "no default"
    click.echo(f"{setting.key}  ({setting.kind}; {default})")
    if setting.variable:
        click.echo(f"    {setting.variable}")
    click.echo(click.wrap_text(setting.description, width=110, initial_indent="    ", subsequent_indent="    "))


def _document(setting: "Setting") -> dict[str, Any]:
    return {
        "key": setting.key,
        "kind": setting.kind,
        "default": setting.default,
        "required": setting.is_required,
        "variable": setting.variable,
        "description": setting.description,
    }
