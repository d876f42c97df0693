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


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("policy", "activate", "abc"), "'abc' is not a number (0 is the built-in policy"),
        (("policy", "activate", "active"), "is not a number"),
        (("policy", "show", "01"), 'is not a number or "active"'),
        (("devices", "show", "nope"), "'nope' is not the ID of a device"),
        (("devices", "verdict", "devices/3e2c0b54-7c2f-8e0e-b0a5-0d4f1a6f0f8e"), "is not the ID of a verdict"),
        (("anchors", "show", "xyz"), "is not the SHA-256 of a key"),
        (("anchors", "add", __file__, "--name", "x", "--format", "android"), "'--format': 'android' is not one of"),
        (("approvals", "approve", "1", "--as", "bob"), "--profile HOME/clients/bob"),
    ],
    ids=["activate-word", "activate-active", "show", "device", "verdict", "anchor", "format", "admin"],
)
def test_slips_are_named_without_a_server(hallmark, tmp_path, arguments: tuple[str, ...], words: str) -> None:
    refused = hallmark(*arguments, "--home", tmp_path)
    assert (refused.code, refused.out) == (2, "")
    assert words in " ".join(refused.err.split())


def test_the_key_of_the_jwt_is_named(hallmark) -> None:
    assert "keys public tenants/system/keys/attestation-results-es256" in hallmark("devices", "verdict", "--help").out


@pytest.mark.parametrize("command", ["check", "show", "set", "list", "dry-run", "activate"])
def test_help_teaches(hallmark, command: str) -> None:
    assert "Example:" in hallmark("policy", command, "--help").out
