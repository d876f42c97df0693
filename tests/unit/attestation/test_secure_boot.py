"""Secure Boot from an event log: only what was measured counts, and only before the separator."""

import hashlib
from dataclasses import replace

import pytest

from attestation import EvidenceError
from attestation.event_log import EV_NO_ACTION, Event, EventLog, HashId
from attestation.secure_boot import read_secure_boot, unknown_events
from attestation.testing.virtual_tpm import DB_CERTIFICATE, DBX_IMAGE, secure_boot_events

EVENTS = secure_boot_events()
SWITCH, DB, DBX = (event for event in EVENTS if event.event_type == 0x80000001)
SEPARATOR = EVENTS[-1]


def read(*events: Event):
    return read_secure_boot(EventLog({HashId.SHA1: 20, HashId.SHA256: 32}, events), HashId.SHA256)


def measured(event: Event, data: bytes) -> Event:
    digests = tuple((int(item), hashlib.new(item.hash_name, data).digest()) for item in (HashId.SHA1, HashId.SHA256))
    return replace(event, data=data, digests=digests)


def test_state_and_databases():
    state = read(*EVENTS)
    assert state.enabled is True
    assert state.db == {hashlib.sha256(DB_CERTIFICATE).digest()}
    assert state.dbx == {DBX_IMAGE}
    assert read(*secure_boot_events(enabled=False)).enabled is False


def test_data_that_were_not_measured_say_nothing():
    """The switch edited to on, its digest left as it was."""
    off = next(event for event in secure_boot_events(enabled=False) if b"S\0e\0c" in event.data)
    edited = replace(off, data=off.data[:-1] + b"\1")
    assert read(edited, DB, DBX, SEPARATOR).enabled is None


def test_variables_behind_the_separator_say_nothing():
    assert read(SEPARATOR, SWITCH, DB, DBX).enabled is None


def test_a_separator_hidden_under_another_type_still_separates():
    hidden = replace(SEPARATOR, event_type=0x80000001)
    assert read(hidden, SWITCH, SEPARATOR).enabled is None


def test_events_that_extend_nothing_do_not_separate():
    """Anybody can add them to a log; one with the digest of a separator would hide the databases behind it."""
    added = replace(SEPARATOR, event_type=EV_NO_ACTION)
    assert read(SWITCH, added, DB, DBX, SEPARATOR).db == {hashlib.sha256(DB_CERTIFICATE).digest()}


def test_a_database_under_another_type_is_not_an_empty_one():
    """Types are not measured: db must not look empty where its event was renamed."""
    state = read(SWITCH, replace(DB, event_type=0x800000E0), DBX, SEPARATOR)
    assert (state.enabled, state.db) == (True, None)


def test_a_log_without_separator_says_nothing():
    assert read(SWITCH, DB, DBX).enabled is None


def test_events_of_other_registers_say_nothing():
    assert read(replace(SWITCH, index=5), SEPARATOR).enabled is None


def test_variables_of_other_owners_say_nothing():
    foreign = measured(SWITCH, bytes(16) + SWITCH.data[16:])
    assert read(foreign, SEPARATOR).enabled is None


def test_a_variable_measured_twice_is_refused():
    with pytest.raises(EvidenceError, match="twice"):
        read(SWITCH, SWITCH, SEPARATOR)


@pytest.mark.parametrize("end", [10, 31, 40, -1])
def test_a_variable_cut_short_is_refused(end):
    with pytest.raises(EvidenceError):
        read(measured(DB, DB.data[:end]), SEPARATOR)


@pytest.mark.parametrize("octet", [16, 20, 24])
def test_a_signature_list_of_wrong_sizes_is_refused(octet):
    at = 32 + 2 * 2 + octet  # behind the header and the name "db"
    data = bytearray(DB.data)
    data[at] ^= 0x41
    with pytest.raises(EvidenceError):
        read(measured(DB, bytes(data)), SEPARATOR)


def test_unknown_events():
    strange = replace(SWITCH, event_type=0x7777)
    log = EventLog({HashId.SHA256: 32}, (*EVENTS, strange, strange))
    assert unknown_events(log) == (0x7777,)
