"""`hallmark ssf`: the token once, in a file that only its owner reads."""

from pathlib import Path

import pytest

from rpc.cli.conftest import hallmark  # noqa: F401 - a fixture
from rpc.wire import fresh_name

AUDIENCE = ("--audience", "https://mdm.example.com/")


@pytest.fixture
def receivers(hallmark):  # noqa: F811
    return lambda *words: hallmark("ssf", "receivers", *words)


def test_the_token_goes_into_a_file_of_its_owner(receivers, tmp_path: Path) -> None:
    name, file = fresh_name("mdm"), tmp_path / "mdm.token"
    made = receivers("create", name, *AUDIENCE, "--token-file", str(file))
    assert (made.code, name in made.out) == (0, True)
    assert (len(file.read_text().strip()), file.stat().st_mode & 0o777) == (43, 0o600)
    assert file.read_text().strip() not in made.out
    again = receivers("create", fresh_name("mdm"), *AUDIENCE, "--token-file", str(file), "--json")
    assert (again.code, again.document["error"]["reason"]) == (2, "FILE_EXISTS")
    listed = receivers("list", "--json").document["receivers"]
    assert name in {each["name"].rpartition("/")[2] for each in listed}
    assert name in receivers("list").out
    assert receivers("delete", name).code == 0
    assert receivers("delete", name, "--json").document["error"]["reason"] == "RESOURCE_NOT_FOUND"


def test_the_token_is_shown_once(receivers) -> None:
    name = fresh_name("mdm")
    made = receivers("create", name, *AUDIENCE, "--json")
    assert (made.code, len(made.document["token"])) == (0, 43)
    assert receivers("create", name, *AUDIENCE).code == 3
    gone = receivers("delete", f"ssfReceivers/{name}", "--json")
    assert gone.document["name"].endswith(name)


def test_a_file_that_was_reserved_goes_when_nobody_was_let_in(receivers, tmp_path: Path) -> None:
    file = tmp_path / "x.token"
    assert receivers("create", fresh_name(), "--audience", "no URI", "--token-file", str(file)).code == 3
    assert not file.exists()
    assert receivers("create", "MDM", *AUDIENCE).code == 2
    assert receivers("create", fresh_name()).code == 2
