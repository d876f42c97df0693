import base64
import shlex
import shutil

import pytest

from rpc.cli.conftest import program
from rpc.wire import fresh_name


@pytest.fixture
def key(hallmark) -> str:
    """A new key, with its public half in key.pem and the log's keys in log.vkey."""
    name = fresh_name()
    assert hallmark("keys", "create", name).code == 0
    assert hallmark("keys", "public", name, "--output", "key.pem").code == 0
    assert hallmark("log", "keys", "--output", "log.vkey").code == 0
    return name


def test_a_signed_file_verifies_offline_and_a_changed_one_does_not(hallmark, key, tmp_path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    assert hallmark("sign", "file", "--key", key).code == 0
    assert hallmark("verify", "file", "--key", "key.pem").code == 0
    (tmp_path / "file").write_bytes(b"other content")
    assert hallmark("verify", "file", "--key", "key.pem").code == 1


def test_the_proof_ties_the_signature_to_the_log(hallmark, key, tmp_path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    signed = hallmark("sign", "file", "--key", key, "--proof", "--json").document
    assert signed["proof_file"] == "file.tlog-proof"
    given = ("verify", "file", "--key", "key.pem", "--proof", "file.tlog-proof", "--vkey", "log.vkey", "--json")
    proved = hallmark(*given).document["log"]
    assert proved["leaf_index"] == signed["log"]["leaf_index"]
    assert proved["key_version"] == signed["key_version"]
    (tmp_path / "file.sig").write_bytes(b"")
    hallmark("sign", "file", "--key", key)
    another = hallmark(*given)
    assert (another.code, another.document["error"]["reason"]) == (1, "PROOF_OF_ANOTHER_ACT")


def test_a_folder_is_signed_by_its_manifest(hallmark, key, tmp_path) -> None:
    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    (folder / "a").write_text("a")
    (folder / "sub" / "b").write_text("b")
    (folder / "skip.tmp").write_text("c")
    signed = hallmark("sign", "--folder", folder, "--exclude", "*.tmp", "--key", key, "--json").document
    assert signed["file"] == str(tmp_path / "folder.manifest.json")
    given = ("verify", signed["file"], "--key", "key.pem", "--manifest", folder)
    assert hallmark(*given, "--json").document["manifest"]["files"] == 2
    (folder / "extra").write_text("x")
    changed = hallmark(*given)
    assert (changed.code, "extra" in changed.err) == (1, True)


def test_standard_input_is_signed_as_a_file_would_be(service, hallmark, key, tmp_path) -> None:
    content = b"piped" * 1000
    (tmp_path / "file").write_bytes(content)
    signed = program("sign", "-", "--key", key, "--json", home=service.home, folder=tmp_path, stdin=content).document
    (tmp_path / "file.sig").write_bytes(base64.b64decode(signed["signature"]))
    assert hallmark("verify", "file", "--key", "key.pem").code == 0


def test_a_context_separates_uses(hallmark, key, tmp_path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    hallmark("sign", "file", "--key", key, "--context", "models/v1")
    assert hallmark("verify", "file", "--key", "key.pem").code == 1
    assert hallmark("verify", "file", "--key", "key.pem", "--context", "models/v1").code == 0


def test_rotation_keeps_old_signatures_good(hallmark, key, tmp_path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    hallmark("sign", "file", "--key", key)
    shutil.copy("file.sig", "old.sig")
    hallmark("keys", "rotate", key)
    hallmark("sign", "file", "--key", key)
    hallmark("keys", "public", key, "--output", "new.pem")
    assert hallmark("verify", "file", "--key", "new.pem").code == 0
    assert hallmark("verify", "file", "--key", "key.pem", "--signature", "old.sig").code == 0
    assert hallmark("verify", "file", "--key", "new.pem", "--signature", "old.sig").code == 1


def test_a_revoked_key_signs_no_more(hallmark, key, tmp_path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    hallmark("revoke", key, "--reason", "key-compromise")
    outcome = hallmark("sign", "file", "--key", key, "--json")
    assert (outcome.code, outcome.document["error"]["reason"]) == (3, "KEY_REVOKED")
    assert not (tmp_path / "file.sig").exists()


@pytest.mark.parametrize("arguments", [["nothing"], ["file", "--folder", "."], []])
def test_there_must_be_one_thing_to_sign(hallmark, key, arguments: list[str], tmp_path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    assert hallmark("sign", *arguments, "--key", key).code == 2


def test_a_file_can_be_hashed_by_the_server(hallmark, key, tmp_path) -> None:
    (tmp_path / "file").write_bytes(bytes(3_000_000))
    assert hallmark("sign", "file", "--key", key, "--stream", "--context", "models/v1").code == 0
    assert hallmark("verify", "file", "--key", "key.pem", "--context", "models/v1").code == 0


def follow(hallmark, told: str) -> None:
    """Does what `hallmark sign` says comes next."""
    (line,) = (line.removeprefix("Next: ") for line in told.splitlines() if line.startswith("Next: "))
    for command in line.split(" && "):
        assert hallmark(*shlex.split(command)[1:]).code == 0, command


def test_what_sign_says_comes_next_does_verify(hallmark, key, tmp_path) -> None:
    (tmp_path / "a file").write_bytes(b"content")
    follow(hallmark, hallmark("sign", "a file", "--key", key, "--context", "models/v1").out)
    follow(hallmark, hallmark("sign", "a file", "--key", key, "--output", "elsewhere").out)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights").write_bytes(b"weights")
    follow(hallmark, hallmark("sign", "--folder", "model", "--key", key).out)
    name = fresh_name()
    hallmark("keys", "create", name, "--purpose", "manifest")
    follow(hallmark, hallmark("sign", "--folder", "model", "--key", name).out)


def test_plain_keys_sign_files_too_and_make_jws(hallmark, tmp_path) -> None:
    (tmp_path / "file").write_bytes(b"claims")
    for algorithm in ("ed25519", "mldsa65", "p256"):
        name = fresh_name()
        assert hallmark("keys", "create", name, "--algorithm", algorithm).code == 0
        signed = hallmark("sign", "file", "--key", name, "--proof")
        assert signed.code == 0
        follow(hallmark, signed.out)
        proof = ("--proof", "file.tlog-proof", "--vkey", "log.vkey")
        assert hallmark("log", "keys", "--output", "log.vkey").code == 0
        assert hallmark("verify", "file", "--key", "key.pem", *proof).code == 0
        assert hallmark("verify", "file", "--key", "key.pem", "--context", "other").code == 1
        assert hallmark("sign", "file", "--key", name, "--format", "jws").code == 0
        payload = (tmp_path / "file.jws").read_bytes().split(b".")[1]
        assert base64.urlsafe_b64decode(payload + b"==") == b"claims"


def test_a_hybrid_key_makes_no_jws(hallmark, key, tmp_path) -> None:
    (tmp_path / "file").write_bytes(b"claims")
    refused = hallmark("sign", "file", "--key", key, "--format", "jws", "--json")
    assert (refused.code, refused.document["error"]["reason"]) == (3, "FORMAT_UNSUPPORTED")
    assert not (tmp_path / "file.jws").exists()
    assert hallmark("sign", "file", "--key", key, "--format", "cose", "--stream").code == 2


def test_a_manifest_key_signs_the_manifest_of_a_folder(hallmark, tmp_path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights").write_bytes(b"weights")
    name = fresh_name()
    assert hallmark("keys", "create", name, "--purpose", "manifest").code == 0
    assert hallmark("sign", "--folder", "model", "--key", name).code == 0
    assert hallmark("keys", "public", name, "--output", "manifest.pem").code == 0
    given = ("verify", "model.manifest.json", "--key", "manifest.pem", "--manifest", "model")
    assert hallmark(*given, "--context", "hallmark/manifest/v1").code == 0
    (tmp_path / "other").write_bytes(b"not a manifest")
    assert hallmark("sign", "other", "--key", name).code == 3
