"""The document an operator reads, and the code, say the same."""

from pathlib import Path

from kms.edge.grants import COLUMNS, TABLES, statements
from kms.edge.served import SERVED, SERVED_WITH_FILES

DOCUMENT = Path(__file__).resolve().parents[4] / "docs" / "operations.md"


def test_the_document_has_every_statement_and_no_other() -> None:
    block = DOCUMENT.read_text().split("```sql\n")[1].split("```")[0]
    assert block.strip().splitlines() == list(statements("edge_berlin"))


def test_the_document_names_what_is_served() -> None:
    text = DOCUMENT.read_text()
    assert not [
        path for path in SERVED | SERVED_WITH_FILES if path.rpartition("/")[2] not in text and "Health" not in path
    ]


def test_nothing_that_feeds_are_made_of_may_be_changed() -> None:
    written = {table for table, rights in TABLES.items() if set(rights) != {"SELECT"}} | set(COLUMNS)
    assert written == {"event_acknowledgement", "removal", "classical_use", "session", "call_seen"}
    assert "key_version" not in TABLES
