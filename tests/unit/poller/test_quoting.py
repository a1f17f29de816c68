import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.poller.quoting import argument, literal, new_name

any_text = st.text() | st.text(alphabet="#;\\[{(S%-")


@pytest.mark.parametrize(
    ("text", "word"),
    [("", ""), ("a", "a"), ("a;", "a\\;"), (";", "\\;"), ("a\\;", "a\\\\;"), (";a", ";a"), ("$#", "$#")],
)
def test_a_last_semicolon_is_quoted_and_nothing_else(text: str, word: str) -> None:
    assert argument(text) == word


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("#S", "##S"),
        ("#{pid}", "##{pid}"),
        ("#(id)", "##(id)"),
        ("##", "####"),
        ("a#", "a##"),
        ("#;", "##\\;"),
        ("#[fg=red]", "#[fg=red]"),
        ("##[#[#S]#", "##[#[##S]##"),
        ("%H -x $HOME", "%H -x $HOME"),
    ],
)
def test_hashes_are_doubled_but_before_a_bracket(text: str, word: str) -> None:
    assert literal(text) == word


def test_a_new_windows_name_has_its_backslashes_doubled() -> None:
    assert new_name("a\\n#\\;") == "a\\\\n##\\\\\\;"


@given(text=any_text)
def test_no_word_ends_a_command(text: str) -> None:
    for word in (argument(text), literal(text), new_name(text)):
        assert not word.endswith(";") or word.endswith("\\;")


@given(one=any_text, other=any_text)
def test_different_texts_stay_different(one: str, other: str) -> None:
    assert (literal(one) == literal(other)) == (one == other)
    assert (argument(one) == argument(other)) == (one == other)
