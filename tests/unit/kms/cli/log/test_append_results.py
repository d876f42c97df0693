import json
from pathlib import Path

import pytest

from hallmark_client.errors import InvalidArgument
from hallmark_client.testing import FakeService
from kms.cli.failure import CommandError
from kms.cli.log.append_results import ResultsFile, result_of
from kms.cli.log.event_lines import Line

RUN = "019f0000-0000-7abc-8def-012345678900"
OTHER_RUN = "019f0000-0000-7abc-8def-0123456789ff"


def write(path: Path, run: str, *results: dict[str, object]) -> ResultsFile:
    with ResultsFile(path, run) as file:
        for result in results:
            file.add(result)
    return file


def test_the_next_run_goes_on_with_what_is_not_done(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    write(path, RUN, {"line": 1, "event_key": "a"}, {"line": 2, "error": {"reason": "FIELD_INVALID"}})
    again = write(path, OTHER_RUN, {"line": 2, "event_key": "b"})
    assert (str(again.run), again.done) == (RUN, {1})
    assert write(path, OTHER_RUN).done == {1, 2}
    assert len(path.read_bytes().splitlines()) == 4


def test_a_line_that_a_crash_cut_off_is_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    write(path, RUN, {"line": 1})
    whole = path.read_bytes()
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        again = write(path, OTHER_RUN, {"line": 1})
        assert str(again.run) == (RUN if cut >= whole.index(b"\n") + 1 else OTHER_RUN)
        assert again.done == ({1} if cut == len(whole) else set())
        for line in path.read_bytes().splitlines():
            json.loads(line)


@pytest.mark.parametrize("content", ["{}\n", "[]\n", '{"run": "x"}\n', f'{{"run": "{RUN}"}}\nnothing\n', "a,b\n"])
def test_a_file_of_something_else_is_left_alone(tmp_path: Path, content: str) -> None:
    path = tmp_path / "results.jsonl"
    path.write_text(content)
    with pytest.raises(CommandError) as refused:
        ResultsFile(path, RUN)
    assert refused.value.reason == "RESULTS_INVALID"
    assert path.read_text() == content


def test_a_result_tells_where_the_entry_is_and_no_salts() -> None:
    line = Line(event_type="com.example.x.y", subject="x", personal={"who": "Ada"}, request_id=RUN, number=7)
    with FakeService().client(role="backend") as client:
        ((_, appended),) = client.log.append_stream([line])
    result = result_of(line, appended)
    assert (result["line"], result["request_id"], result["leaf_index"], result["replayed"]) == (7, RUN, 0, False)
    assert not {"salts", "personal"} & result.keys()
    refused = result_of(line, InvalidArgument("FIELD_INVALID", "no"))
    assert refused["error"] == {"reason": "FIELD_INVALID", "message": "no"}
