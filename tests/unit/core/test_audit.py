import hashlib
import json

import pytest
from msgspec import structs

from services.contract.actions import AnyAction, ClosePane, Prompt, Refresh, Signal, SignalName
from services.contract.errors import ErrorCode, Problem
from services.contract.requests import ReportAction, RunAction
from services.core.audit import (
    DATA_BYTES,
    DIGEST_CHARS,
    TEXT_CHARS,
    KeptAction,
    Outcome,
    outcome_again,
    outcome_of,
    record_of,
)

PROBLEM = Problem(code=ErrorCode.CONFLICT, message="a dialog is open")


def request(action: AnyAction, who: str = "me") -> RunAction:
    return RunAction(id="a1", who=who, action=action.name, fields=b"", target="%1", deadline_at=9)


def kept(result: str | None, data: bytes | None = None, message: str | None = None) -> KeptAction:
    row = record_of(request(Refresh()), Refresh(), 5)
    return KeptAction(record=structs.replace(row, result=result, message=message), data=data)


def test_a_row_says_who_wanted_what_done_to_what() -> None:
    action = Signal(signal=SignalName.SIGINT)

    row = record_of(request(action), action, 5)

    assert (row.id, row.at, row.who, row.action, row.target) == ("a1", 5, "me", "signal", "%1")
    assert json.loads(row.body) == {"signal": "SIGINT"}
    assert (row.finished_at, row.result, row.message) == (None, None, None)


@pytest.mark.parametrize("length", [1, TEXT_CHARS, TEXT_CHARS + 1, 1_000_000])
def test_long_texts_are_cut_and_their_length_is_noted(length: int) -> None:
    action = Prompt(text="é" * length)

    body = json.loads(record_of(request(action), action, 5).body)

    digest = hashlib.sha256(action.text.encode()).hexdigest()[:DIGEST_CHARS]
    note = "" if length <= TEXT_CHARS else f"… ({length:,} characters, sha256 {digest}…)"
    assert body == {"text": "é" * min(length, TEXT_CHARS) + note, "submit": True, "force": False}


def test_a_long_user_agent_is_cut() -> None:
    assert len(record_of(request(ClosePane(), "x" * 10_000), ClosePane(), 5).who) == TEXT_CHARS


def test_what_a_poller_tells_is_an_outcome() -> None:
    assert outcome_of(ReportAction(id="a", data=b"{}")) == Outcome(data=b"{}")
    assert outcome_of(ReportAction(id="a", problem=PROBLEM)) == Outcome(problem=PROBLEM)
    assert outcome_of(ReportAction(id="a", data=b"{}", problem=PROBLEM)) == Outcome(problem=PROBLEM)


def test_a_poller_that_tells_nothing_has_failed() -> None:
    problem = outcome_of(ReportAction(id="a")).problem

    assert problem is not None
    assert problem.code is ErrorCode.INTERNAL


def test_an_outcome_in_the_audits_words() -> None:
    done, failed = Outcome(data=b"{}"), Outcome(problem=PROBLEM)

    assert (done.result, done.message, done.kept_data) == ("ok", None, b"{}")
    assert (failed.result, failed.message, failed.kept_data) == ("conflict", "a dialog is open", None)
    assert Outcome(data=b"x" * (DATA_BYTES + 1)).kept_data is None


def test_a_finished_action_gives_its_answer_again() -> None:
    assert outcome_again(kept("ok", b"{}")) == Outcome(data=b"{}")
    assert outcome_again(kept("conflict", message="a dialog is open")) == Outcome(problem=PROBLEM)


def test_without_a_result_or_its_answer_there_is_none_to_give() -> None:
    assert outcome_again(kept(None)) is None
    assert outcome_again(kept("ok")) is None
