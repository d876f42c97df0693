import pytest

from hallmark_events.errors import SubjectInvalid
from hallmark_events.subject_ids import ComplexSubject, complex_subject, opaque, parse_subject_id

GOOD = [
    {"format": "account", "uri": "acct:example.user@service.example.com"},
    {"format": "did", "url": "did:example:123456/did/url/path?versionId=1"},
    {"format": "email", "email": "user@example.com"},
    {"format": "iss_sub", "iss": "https://issuer.example.com/", "sub": "145234573"},
    {"format": "jwt_id", "iss": "https://idp.example.com/123456789/", "jti": "B70BA622-9515-4353-A866-823539EECBC8"},
    {"format": "opaque", "id": "11112222333344445555"},
    {"format": "phone_number", "phone_number": "+12065550100"},
    {"format": "saml_assertion_id", "assertion_id": "_8e8dc5f69a98cc4c1ff3427e5ce34606fd672f91e6", "issuer": "x"},
    {"format": "uri", "uri": "https://user.example.com/"},
    {"format": "aliases", "identifiers": [{"format": "opaque", "id": "1"}, {"format": "email", "email": "a@b"}]},
    {"format": "complex", "device": {"format": "opaque", "id": "d"}, "user": {"format": "opaque", "id": "u"}},
]


@pytest.mark.parametrize("value", GOOD, ids=lambda value: value["format"])
def test_each_format_is_read_and_written_again(value) -> None:
    assert parse_subject_id(value).to_json() == value


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        {"format": "other", "id": "1"},
        {"format": ["opaque"], "id": "1"},
        {"format": "opaque"},
        {"format": "opaque", "id": ""},
        {"format": "opaque", "id": 1},
        {"format": "opaque", "id": "1", "more": "2"},
        {"format": "opaque", "id": "1" * 2_049},
        {"format": "email", "email": "user"},
        {"format": "phone_number", "phone_number": "12065550100"},
        {"format": "phone_number", "phone_number": "+٣٣"},
        {"format": "uri", "uri": "no uri"},
        {"format": "aliases", "identifiers": []},
        {"format": "aliases", "identifiers": [{"format": "opaque", "id": "1"}] * 17},
        {"format": "aliases", "identifiers": [{"format": "aliases", "identifiers": []}]},
        {"format": "complex"},
        {"format": "complex", "pet": {"format": "opaque", "id": "1"}},
        {"format": "complex", "user": {"format": "complex", "user": {"format": "opaque", "id": "1"}}},
    ],
)
def test_what_is_no_subject_is_refused(value) -> None:
    with pytest.raises(SubjectInvalid):
        parse_subject_id(value)


def test_parts_of_a_complex_subject() -> None:
    found = complex_subject(user=opaque("u"), device=opaque("d"), tenant=None)
    assert isinstance(found, ComplexSubject)
    assert found.part("user") == opaque("u")
    assert found.part("tenant") is None
    assert opaque("u")["id"] == "u"
    with pytest.raises(SubjectInvalid):
        complex_subject()
