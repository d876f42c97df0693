import subprocess
import sys

import click
import pytest

from kms.cli.main import COMMANDS, hallmark


def _all_commands() -> dict[str, click.Command]:
    found: dict[str, click.Command] = {}

    def walk(name: str, command: click.Command) -> None:
        found[name] = command
        if isinstance(command, click.Group):
            context = click.Context(command)
            for child in command.list_commands(context):
                under = command.get_command(context, child)
                assert under is not None
                walk(f"{name} {child}".strip(), under)

    walk("", hallmark)
    return found


ALL = _all_commands()
LEAVES = {name: command for name, command in ALL.items() if not isinstance(command, click.Group)}


def test_the_commands_of_the_issue_are_there() -> None:
    wanted = "serve,demo,keys create,keys list,keys show,keys rotate,keys public,sign,verify,attest verify,log verify"
    assert set(wanted.split(",")) | {"revoke", "watch", "bench sign"} <= set(LEAVES)


@pytest.mark.parametrize("name", sorted(ALL))
def test_help_teaches(name: str) -> None:
    text = ALL[name].help or ""
    assert text.partition("\n")[0].endswith("."), "a sentence of purpose first"
    assert "hallmark " in text, "an example"


@pytest.mark.parametrize("name", sorted(LEAVES.keys() - {"serve", "vault serve"}))
def test_every_command_has_json_and_debug(name: str) -> None:
    options = {option for parameter in LEAVES[name].params for option in parameter.opts}
    assert {"--json", "--debug"} <= options


@pytest.mark.parametrize("name", sorted(ALL))
def test_help_of_every_command_ends_0(name: str, hallmark) -> None:
    outcome = hallmark(*name.split(), "--help")
    assert outcome.code == 0
    assert "Usage: hallmark" in outcome.out


def test_the_list_says_what_each_command_says_of_itself(hallmark) -> None:
    outcome = hallmark("--help")
    for name, entry in COMMANDS.items():
        assert name in outcome.out
        assert entry.purpose.split()[0] in outcome.out


def test_help_loads_nothing_heavy() -> None:
    program = (
        "import sys; from kms.cli.main import run; run(['--help']); run(['sign', '--help'])\n"
        "heavy = {'grpc', 'sqlalchemy', 'pydantic', 'cryptography', 'starlette', 'google.protobuf'} & set(sys.modules)\n"
        "sys.exit(f'loaded: {heavy}' if heavy else 0)"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert ran.returncode == 0, ran.stderr.decode()


@pytest.mark.parametrize("arguments", [["nonsense"], ["keys", "nonsense"], ["sign"], ["--nonsense"], ["revoke", "x"]])
def test_a_mistake_of_usage_ends_2_without_traceback(arguments: list[str], hallmark) -> None:
    outcome = hallmark(*arguments)
    assert outcome.code == 2
    assert "Usage:" in outcome.err
    assert "Traceback" not in outcome.err


def test_no_server_is_said_with_the_command_that_starts_one(hallmark, tmp_path) -> None:
    outcome = hallmark("keys", "list", "--home", tmp_path / "nothing")
    assert outcome.code == 2
    assert "hallmark serve" in outcome.err


def test_version(hallmark) -> None:
    outcome = hallmark("--version")
    assert (outcome.code, "hallmark" in outcome.out) == (0, True)
