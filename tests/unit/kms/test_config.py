from pathlib import Path

import pytest

from kms.config import Config, ConfigError, load_config


def test_nothing_needs_to_be_set() -> None:
    config = load_config(environment={})
    assert config == Config()
    assert config.database_url.startswith("sqlite:///")


def test_later_sources_win(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("[server]\nport = 1\npublic_port = 2\nrate_per_second = 3\n")
    environment = {"HALLMARK__SERVER__PUBLIC_PORT": "20", "HALLMARK__SERVER__RATE_PER_SECOND": "30", "OTHER": "x"}
    overrides = {"server.rate_per_second": 300.0, "server.port": None}
    server = load_config(file, environment=environment, overrides=overrides).server
    assert (server.port, server.public_port, server.rate_per_second) == (1, 20, 300)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[server]\nprot = 1\n", "server.prot"),
        ("[server]\nport = 70000\n", "server.port"),
        ("[servers]\n", "servers"),
        ("[server\n", "not TOML"),
        ("server = 3\n", "server"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=said):
        load_config(file, environment={})


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can not read"):
        load_config(tmp_path / "absent.toml", environment={})


def test_a_section_given_as_one_value_in_the_environment_is_refused() -> None:
    with pytest.raises(ConfigError):
        load_config(environment={"HALLMARK__SERVER": "x"})


def test_every_setting_says_what_it_is_for() -> None:
    names = ("server", "hsm", "database", "log", "devices", "approvals", "envelopes")
    sections = {name: getattr(Config(), name) for name in names}
    sections["approvals.required"] = Config().approvals.required
    for section, value in sections.items():
        kind = type(value)
        for name, field in kind.model_fields.items():
            assert field.description, f"{section}.{name}"


def test_settings_can_not_be_changed_after_they_were_read() -> None:
    with pytest.raises(Exception, match="frozen"):
        load_config(environment={}).server.port = 1
