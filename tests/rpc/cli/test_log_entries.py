"""`hallmark log find, entries, open, erase, receipt` against the real service."""

import json
import time
import urllib.request

from rpc.wire import fresh_name
from support.service import RunningService


def found(hallmark, *arguments: str) -> list[dict]:
    """Once the index has caught up."""
    for _ in range(100):
        if entries := hallmark("log", "find", *arguments, "--json").document:
            return entries
        time.sleep(0.1)
    raise AssertionError(f"{arguments} found nothing")


def test_an_entry_is_found_opened_and_erased(hallmark) -> None:
    hallmark("keys", "create", name := fresh_name())
    (entry,) = found(hallmark, "--subject", f"tenants/default/keys/{name}/*", "--type", "key.created")
    assert name in hallmark("log", "find", "--subject", f"tenants/default/keys/{name}/versions/1").out
    key = entry["event_key"]
    (opening,) = hallmark("log", "open", key, "--json").document["openings"]
    assert (opening["name"], opening["commitment"]) == ("token_serial", entry["commitments"]["token_serial"])
    assert opening["salt"] in hallmark("log", "open", key).out
    wrong = hallmark("log", "open", key, "--fact", "token_serial=1")
    assert (wrong.code, "does" in wrong.err or "do not open" in wrong.err) == (1, True)
    assert hallmark("log", "open", key, "--fact", "token_serial").code == 2
    done = hallmark("log", "erase", "--entry", key, "--reason", "asked for")
    assert "salts of 1 entry" in done.out
    gone = hallmark("log", "open", key)
    assert (gone.code, "erased" in gone.err) == (3, True)
    assert hallmark("log", "erase", "--person", "nobody", "--json").document["erased_entries"] == 0
    assert hallmark("log", "erase").code == 2


def test_nothing_found_says_so(hallmark) -> None:
    nothing = hallmark("log", "find", "--type", "com.example.never.seen")
    assert (nothing.code, nothing.out.startswith("Nothing fits")) == (0, True)
    assert hallmark("log", "find", "--since", "yesterday").code == 2


def test_the_entries_in_order(hallmark) -> None:
    hallmark("keys", "create", fresh_name())
    lines = [json.loads(line) for line in hallmark("log", "entries", "--limit", "3", "--json").out.splitlines()]
    assert [line["leaf_index"] for line in lines] == [0, 1, 2]
    assert lines[1]["type"] in hallmark("log", "entries", "--from", "1", "--limit", "1").out
    assert len(hallmark("log", "entries", "--follow", "--limit", "2").out.splitlines()) == 2
    beyond = hallmark("log", "entries", "--from", "1000000000")
    assert (beyond.code, "beyond the published tree" in beyond.err) == (3, True)


def test_receipts_are_written_and_verified(hallmark, service: RunningService, tmp_path) -> None:
    unverified = hallmark("log", "receipt", "0", "--output", "0.cose", "--entry-output", "0.json")
    assert "Not verified" in unverified.out
    with urllib.request.urlopen(f"{service.facts['public_url']}/receipt-keys", timeout=10) as published:
        (tmp_path / "receipt-keys").write_bytes(published.read())
    key = json.loads((tmp_path / "0.json").read_text())["id"]
    held = hallmark("log", "receipt", key, "--keys", "receipt-keys", "--json").document
    assert (held["verified"], held["leaf_index"]) == (True, 0)
    assert "It holds" in hallmark("log", "receipt", key, "--keys", "receipt-keys").out
    other = hallmark("log", "receipt", key, "--keys", "receipt-keys", "--origin", "another.example/log")
    assert other.code == 1
    (tmp_path / "no-keys").write_bytes(b"x")
    assert hallmark("log", "receipt", key, "--keys", "no-keys").code == 1
    assert hallmark("log", "receipt", "k" * 65).code == 2
