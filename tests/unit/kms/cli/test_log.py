import socket
from pathlib import Path

import pytest

from unit.hallmark_tlog.virtual_log import LOG_ED25519, LOG_ML_DSA, ORIGIN, WITNESS_ED25519, VirtualLog


def _publish(log: VirtualLog, folder: Path) -> Path:
    for path, data in log.files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


def _arguments(public: Path, *more: object) -> tuple[object, ...]:
    return ("log", "verify", "--public", public, "--vkey", LOG_ED25519.vkey, "--vkey", LOG_ML_DSA.vkey, *more)


@pytest.fixture
def public(tmp_path) -> Path:
    return _publish(VirtualLog.of_size(300), tmp_path / "public")


def test_a_good_log_ends_0_and_says_what_was_checked(hallmark, public) -> None:
    found = hallmark(*_arguments(public, "--json")).document
    assert (found["verified"], found["origin"], found["size"]) == (True, ORIGIN, 300)
    assert (found["entries_verified"], found["inclusions_verified"], found["consistent_from"]) == (300, 300, None)
    assert {signer["type"] for signer in found["signers"]} == {1, 6}
    assert "holds" in hallmark(*_arguments(public)).out


def test_the_last_checkpoint_is_kept_and_must_be_extended(hallmark, public, tmp_path) -> None:
    since = tmp_path / "last.checkpoint"
    assert hallmark(*_arguments(public, "--since", since)).code == 0
    _publish(VirtualLog.of_size(310), public)
    assert hallmark(*_arguments(public, "--since", since, "--json")).document["consistent_from"] == 300
    assert since.read_bytes() == (public / "checkpoint").read_bytes()


def test_a_rollback_ends_1_and_the_kept_checkpoint_stays(hallmark, public, tmp_path) -> None:
    since = tmp_path / "last.checkpoint"
    hallmark(*_arguments(public, "--since", since))
    kept = since.read_bytes()
    _publish(VirtualLog.of_size(200), public)
    outcome = hallmark(*_arguments(public, "--since", since, "--json"))
    assert (outcome.code, outcome.document["error"]["reason"]) == (1, "LOG_ROLLBACK_ERROR")
    assert since.read_bytes() == kept


def test_a_forked_log_ends_1(hallmark, public, tmp_path) -> None:
    since = tmp_path / "last.checkpoint"
    hallmark(*_arguments(public, "--since", since))
    other = VirtualLog([b"another %d" % index for index in range(310)])
    assert hallmark(*_arguments(_publish(other, public), "--since", since)).code == 1


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
