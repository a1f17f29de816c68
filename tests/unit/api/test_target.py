import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.api.target import read_pane_id, read_window_id
from services.contract.errors import ErrorCode, QuestmuxError

NO_IDS = ["", "%", "@", "abc", "-1", "+1", "3.5", "1e3", "0x1", " 3", "3 ", "3\n", "/", "%2F", "%%3", "@@3", "3%", "٣"]


@pytest.mark.parametrize(("text", "pane_id"), [("%3", "%3"), ("3", "%3"), ("0", "%0"), ("999999999", "%999999999")])
def test_a_pane_is_named_with_or_without_its_sign(text: str, pane_id: str) -> None:
    assert read_pane_id(text) == pane_id


@pytest.mark.parametrize(("text", "window_id"), [("@1", "@1"), ("1", "@1"), ("0", "@0"), ("@999999999", "@999999999")])
def test_a_window_is_named_with_or_without_its_sign(text: str, window_id: str) -> None:
    assert read_window_id(text) == window_id


@pytest.mark.parametrize("text", [*NO_IDS, "@3", "1234567890"])
def test_what_is_no_pane_is_refused_by_name(text: str) -> None:
    with pytest.raises(QuestmuxError, match=r"^pane_id ") as raised:
        read_pane_id(text)
    assert raised.value.problem.code is ErrorCode.INVALID_FIELD


@pytest.mark.parametrize("text", [*NO_IDS, "%3", "1234567890"])
def test_what_is_no_window_is_refused_by_name(text: str) -> None:
    with pytest.raises(QuestmuxError, match=r"^window_id ") as raised:
        read_window_id(text)
    assert raised.value.problem.code is ErrorCode.INVALID_FIELD


@given(st.text(max_size=12) | st.from_regex(r"[%@]?[0-9]{1,10}", fullmatch=True))
def test_what_passes_is_an_id_of_tmux(text: str) -> None:
    for read, pattern in ((read_pane_id, r"%[0-9]{1,9}"), (read_window_id, r"@[0-9]{1,9}")):
        try:
            assert re.fullmatch(pattern, read(text))
        except QuestmuxError:
            continue
