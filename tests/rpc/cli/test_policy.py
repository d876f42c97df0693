"""`hallmark policy` against the real service. What is activated is the strict policy under another name."""

import pytest

DOCUMENT = 'name = "command line"\n'


@pytest.fixture
def kept(hallmark, tmp_path) -> str:
    """Number of a version that was just set."""
    (tmp_path / "policy.toml").write_text(DOCUMENT)
    made = hallmark("policy", "set", "policy.toml", "--json")
    assert made.code == 0, made.err
    return made.document["policy"]["name"].rpartition("/")[2]


def test_from_a_file_to_force(hallmark, kept: str) -> None:
    tried = hallmark("policy", "dry-run", kept)
    assert (tried.code, "none would change" in tried.out, f"policy activate {kept}" in tried.out) == (0, True, True)
    activated = hallmark("policy", "activate", kept)
    assert activated.out == f"Version {kept} ('command line') is in force. Next: hallmark policy show\n"
    shown = hallmark("policy", "show")
    assert shown.out == DOCUMENT, "the file as it was set, and nothing else on standard output"
    assert "ACTIVE" in shown.err
    assert "tenants/system/keys/appraisal-policy/versions/1" in shown.err or "appraisal-policy" in shown.err
    again = hallmark("policy", "activate", kept, "--json")
    assert (again.code, again.document["error"]["reason"]) == (3, "STATE_TRANSITION_INVALID")


def test_versions(hallmark, kept: str) -> None:
    listed = hallmark("policy", "list")
    assert (listed.code, "VERSION" in listed.out, "command line" in listed.out) == (0, True, True)
    documents = hallmark("policy", "list", "--json").document["policies"]
    assert documents[0]["name"].endswith(f"/{kept}")
    assert hallmark("policy", "show", kept, "--json").document["title"] == "command line"
    assert hallmark("policy", "show", "999999999").code == 3


def test_an_activation_can_be_proposed(hallmark, service, kept: str) -> None:
    proposed = hallmark("policy", "activate", kept, "--propose", "--reason", "why not", "--json").document
    assert proposed["act"] == "POLICY_CHANGE"
    number = proposed["name"].rpartition("/")[2]
    bob = ("--profile", str(service.home / "clients" / "bob"))
    assert hallmark("approvals", "approve", number, "--yes", *bob).code == 0
    assert hallmark("policy", "activate", kept, "--proposal", number).code == 0
    assert hallmark("approvals", "show", number, "--json").document["state"] == "EXECUTED"


def test_back_to_the_built_in_policy(hallmark, service, kept: str) -> None:
    assert hallmark("policy", "activate", kept).code == 0
    assert "policy activate 0" in hallmark("policy", "dry-run", "0").out
    proposed = hallmark("policy", "activate", "0", "--propose", "--json").document
    number = proposed["name"].rpartition("/")[2]
    bob = ("--profile", str(service.home / "clients" / "bob"))
    assert hallmark("approvals", "approve", number, "--yes", *bob).code == 0
    back = hallmark("policy", "activate", "0", "--proposal", number)
    assert back.out == "The built-in policy ('strict') is in force. Next: hallmark policy show\n"
    assert hallmark("policy", "show", "--json").document["name"].endswith("/policies/0")
    again = hallmark("policy", "activate", "0", "--json")
    assert (again.code, again.document["error"]["reason"]) == (3, "STATE_TRANSITION_INVALID")


def test_a_mistake_is_named_by_the_server_too(hallmark, tmp_path) -> None:
    (tmp_path / "policy.toml").write_text("[andriod]\n")
    refused = hallmark("policy", "set", "policy.toml")
    assert refused.code == 3
    assert "did you mean android?" in refused.err
    assert "hallmark policy check" in refused.err
