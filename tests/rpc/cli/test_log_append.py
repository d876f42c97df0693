import json
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

from hallmark_tlog.entry import parse_entry
from hallmark_tlog.proof import parse_proof
from rpc.cli.conftest import program
from support.service import RunningService

TYPE = "com.example.model.released"


def own_subject() -> str:
    return f"models/{uuid.uuid4().hex}"


def events_file(path: Path, count: int, subject: str) -> Path:
    path.write_text("".join(json.dumps({"type": TYPE, "subject": f"{subject}/{n}"}) + "\n" for n in range(count)))
    return path


def logged(service: RunningService, subject: str) -> list[str]:
    """Subjects below this one, in the log itself."""
    with service.client("auditor") as auditor:
        entries = (parse_entry(record.entry) for record in auditor.log.entries())
        return sorted(entry.subject for entry in entries if entry.subject.startswith(f"{subject}/"))


def test_an_event_is_appended_and_its_proof_checked_offline(hallmark, tmp_path) -> None:
    subject = own_subject()
    (tmp_path / "facts.json").write_text('{"approver": "Ada"}')
    hallmark("log", "keys", "--output", "log.vkey")
    words = (
        "log",
        "append",
        "--type",
        TYPE,
        "--subject",
        subject,
        "--detail",
        "digest=a=b",
        "--personal",
        "facts.json",
    )
    done = hallmark(*words, "--person", "p-1", "--output", "p.tlog-proof")
    assert done.code == 0, done.err
    assert subject in done.out
    assert "approver" in done.out
    assert "Ada" not in done.out
    checked = hallmark("log", "check-proof", "p.tlog-proof", "--vkey", "log.vkey", "--json").document
    entry = parse_entry(parse_proof((tmp_path / "p.tlog-proof").read_bytes()).extra)
    assert (checked["verified"], entry.subject, entry.details["facts"]) == (True, subject, {"digest": "a=b"})
    opened = hallmark("log", "open", entry.event_key, "--fact", "approver=Ada", "--json")
    assert opened.document["verified"] == ["approver"]


def test_a_call_is_repeated_by_its_request_id(hallmark) -> None:
    words = ("log", "append", "--type", TYPE, "--subject", own_subject(), "--request-id", str(uuid.uuid4()), "--json")
    first, again = hallmark(*words, "--wait", "sequenced").document, hallmark(*words).document
    assert (first["replayed"], again["replayed"]) == (False, True)
    assert (first["entry"], first["leaf_index"]) == (again["entry"], again["leaf_index"])


def test_mistakes_are_said_before_anything_is_sent(hallmark) -> None:
    good = ("log", "append", "--type", TYPE, "--subject", "x")
    for words, code in (
        (("log", "append", "--type", TYPE), 2),
        ((*good, "--detail", "digest"), 2),
        ((*good, "--wait", "committed", "--output", "p"), 2),
        ((*good, "--personal", "not-there.json"), 2),
        (("log", "append", "--type", "key.created", "--subject", "x"), 3),
        (("log", "append-many", "not-there.jsonl"), 2),
    ):
        assert hallmark(*words).code == code, words


def test_facts_from_standard_input(service: RunningService, tmp_path) -> None:
    words = ("log", "append", "--type", TYPE, "--subject", own_subject(), "--personal", "-", "--json")
    done = program(*words, home=service.home, folder=tmp_path, stdin=b'{"who": "Ada"}')
    assert "who" in json.loads(done.document["entry"])["commitments"]


def test_many_events_and_once_more(hallmark, service: RunningService, tmp_path) -> None:
    subject = own_subject()
    file = events_file(tmp_path / "events.jsonl", 150, subject)
    done = hallmark("log", "append-many", file, "--results", "results.jsonl")
    assert done.code == 0, done.err
    assert "Appended 150" in done.out
    with file.open("a") as more:
        more.write(json.dumps({"type": TYPE, "subject": f"{subject}/150"}) + "\n")
        more.write(json.dumps({"type": "wrong", "subject": f"{subject}/151"}) + "\n")
    again = hallmark("log", "append-many", file, "--results", "results.jsonl", "--json")
    *results, summary, error = map(json.loads, again.out.splitlines())
    assert again.code == 1
    assert summary == {"appended": 1, "replayed": 0, "refused": 1, "earlier": 150}
    assert {result["line"] for result in results} == {151, 152}
    assert error["error"]["reason"] == "EVENTS_REFUSED"
    assert logged(service, subject) == sorted(f"{subject}/{number}" for number in range(151))


def test_a_pipe_of_events(service: RunningService, tmp_path) -> None:
    subject = own_subject()
    lines = events_file(tmp_path / "events.jsonl", 20, subject).read_bytes()
    done = program("log", "append-many", "-", home=service.home, folder=tmp_path, stdin=lines)
    assert (done.code, "Appended 20" in done.out) == (0, True), done.err
    broken = program("log", "append-many", "-", home=service.home, folder=tmp_path, stdin=lines[:-3])
    assert broken.code == 2
    assert "line 20" in broken.err


def test_killed_in_the_middle_and_run_again_every_event_is_there_once(service: RunningService, tmp_path) -> None:
    subject = own_subject()
    file = events_file(tmp_path / "events.jsonl", 3000, subject)
    results = tmp_path / "results.jsonl"
    words = ("log", "append-many", str(file), "--results", str(results))
    command = [str(Path(sys.executable).parent / "hallmark"), *words, "--home", str(service.home)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=tmp_path) as first:
        deadline = time.monotonic() + 20
        while (not results.exists() or results.read_bytes().count(b"\n") < 200) and time.monotonic() < deadline:
            time.sleep(0.01)
        first.send_signal(signal.SIGKILL)
    before = results.read_bytes().count(b"\n") - 1
    assert 0 < before < 3000, "in the middle"
    done = program(*words, home=service.home, folder=tmp_path)
    assert done.code == 0, done.err
    assert logged(service, subject) == sorted(f"{subject}/{number}" for number in range(3000))


def test_who_ends_while_the_pipe_is_open_ends_cleanly(service: RunningService, tmp_path) -> None:
    command = [str(Path(sys.executable).parent / "hallmark"), "log", "append-many", "-", "--as", "auditor"]
    with subprocess.Popen(
        [*command, "--home", str(service.home)], stdin=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path
    ) as running:
        assert running.stdin is not None
        assert running.stderr is not None
        running.stdin.write(json.dumps({"type": TYPE, "subject": "x"}).encode() + b"\n")
        running.stdin.flush()
        assert running.wait(20) == 3
        words = running.stderr.read().decode()
    assert "role auditor" in words
    assert "Fatal" not in words
