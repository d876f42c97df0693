import re
from pathlib import Path

import pytest

import kms
from kms.log.entries.event_types import EVENT_TYPES, check_entry, event_table

ROOT = Path(kms.__file__).parent
DOCUMENT = ROOT.parent / "docs" / "log.md"


def test_auditors_are_told_of_every_type_and_of_nothing_else() -> None:
    assert event_table() in DOCUMENT.read_text(), (
        "docs/log.md is not what kms.log.entries.event_types says: paste event_table()"
    )


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_every_type_is_recorded_somewhere(event_type: str) -> None:
    family = event_type.partition(".")[0]
    spellings = rf'"{re.escape(event_type)}"|f"{re.escape(family)}\.\{{'
    sources = (*ROOT.rglob("*.py"), ROOT.parent / "clients/python/hallmark_tlog/succession.py")
    texts = [path.read_text() for path in sources if path.name != "event_types.py"]
    assert any(re.search(spellings, text) for text in texts)


def test_types_of_the_service_have_one_dot() -> None:
    assert {name.count(".") for name in EVENT_TYPES} == {1}


def test_an_entry_as_it_was_told() -> None:
    check_entry("alias.set", ["key"], [])
    check_entry("proposal.rejected", [], ["rejecter"])
    check_entry("device.attested", [*EVENT_TYPES["device.attested"].details, "certificate_sha256"], [])
    check_entry("com.example.model.released", ["by", "facts"], ["anything"])


@pytest.mark.parametrize(
    ("event_type", "details", "commitments"),
    [
        ("alias.set", [], []),
        ("alias.set", ["key", "serial"], []),
        ("alias.set", ["key"], ["name"]),
        ("alias.renamed", ["key"], []),
        ("plain", [], []),
    ],
)
def test_what_nobody_was_told_is_refused(event_type: str, details: list[str], commitments: list[str]) -> None:
    with pytest.raises(ValueError, match="event_types"):
        check_entry(event_type, details, commitments)
