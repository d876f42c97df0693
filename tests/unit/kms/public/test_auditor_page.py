"""The page's own files: all of them named by one another, none from anywhere else."""

import re

from kms.public.auditor_page import PAGE_HEADERS, load_page

PAGE = load_page()


def test_everything_the_page_names_is_there() -> None:
    html = PAGE[""].content.decode()
    named = re.findall(r'(?:src|href)="([^"#]+)"', html)
    assert named
    assert not [path for path in named if path not in PAGE]
    assert PAGE["index.html"] == PAGE[""]


def test_every_module_imports_modules_of_the_page() -> None:
    for path, file in PAGE.items():
        if path.endswith(".js"):
            folder = path.rpartition("/")[0]
            for name in re.findall(
                r'^(?:import|export) .*?from "\./([^"]+)";$', file.content.decode(), re.MULTILINE | re.DOTALL
            ):
                assert f"{folder}/{name}" in PAGE, f"{path} imports {name}"


def test_no_file_names_an_address_elsewhere() -> None:
    for path, file in PAGE.items():
        addresses = re.findall(rb"https?://[^\s\"'<>]+", file.content)
        assert set(addresses) <= {b"http://www.w3.org/2000/svg"}, path


def test_behind_a_static_server_the_policy_is_in_the_page() -> None:
    header = {rule.strip() for rule in PAGE_HEADERS["content-security-policy"].split(";")}
    (tag,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', PAGE[""].content.decode())
    in_page = {rule.strip() for rule in tag.split(";")}
    # A tag cannot say who may frame the page (CSP Level 3, section 3.3).
    assert header - in_page == {"frame-ancestors 'none'"}
    assert in_page <= header
