import pytest

from kms.core.errors import InvalidArgument, Reason
from kms.core.names import ChildName, KeyName, KeyVersionName, TenantName, check_id, parse_key_or_version

UUID = "01890a5d-ac96-774b-bcce-b302099a8057"


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (TenantName.parse, "tenants/default"),
        (KeyName.parse, "tenants/default/keys/model-manifest"),
        (KeyVersionName.parse, "tenants/default/keys/a/versions/12"),
        (lambda text: ChildName.parse(text, "devices"), f"tenants/default/devices/{UUID}"),
    ],
)
def test_names_come_back_as_they_were(parse, text: str) -> None:
    assert str(parse(text)) == text


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "keys/a",
        "tenants/Default/keys/a",
        "tenants/default/keys/",
        "tenants/default/keys/-a",
        "tenants/default/keys/a-",
        "tenants/default/keys/a/versions/0",
        "tenants/default/keys/a/versions/01",
        "tenants/default/keys/a/versions/1234567890",
        "tenants/default/keys/a\n",
        "tenants/default/keys/../keys/a",
        "tenants/default/keys/" + "a" * 64,
        "tenants/" + "a" * 600,
        "tenants/default/keys/ä",
    ],
)
def test_anything_else_is_refused_with_the_shape_it_should_have(bad: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        parse_key_or_version(bad)
    assert refused.value.reason is Reason.NAME_INVALID
    assert "tenants/{tenant}/keys/{key}" in refused.value.message
    assert refused.value.field == "name"


def test_a_version_knows_its_key() -> None:
    assert KeyVersionName("default", "a", 3).key_name == KeyName("default", "a")


@pytest.mark.parametrize("bad", ["", "A", "1a", "a_b", "a" * 64, "a-"])
def test_ids_are_checked(bad: str) -> None:
    with pytest.raises(InvalidArgument):
        check_id(bad, "key_id")
