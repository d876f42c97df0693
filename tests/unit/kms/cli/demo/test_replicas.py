import pytest

from kms.cli.demo import private_postgresql
from kms.cli.demo.replicas_findings import ReplicaFindings

NUMBERS = {"failed_calls": 0, "lost": 0}


def _all() -> ReplicaFindings:
    return ReplicaFindings(**{name: NUMBERS.get(name, 1) for name in ReplicaFindings().to_dict()})


def test_nothing_holds_before_it_happened() -> None:
    assert ReplicaFindings().missing() == list(ReplicaFindings().to_dict())
    assert _all().missing() == []


@pytest.mark.parametrize(("name", "value"), [("lost", 1), ("failed_calls", 2), ("watchers_moved", 0), ("lost", None)])
def test_what_did_not_hold_is_named(name: str, value: int | None) -> None:
    found = _all()
    setattr(found, name, value)
    assert found.missing() == [name]


@pytest.mark.parametrize(
    "words", [["--replicas", "2"], ["--replicas", "2", "--postgres", "."], ["--replicas", "1", "--postgres"]]
)
def test_what_does_not_go_together_is_said(hallmark, words: list[str]) -> None:
    outcome = hallmark("demo", *words)
    assert outcome.code == 2
    assert "--replicas" in outcome.err


def test_without_postgresql_it_says_what_to_install(hallmark, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(private_postgresql, "_PLACES", ())
    monkeypatch.setattr(private_postgresql.shutil, "which", lambda _: None)
    outcome = hallmark("demo", "--replicas", "2", "--postgres")
    assert outcome.code == 2
    assert "apt install postgresql" in outcome.err
