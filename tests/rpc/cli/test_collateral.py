"""`hallmark collateral` and `hallmark anchors` against the real service."""

import json

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

LIST = json.dumps({"tpm_keys": [{"name": "000b" + "cd" * 32}]})


def test_a_piece_from_a_file_to_force_and_out(hallmark, tmp_path) -> None:
    (tmp_path / "keys.json").write_text(LIST)
    added = hallmark("collateral", "add", "tpm-keys", "keys.json", "--label", "line-1")
    assert (added.code, added.out.startswith("In force now: tpm-keys of line-1")) == (0, True)
    again = hallmark("collateral", "add", "tpm-keys", "keys.json", "--label", "line-1")
    assert again.out.startswith("In force already")
    listed = hallmark("collateral", "list", "--kind", "tpm-keys")
    assert ("line-1" in listed.out, "in-force" in listed.out) == (True, True)
    everything = hallmark("collateral", "list", "--json").document
    assert {piece["kind"] for piece in everything["collateral"]} >= {"TPM_KEYS", "ANDROID_STATUS"}
    (name,) = [piece["name"] for piece in everything["collateral"] if piece["key"] == "line-1"]
    assert hallmark("collateral", "remove", name).code == 0
    assert hallmark("collateral", "remove", name, "--json").document["error"]["reason"] == "RESOURCE_NOT_FOUND"


def test_a_piece_that_is_none_is_explained(hallmark, tmp_path) -> None:
    (tmp_path / "keys.json").write_text("{}")
    refused = hallmark("collateral", "add", "tpm-keys", "keys.json", "--label", "line-1")
    assert refused.code == 3
    assert "collateral add --help" in refused.err


def test_an_anchor_from_a_file_to_trust_and_out(hallmark, tmp_path) -> None:
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    (tmp_path / "root.pem").write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    add = ("anchors", "add", "root.pem", "--name", "Plant", "--format", "tpm", "--use", "ak", "--json")
    added = hallmark(*add).document["anchor"]
    name = added["name"].rpartition("/")[2]
    assert (added["formats"], added["uses"]) == (["TPM"], ["ak"])
    assert hallmark(*add).document["error"]["reason"] == "ANCHOR_EXISTS"
    own = hallmark("anchors", "list", "--own")
    assert ("Plant" in own.out, "google" in own.out) == (True, False)
    assert "google" in hallmark("anchors", "list").out
    shown = hallmark("anchors", "show", name)
    assert (name in shown.out, "Plant" in shown.out) == (True, True)
    beginning = own.out.splitlines()[-1].split()[0]
    assert name.startswith(beginning)
    assert hallmark("anchors", "show", beginning).out == shown.out
    removed = hallmark("anchors", "remove", beginning)
    assert removed.code == 0
    for text in (name, beginning):
        gone = hallmark("anchors", "show", text, "--json").document["error"]
        assert (gone["reason"], "anchors list" in gone["advice"]) == ("RESOURCE_NOT_FOUND", True)


def test_a_file_that_holds_no_key(hallmark, tmp_path) -> None:
    (tmp_path / "root.pem").write_text("hello")
    refused = hallmark("anchors", "add", "root.pem", "--name", "x", "--format", "tpm")
    assert refused.code != 0
    assert "neither a certificate nor a public key" in refused.err
