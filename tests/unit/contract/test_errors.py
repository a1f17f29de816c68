from services.contract.errors import CODE_FOR_STATUS, HTTP_STATUS, ErrorCode, QuestmuxError


def test_every_code_has_one_status_and_no_status_two_codes() -> None:
    assert set(HTTP_STATUS) == set(ErrorCode)
    assert len(CODE_FOR_STATUS) == len(HTTP_STATUS)
    assert all(HTTP_STATUS[code] == status for status, code in CODE_FOR_STATUS.items())


def test_every_status_says_that_something_failed() -> None:
    assert all(400 <= status <= 599 for status in CODE_FOR_STATUS)


def test_an_error_carries_its_code_and_its_sentence() -> None:
    error = QuestmuxError(ErrorCode.CONFLICT, "a dialog is open")

    assert str(error) == error.problem.message == "a dialog is open"
    assert error.problem.code is ErrorCode.CONFLICT
