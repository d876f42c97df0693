"""Every setting is shown with what it needs to be understood, and what is made from them is current."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kms.cli.settings_text import as_file
from kms.cli.settings_tree import all_settings, as_toml, settings_schema
from kms.config import Config, ConfigError, load_config
from unit.kms.cli.console import Console

ROOT = Path(__file__).resolve().parents[4]
SETTINGS = all_settings()


def test_the_page_and_the_chart_are_current() -> None:
    script = ROOT / "scripts" / "render_settings.py"
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_key_has_a_text_and_stands_once() -> None:
    keys = [setting.key for setting in SETTINGS]
    assert len(set(keys)) == len(keys)
    for setting in SETTINGS:
        assert setting.description.rstrip().endswith((".", ")")), f"{setting.key}: a sentence says what it does"
        assert setting.kind, setting.key


def leaves(value: Any, prefix: str = "") -> dict[str, Any]:
    """The keys of the defaults, as the tree of models has them."""
    found: dict[str, Any] = {}
    for name in type(value).model_fields:
        under = getattr(value, name)
        found |= leaves(under, f"{prefix}{name}.") if hasattr(under, "model_fields_set") else {prefix + name: under}
    return found


def test_no_key_of_the_tree_is_left_out_and_defaults_are_its_own() -> None:
    shown = {setting.key: setting for setting in SETTINGS if "[]" not in setting.key}
    expected = leaves(Config())
    assert set(shown) == set(expected)
    for key, value in json.loads(Config().model_dump_json()).items():
        for name, default in flat(value, key).items():
            assert shown[name].default == (None if default is None else as_toml(default)), name


def flat(value: Any, key: str) -> dict[str, Any]:
    keys = {setting.key for setting in SETTINGS}
    if key in keys:
        return {key: value}
    return {name: each for part, under in value.items() for name, each in flat(under, f"{key}.{part}").items()}


def test_sections_that_stand_many_times_are_shown_too() -> None:
    keys = {setting.key for setting in SETTINGS}
    assert {"identity.issuers", "identity.issuers[].name", "identity.spiffe[].rules[].path"} <= keys
    (name,) = [setting for setting in SETTINGS if setting.key == "identity.issuers[].name"]
    assert name.is_required
    assert name.variable is None


@pytest.mark.parametrize("setting", [each for each in SETTINGS if each.variable], ids=lambda each: each.key)
def test_each_variable_is_read(setting: Any) -> None:
    """Its default by the environment changes nothing; what is none of its values is refused under its name."""
    default = None if setting.default is None else json.loads(setting.default)
    if isinstance(default, str | int | float | bool) and setting.key != "home":
        assert load_config(environment={setting.variable: str(default)}) == Config()
    if not setting.kind.startswith(("text", "list")):
        with pytest.raises(ConfigError, match=setting.key):
            load_config(environment={setting.variable: "neither this nor that"})


def test_bounds_and_choices_are_told() -> None:
    kinds = {setting.key: setting.kind for setting in SETTINGS}
    assert kinds["server.port"] == "integer, 0 to 65535"
    assert kinds["server.rate_per_second"] == "number, more than 0"
    assert kinds["consent.renew_fraction"] == "number, more than 0, less than 1"
    assert kinds["log.witness_mode"] == "one of open, closed"
    assert kinds["identity.issuers[].role_claim"] == "text or list of: text"
    assert kinds["channels.regions"] == "table of: list of: network"
    assert kinds["server.admins"] == "list of: text"


def test_the_schema_lets_no_unknown_key_in() -> None:
    schema = settings_schema()
    assert schema["additionalProperties"] is False
    assert all(each["additionalProperties"] is False for each in schema["$defs"].values())
    assert '"title"' not in json.dumps(schema)


def test_the_file_to_begin_with_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "hallmark.toml"
    file.write_text("\n".join(as_file(SETTINGS)))
    assert load_config(file, environment={}) == Config()


def test_its_keys_can_be_taken_into_force(tmp_path: Path) -> None:
    """All but those of lists of tables, and those without a default."""
    lines: list[str] = []
    for line in as_file(SETTINGS):
        if line.startswith("#["):
            break
        is_key = line.startswith("#") and not line.startswith("# ") and not line.endswith("=")
        lines.append(line[1:] if is_key else line)
    file = tmp_path / "hallmark.toml"
    file.write_text("\n".join(lines))
    found = load_config(file, environment={})
    assert found == Config()
    assert found.server.model_fields_set == set(type(found.server).model_fields)


def test_show_tells_one_section(hallmark: Console) -> None:
    outcome = hallmark("settings", "show", "server.drain")
    assert outcome.code == 0
    assert "server.drain_seconds  (number, at least 0; default 5)" in outcome.out
    assert "HALLMARK__SERVER__DRAIN_SECONDS" in outcome.out
    assert "server.port" not in outcome.out


def test_show_as_json(hallmark: Console) -> None:
    (found,) = hallmark("settings", "show", "server.port", "--json").document
    assert found["kind"] == "integer, 0 to 65535"
    assert found["variable"] == "HALLMARK__SERVER__PORT"
    assert found["default"] == "7443"


def test_a_key_that_is_not_there(hallmark: Console) -> None:
    outcome = hallmark("settings", "show", "server.prot")
    assert outcome.code == 2
    assert "no setting begins with" in outcome.err


def test_check_tells_what_is_set_and_no_value(hallmark: Console, tmp_path: Path) -> None:
    file = tmp_path / "hallmark.toml"
    file.write_text('[database]\nurl = "postgresql+psycopg://hallmark:secret@db/hallmark"\n[server]\nport = 7000\n')
    outcome = hallmark("settings", "check", file)
    assert outcome.code == 0
    assert "It sets server.port, database.url." in outcome.out
    assert "secret" not in outcome.out
    assert hallmark("settings", "check", file, "--json").document["set"] == ["server.port", "database.url"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[server]\nprot = 1\n", "server.prot"),
        ("[server]\nport = 70000\n", "server.port"),
        ("port = \n", "is not TOML"),
    ],
)
def test_check_names_what_is_wrong(hallmark: Console, tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "hallmark.toml"
    file.write_text(text)
    outcome = hallmark("settings", "check", file)
    assert outcome.code == 1
    assert says in outcome.err
    assert hallmark("settings", "check", tmp_path / "nothing.toml").code == 2
