import json

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from rpc.wire import fresh_name


@pytest.fixture
def bob(service) -> tuple[str, str]:
    """Options that make a command Bob's."""
    return "--profile", str(service.home / "clients" / "bob")


def number_of(told: str) -> str:
    return told.split("its ID is ")[1].split(".", maxsplit=1)[0]


def test_a_key_leaves_and_comes_back(hallmark, bob, tmp_path) -> None:
    name, other = fresh_name(), fresh_name()
    hallmark("keys", "create", name, "--export", "wrapped")
    assert hallmark("keys", "wrapping-key", "--output", "ours.wrapping").code == 0
    asked = hallmark("keys", "export", f"{name}/versions/1", "--to", "ours.wrapping", "--propose", "--reason", "move")
    assert asked.code == 0
    number = number_of(asked.out)
    named = hallmark("keys", "recipient", "ours.wrapping", "--json").document["recipient_sha256"]
    assert named in hallmark("approvals", "show", number).out, "what approvers compare"
    early = hallmark("keys", "export", f"{name}/versions/1", "--to", "ours.wrapping", "--proposal", number)
    assert (early.code, "hallmark approvals show" in early.err) == (3, True)
    hallmark("approvals", "approve", number, "--yes", *bob)
    done = hallmark("keys", "export", f"{name}/versions/1", "--to", "ours.wrapping", "--proposal", number)
    assert (done.code, f"{name}-1.exported" in done.out) == (0, True)
    imported = hallmark("keys", "import", other, "--from", f"{name}-1.exported", "--label", "a=b", "--json").document
    assert imported["versions"][0]["origin"] == imported["versions"][0]["protection_level"] == "IMPORTED"
    pems = [hallmark("keys", "public", each).out for each in (name, other)]
    assert pems[0] == pems[1]
    (tmp_path / "model").write_bytes(b"weights")
    hallmark("keys", "public", name, "--output", "key.pem")
    assert hallmark("sign", "model", "--key", other).code == 0
    assert hallmark("verify", "model", "--key", "key.pem").code == 0


def test_a_key_that_openssl_made_is_imported(hallmark, tmp_path) -> None:
    key, name = ec.generate_private_key(ec.SECP256R1()), fresh_name()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (tmp_path / "old.key").write_bytes(pem)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "old.pem").write_bytes(public)
    files = "--algorithm", "p256", "--private-key", "old.key", "--public-key", "old.pem"
    told = hallmark("keys", "import", name, *files)
    assert (told.code, "IMPORTED" in told.out) == (0, True)
    assert hallmark("keys", "public", name).out == public.decode()
    again = hallmark("keys", "import", name, *files, "--json")
    assert (again.code, again.document["error"]["reason"]) == (3, "KEY_EXISTS")
    swapped = "--algorithm", "p384", "--private-key", "old.key", "--public-key", "old.pem"
    wrong = hallmark("keys", "import", fresh_name(), *swapped)
    assert (wrong.code, "--algorithm" in wrong.err) == (3, True)
    for arguments in (("--algorithm", "p256"), files[:2] + files[2:4], ()):
        assert hallmark("keys", "import", fresh_name(), *arguments).code == 2
    (tmp_path / "none").write_text("nothing")
    files = "--algorithm", "p256", "--private-key", "old.key", "--public-key", "none"
    assert hallmark("keys", "import", fresh_name(), *files).code == 2
    assert hallmark("keys", "import", fresh_name(), "--from", "none").code == 2


def test_what_can_not_leave_says_what_to_do(hallmark, tmp_path) -> None:
    name = fresh_name()
    hallmark("keys", "create", name)
    hallmark("keys", "wrapping-key", "--output", "ours.wrapping")
    asked = hallmark("keys", "export", f"{name}/versions/1", "--to", "ours.wrapping")
    assert asked.code == 2, "either ask, or say that they agreed"
    number = number_of(hallmark("keys", "export", f"{name}/versions/1", "--to", "ours.wrapping", "--propose").out)
    refused = hallmark("keys", "export", f"{name}/versions/1", "--to", "ours.wrapping", "--proposal", number)
    assert (refused.code, "--export wrapped" in refused.err) == (3, True)
    (tmp_path / "none").write_text("{}")
    assert hallmark("keys", "recipient", "none").code == 2


def test_the_services_own_keys_are_listed_and_rotated(hallmark) -> None:
    listed = hallmark("keys", "list", "--system", "--json").document["keys"]
    assert "tenants/system/keys/import" in {key["name"] for key in listed}
    assert "tenants/system/keys/trust-bundle" in hallmark("keys", "list", "--system").out
    name = "tenants/system/keys/envelope-keys"
    rehearsed = hallmark("keys", "rotate", name, "--validate-only", "--json").document
    assert rehearsed["key"]["versions"][0]["state"] == "PRE_ACTIVE"
    told = hallmark("keys", "rotate", name)
    assert (told.code, f"trust readiness {name}" in told.out) == (0, True)
    assert hallmark("trust", "readiness", name, "--json").document["next_version"].startswith(name)
    assert hallmark("trust", "show").code == 0
    assert hallmark("keys", "activate", f"{name}/versions/2").code == 0


def test_a_looser_setting_is_proposed_from_the_command_line(hallmark, bob) -> None:
    name = fresh_name()
    hallmark("keys", "create", name, "--max-uses", "10")
    looser = "keys", "update", name, "--max-uses", "20"
    said = hallmark(*looser, "--validate-only", "--json").document
    assert said["loosened"] == ["usage_limits.total"]
    assert "usage_limits.total" in hallmark(*looser, "--validate-only").out
    number = number_of(hallmark(*looser, "--propose", "--reason", "busy").out)
    assert said["parameters_sha256"] in hallmark("approvals", "show", number).out
    hallmark("approvals", "approve", number, "--yes", *bob)
    assert hallmark(*looser, "--proposal", number, "--json").document["usage_limits"]["total"] == 20
    assert hallmark("keys", "update", name, "--max-uses", "5", "--propose").code == 2, "nobody has to agree to less"


def test_an_hpke_key_has_no_pem_and_says_so(hallmark) -> None:
    name = fresh_name()
    hallmark("keys", "create", name, "--purpose", "envelope")
    told = hallmark("keys", "public", name)
    assert (told.code, f"hallmark envelope key {name}" in told.err, "--json" in told.err) == (2, True, True)
    assert json.loads(hallmark("keys", "public", name, "--json").out)["raw"]


def test_parameters_are_a_hash(hallmark) -> None:
    assert hallmark("approvals", "propose", "export", "x/versions/1", "--parameters", "abc").code == 2
