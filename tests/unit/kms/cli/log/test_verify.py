import socket
from pathlib import Path

import pytest

from hallmark_tlog.audit_state import AuditState, parse_audit_state
from unit.hallmark_tlog.virtual_log import LOG_ED25519, ORIGIN, WITNESS_ED25519, VirtualLog, sign_note
from unit.kms.cli.log.published import KEYS, publish


def _arguments(public: Path, *more: object) -> tuple[object, ...]:
    return ("log", "verify", "--public", public, *KEYS, *more)


@pytest.fixture
def public(tmp_path) -> Path:
    return publish(VirtualLog.of_size(300), tmp_path / "public")


def test_a_good_log_ends_0_and_says_what_was_checked(hallmark, public) -> None:
    found = hallmark(*_arguments(public, "--json")).document
    assert (found["verified"], found["origin"], found["size"]) == (True, ORIGIN, 300)
    assert (found["entries_verified"], found["inclusions_verified"], found["consistent_from"]) == (300, 300, None)
    assert {signer["type"] for signer in found["signers"]} == {1, 6}
    assert "holds" in hallmark(*_arguments(public)).out


def test_the_last_checkpoint_is_kept_and_must_be_extended(hallmark, public, tmp_path) -> None:
    since = tmp_path / "last.checkpoint"
    assert hallmark(*_arguments(public, "--since", since)).code == 0
    publish(VirtualLog.of_size(310), public)
    assert hallmark(*_arguments(public, "--since", since, "--json")).document["consistent_from"] == 300
    assert since.read_bytes() == (public / "checkpoint").read_bytes()


def test_a_rollback_ends_1_and_the_kept_checkpoint_stays(hallmark, public, tmp_path) -> None:
    since = tmp_path / "last.checkpoint"
    hallmark(*_arguments(public, "--since", since))
    kept = since.read_bytes()
    publish(VirtualLog.of_size(200), public)
    outcome = hallmark(*_arguments(public, "--since", since, "--json"))
    assert (outcome.code, outcome.document["error"]["reason"]) == (1, "LOG_ROLLBACK_ERROR")
    assert "try again" in outcome.document["error"]["advice"]
    assert since.read_bytes() == kept


def test_a_kept_checkpoint_that_is_none_is_named(hallmark, public, tmp_path) -> None:
    since = tmp_path / "last.checkpoint"
    since.write_bytes(b"\x7fELF")
    outcome = hallmark(*_arguments(public, "--since", since, "--json"))
    assert (outcome.code, outcome.document["error"]["reason"]) == (2, "CHECKPOINT_INVALID")
    assert str(since) in outcome.err


def test_a_folder_that_takes_no_state_is_said_before_anything_is_read(hallmark, tmp_path) -> None:
    arguments = _arguments(tmp_path / "nothing", "--state", tmp_path / "none" / "state", "--json")
    assert hallmark(*arguments).document["error"]["reason"] == "STATE_FOLDER"


def test_a_forked_log_ends_1(hallmark, public, tmp_path) -> None:
    since = tmp_path / "last.checkpoint"
    hallmark(*_arguments(public, "--since", since))
    other = VirtualLog([b"another %d" % index for index in range(310)])
    assert hallmark(*_arguments(publish(other, public), "--since", since)).code == 1


def test_a_changed_entry_ends_1(hallmark, public) -> None:
    bundle = public / "tile" / "entries" / "000"
    bundle.write_bytes(bundle.read_bytes()[:-1] + b"!")
    outcome = hallmark(*_arguments(public, "--json"))
    assert (outcome.code, outcome.document["error"]["reason"]) == (1, "LOG_TAMPERED_ERROR")


def test_every_given_key_must_have_signed(hallmark, public) -> None:
    outcome = hallmark(*_arguments(public, "--vkey", WITNESS_ED25519.vkey))
    assert outcome.code == 1
    assert WITNESS_ED25519.vkey.name in outcome.err


def test_another_logs_checkpoint_is_refused(hallmark, public) -> None:
    assert hallmark(*_arguments(public, "--origin", "log.example/other")).code == 1


def test_a_missing_log_is_said_and_ends_2(hallmark, tmp_path) -> None:
    outcome = hallmark(*_arguments(tmp_path))
    assert outcome.code == 2
    assert "there is no log" in outcome.err


def test_a_url_that_nobody_serves_ends_4(hallmark) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    assert hallmark("log", "verify", "--public", url, "--vkey", LOG_ED25519.vkey).code == 4


def test_a_state_is_gone_on_from(hallmark, public, tmp_path) -> None:
    state = tmp_path / "audit.state"
    first = hallmark(*_arguments(public, "--state", state, "--json")).document
    assert (first["entries_verified"], first["consistent_from"]) == (300, None)
    publish(VirtualLog.of_size(310), public)
    second = hallmark(*_arguments(public, "--state", state, "--json")).document
    assert (second["entries_verified"], second["inclusions_verified"], second["consistent_from"]) == (10, 310, 300)
    assert "0 of them read this time" in hallmark(*_arguments(public, "--state", state)).out
    whole = hallmark(*_arguments(public, "--state", state, "--whole", "--json")).document
    assert (whole["entries_verified"], whole["consistent_from"]) == (310, 310)


def test_an_interrupted_audit_goes_on_from_its_state(hallmark, tmp_path, monkeypatch) -> None:
    """Ctrl-C while bundle 2 is read: what was read before it is in the file."""
    public, state = publish(VirtualLog.of_size(1000), tmp_path / "public"), tmp_path / "audit.state"
    from hallmark_tlog import rebuild

    read = rebuild.read_bundle

    def interrupted(fetch, index: int, size: int) -> list[bytes]:
        if index == 2:
            raise KeyboardInterrupt
        return read(fetch, index, size)

    with monkeypatch.context() as patch:
        patch.setattr(rebuild, "read_bundle", interrupted)
        assert hallmark(*_arguments(public, "--state", state)).code == 130
    assert parse_audit_state(state.read_bytes()).entries == 512
    found = hallmark(*_arguments(public, "--state", state, "--json")).document
    assert (found["entries_verified"], found["inclusions_verified"]) == (488, 1000)


def test_what_was_altered_before_an_interruption_is_said_to_be_possible(hallmark, tmp_path) -> None:
    public, state = publish(VirtualLog.of_size(1000), tmp_path / "public"), tmp_path / "audit.state"
    good = (public / "checkpoint").read_bytes()
    state.write_bytes(bytes(AuditState(512, (bytes(32),), good)))
    outcome = hallmark(*_arguments(public, "--state", state))
    assert outcome.code == 1
    assert "--whole" in outcome.err
    assert hallmark(*_arguments(public, "--state", state, "--whole")).code == 0
    assert hallmark(*_arguments(public, "--state", state)).code == 0


def test_a_state_file_that_is_none_ends_2(hallmark, public, tmp_path) -> None:
    (tmp_path / "audit.state").write_text("?")
    outcome = hallmark(*_arguments(public, "--state", tmp_path / "audit.state", "--json"))
    assert (outcome.code, outcome.document["error"]["reason"]) == (2, "STATE_INVALID")
    assert hallmark(*_arguments(public, "--state", "a", "--since", "b")).code == 2


def test_a_rollback_leaves_the_state_as_it_was(hallmark, public, tmp_path) -> None:
    state = tmp_path / "audit.state"
    hallmark(*_arguments(public, "--state", state))
    kept = state.read_bytes()
    publish(VirtualLog.of_size(200), public)
    assert hallmark(*_arguments(public, "--state", state, "--json")).document["error"]["reason"] == "LOG_ROLLBACK_ERROR"
    assert state.read_bytes() == kept


def test_every_proof_is_an_option(hallmark, public) -> None:
    assert hallmark(*_arguments(public, "--every-proof", "--json")).document["proofs_verified"] == 300
    assert "300 by a proof of their own" in hallmark(*_arguments(public, "--every-proof")).out


def test_a_policy_asks_for_its_quorum(hallmark, public, tmp_path) -> None:
    policy = tmp_path / "policy"
    policy.write_text(
        f"log {LOG_ED25519.vkey}\nwitness w {WITNESS_ED25519.vkey}\ngroup all-of-them all w\nquorum all-of-them\n"
    )
    arguments = ("log", "verify", "--public", public, "--policy", policy, "--json")
    refused = hallmark(*arguments)
    assert (refused.code, refused.document["error"]["reason"]) == (1, "LOG_QUORUM_NOT_REACHED")
    log = VirtualLog.of_size(300)
    (public / "checkpoint").write_bytes(sign_note(log.checkpoint, LOG_ED25519, WITNESS_ED25519))
    found = hallmark(*arguments).document
    assert (found["origin"], {signer["type"] for signer in found["signers"]}) == (ORIGIN, {1, 4})
    assert hallmark(*_arguments(public, "--policy", policy)).code == 1  # the keys are asked for as well


def test_a_policy_that_is_none_ends_2(hallmark, public, tmp_path) -> None:
    for text in ("?", "quorum none\n"):
        (tmp_path / "policy").write_text(text)
        outcome = hallmark("log", "verify", "--public", public, "--policy", tmp_path / "policy", "--json")
        assert (outcome.code, outcome.document["error"]["reason"]) == (2, "POLICY_INVALID")
    assert hallmark("log", "verify", "--public", public).code == 2


def test_what_a_bad_log_made_the_audit_keep_is_taken_back(hallmark, public, tmp_path, monkeypatch) -> None:
    """Every bundle is written at once here: the forged ones too, until the root gives them away."""
    monkeypatch.setattr("kms.cli.log.state_file._EVERY_SECONDS", 0)
    state = tmp_path / "audit.state"
    honest = VirtualLog.of_size(1000)
    forged = VirtualLog([b"forged", *honest.entries[1:]])
    forged.files["checkpoint"] = honest.files["checkpoint"]
    publish(forged, public)
    assert hallmark(*_arguments(public, "--state", state)).code == 1
    assert not state.exists()
    publish(VirtualLog.of_size(300), public)
    hallmark(*_arguments(public, "--state", state))
    kept = state.read_bytes()
    for path in ("tile/0/003.p/232", "tile/entries/003.p/232"):
        honest.files[path] = VirtualLog([*honest.entries[:-1], b"forged"]).files[path]
    publish(honest, public)
    assert hallmark(*_arguments(public, "--state", state)).code == 1
    assert state.read_bytes() == kept


def test_a_lost_connection_keeps_what_was_read(hallmark, tmp_path) -> None:
    log = VirtualLog.of_size(1000)
    public, state = publish(log, tmp_path / "public"), tmp_path / "audit.state"
    (public / "tile/entries/003.p/232").unlink()
    assert hallmark(*_arguments(public, "--state", state)).code == 1
    assert parse_audit_state(state.read_bytes()).entries == 768
    publish(log, public)
    assert hallmark(*_arguments(public, "--state", state, "--json")).document["entries_verified"] == 232
