import sqlite3
import stat
from dataclasses import replace

import pytest

from hallmark_client.device.life.errors import LifeStoreFailed
from hallmark_client.device.life.model import Step, Work
from hallmark_client.device.life.store import FILE, LifeStore
from unit.hallmark_client.device.life.conftest import artifact, command


def test_what_was_written_is_there_after_a_restart(tmp_path) -> None:
    store = LifeStore(tmp_path)
    store.keep_fact("anchor", {"size": 3})
    assert store.ask(command())
    store.note_suspended("a" * 32, on=True)
    made = Work(
        command=command(),
        step=Step.SIGNED,
        epoch_before=4,
        receipt=b"set",
        signature=b"signed",
        evidence={"nv-certify": b"\x00\xff"},
        request_id="r",
        note="n",
    )
    store.put(made)
    store.close()
    again = LifeStore(tmp_path)
    assert again.fact("anchor") == {"size": 3}
    assert again.fact("nothing") is None
    assert again.works() == [made]
    assert again.suspended() == {"a" * 32}
    again.close()


def test_a_command_counts_once_and_dooms_until_it_is_carried_out(tmp_path) -> None:
    store = LifeStore(tmp_path)
    assert store.ask(command(1))
    assert not store.ask(command(1))
    assert store.ask(command(2, subject="tenants/default/artifacts/other"))
    assert store.doomed() == {artifact().subject, "tenants/default/artifacts/other"}
    (first, second) = store.works(Step.ASKED)
    store.put(replace(first, step=Step.ERASING, epoch_before=1))
    assert artifact().subject in store.doomed()
    store.put(replace(first, step=Step.SIGNED))
    assert store.doomed() == {second.command.artifact}
    assert store.owed() == 2
    store.put(replace(first, step=Step.ANSWERED))
    store.put(replace(second, step=Step.REFUSED))
    assert store.owed() == 0
    store.close()


def test_only_the_owner_may_read_it(tmp_path) -> None:
    LifeStore(tmp_path).close()
    assert stat.S_IMODE((tmp_path / "life.db").stat().st_mode) == 0o600


def test_a_file_of_something_else_is_refused_in_words(tmp_path) -> None:
    (tmp_path / "life.db").write_bytes(b"no database at all, and long enough to be looked at" * 100)
    with pytest.raises(LifeStoreFailed, match=r"life\.db can not be used"):
        LifeStore(tmp_path)


def test_a_format_of_another_version_is_refused(tmp_path) -> None:
    store = LifeStore(tmp_path)
    store._database.execute("PRAGMA user_version = 9")
    store.close()
    with pytest.raises(LifeStoreFailed, match="another version"):
        LifeStore(tmp_path)


@pytest.mark.parametrize(
    "edit",
    ["UPDATE work SET own = '{'", "UPDATE fact SET value = '{'"],
)
def test_edited_rows_are_its_own_error(tmp_path, edit) -> None:
    store = LifeStore(tmp_path)
    store.ask(command())
    store.keep_fact("a", 1)
    store.close()
    database = sqlite3.connect(tmp_path / FILE)
    with database:
        database.execute(edit)
    database.close()
    store = LifeStore(tmp_path)
    with pytest.raises(LifeStoreFailed, match="not what is written here"):
        store.works(), store.fact("a")
    store.close()
