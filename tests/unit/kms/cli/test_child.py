import pytest

from kms.cli.child import ServerProcess, as_toml, ask, clean_environment
from kms.cli.failure import CommandError


def test_settings_of_another_server_are_not_handed_down(monkeypatch) -> None:
    monkeypatch.setenv("HALLMARK_HOME", "/elsewhere")
    monkeypatch.setenv("HALLMARK__SERVER__PORT", "1")
    monkeypatch.setenv("OTHER", "stays")
    environment = clean_environment()
    assert environment["OTHER"] == "stays"
    assert not [name for name in environment if name.startswith("HALLMARK")]


def test_a_server_that_does_not_start_says_why(tmp_path) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text("[server]\nprot = 1\n")
    server = ServerProcess(home=tmp_path / "home", log_file=tmp_path / "server.log", settings_file=settings)
    with pytest.raises(CommandError, match=r"server\.prot"):
        server.start()
    server.stop()


def test_a_command_that_gives_no_document_is_an_error(tmp_path) -> None:
    with pytest.raises(CommandError, match="without an answer"):
        ask("--help", folder=tmp_path)


def test_strings_and_lists_are_toml() -> None:
    assert as_toml('a"b\\c') == '"a\\"b\\\\c"'
    assert as_toml(["a", "b"]) == '["a", "b"]'
