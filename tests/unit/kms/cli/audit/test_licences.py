"""Licences of what is really installed, and the rules they are held against."""

from email.message import Message
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kms.cli.audit import licence_rules
from kms.cli.audit.distribution import ROOT, installed, normal, pinned_hashes
from kms.cli.audit.licence_rules import LicenceUnreadable, licence_of, refused
from kms.cli.main import run

HERE = Path(__file__).resolve().parents[5]


@pytest.mark.parametrize(
    ("expression", "wrong"),
    [
        ("MIT", ()),
        ("GPL-3.0-only", ("GPL-3.0-only",)),
        ("GPL-3.0-only OR MIT", ()),
        ("GPL-3.0-only AND MIT", ("GPL-3.0-only",)),
        ("MIT OR Apache-2.0 AND GPL-3.0-only", ()),
        ("(MIT OR Apache-2.0) AND GPL-3.0-only", ("GPL-3.0-only",)),
        ("Apache-2.0 WITH LLVM-exception", ()),
        ("AGPL-3.0-only OR SSPL-1.0", ("AGPL-3.0-only", "SSPL-1.0")),
    ],
)
def test_of_two_choices_one_is_enough_and_of_two_demands_both_count(expression: str, wrong: tuple[str, ...]) -> None:
    assert refused(expression) == wrong


@pytest.mark.parametrize("expression", ["", "()", "MIT OR", "(MIT", "MIT)", "MIT MIT", "AND", "Python's own, see file"])
def test_what_is_no_expression_is_said(expression: str) -> None:
    with pytest.raises(LicenceUnreadable):
        refused(expression)


@given(st.text(alphabet="()MITORANDWH -+.", max_size=60))
def test_any_text_gives_an_answer_or_that_error(expression: str) -> None:
    try:
        refused(expression)
    except LicenceUnreadable:
        return


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"License-Expression": "MIT", "License": "GPL"}, "MIT"),
        ({"License": "BSD-2-Clause"}, "BSD-2-Clause"),
        ({"License": "MIT License\n\nCopyright (c) somebody"}, "MIT"),
        ({"License": "see the file", "Classifier": "License :: OSI Approved :: MIT License"}, "MIT"),
        ({}, ""),
    ],
)
def test_older_metadata_are_understood(fields: dict[str, str], expected: str) -> None:
    facts = Message()
    for name, value in fields.items():
        facts[name] = value
    assert licence_of("some-package", facts) == expected


def test_what_is_installed_is_what_the_project_asks_for_and_nothing_of_the_developers() -> None:
    found = installed()
    assert {"cryptography", "grpcio", "sqlalchemy", "cyclonedx-python-lib"} <= set(found[ROOT].needs)
    assert {"cffi", "pycparser"} <= set(found), "what others pulled in"
    assert not {"pytest", "mypy", "ruff", "hypothesis"} & set(found)
    assert all(each.version for each in found.values())


def test_every_package_is_pinned_by_hash() -> None:
    pinned = pinned_hashes(HERE / "constraints.txt")
    assert not [name for name, each in installed().items() if name != ROOT and not pinned.get((name, each.version))]


def test_names_are_compared_as_installers_do() -> None:
    assert normal("Boolean.py") == normal("boolean_py") == "boolean-py"


def test_every_licence_is_allowed(capsys) -> None:
    assert run(["audit", "licences"]) == 0
    assert "cryptography" in capsys.readouterr().out


def test_a_licence_that_is_not_allowed_fails_the_command(capsys, monkeypatch) -> None:
    monkeypatch.delitem(licence_rules.ALLOWED, "PSF-2.0")
    assert run(["audit", "licences"]) == 1
    assert "PSF-2.0" in capsys.readouterr().err
