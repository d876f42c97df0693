"""`hallmark policy` without a server: check, and the built-in policy."""

import pytest

from attestation.policy import Policy
from attestation.policy_file import PolicyForm, read_policy


def test_the_built_in_policy_is_a_file_to_begin_with(hallmark, tmp_path) -> None:
    shown = hallmark("policy", "show", "--default")
    assert shown.code == 0
    assert read_policy(shown.out.encode()) == Policy()
    assert "# What an Android key must look like." in shown.out
    file = tmp_path / "policy.toml"
    file.write_text(shown.out)
    checked = hallmark("policy", "check", file)
    assert (checked.code, checked.out) == (0, f"{file} is a policy named 'strict'. Next: hallmark policy set {file}\n")


def test_json_is_told_by_the_name_of_the_file(hallmark, tmp_path) -> None:
    shown = hallmark("policy", "show", "--default", "--form", "json")
    assert read_policy(shown.out.encode(), PolicyForm.JSON) == Policy()
    file = tmp_path / "policy.json"
    file.write_text(shown.out)
    assert hallmark("policy", "check", file, "--json").document == {"name": "strict", "valid": True}


def test_every_mistake_is_named(hallmark, tmp_path) -> None:
    file = tmp_path / "policy.toml"
    file.write_text('[android]\nmin_os_patchlevel = 1\nlevels = ["tee"]\n')
    checked = hallmark("policy", "check", file)
    assert (checked.code, checked.out) == (1, "")
    assert "android.min_os_patchlevel is not known; did you mean min_os_patch_level?" in checked.err
    assert "android.levels[0] may not be 'tee'; did you mean TEE?" in checked.err
    assert f"{file} has 2 mistakes" in checked.err
    error = hallmark("policy", "check", file, "--json").document["error"]
    assert error["reason"] == "POLICY_INVALID"
    assert "min_os_patch_level" in error["message"]


def test_rego_is_looked_at_too(hallmark, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("attestation.rego.is_installed", lambda: False)
    file = tmp_path / "policy.toml"
    file.write_text("[rego]\nmodule = '''\npackage hallmark\nallow := true'''")
    assert "regopy" in hallmark("policy", "check", file).err


@pytest.mark.parametrize("command", ["check", "show", "set", "list", "dry-run", "activate"])
def test_help_teaches(hallmark, command: str) -> None:
    assert "Example:" in hallmark("policy", command, "--help").out
