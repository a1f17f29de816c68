from services.poller.attachment import choose_session, default_session, read_sessions, safe_sessions


def test_prefers_the_session_where_a_person_was_active_last() -> None:
    sessions = read_sessions("$0 0 900 0 0\n$1 1 100 0 0\n$2 2 300 0 0\n")

    assert choose_session(sessions) == "$2"


def test_takes_the_one_left_longest_when_nobody_is_attached() -> None:
    assert choose_session(read_sessions("$0 0 900 off off\n$1 0 100 off off\n")) == "$1"


def test_never_one_that_ends_when_its_last_client_leaves() -> None:
    sessions = read_sessions("$0 1 900 1 0\n$1 0 100 keep-last 0\n$2 0 500 0 0\n")

    assert choose_session(sessions) == "$2"
    assert safe_sessions(sessions) == {"$2"}


def test_none_when_the_server_ends_with_its_last_client() -> None:
    assert choose_session(read_sessions("$0 1 900 0 1\n$1 0 100 0 on\n")) is None


def test_none_without_sessions_or_with_other_lines() -> None:
    assert choose_session(read_sessions("")) is None
    assert read_sessions("no server\n$0 x 1 0 0\n$0 1 2 3\n") == ()


def test_the_session_used_last_is_the_persons_and_not_the_one_that_we_are_attached_to() -> None:
    ours = "$0 1 950 0 0\n$1 0 900 0 0\n$2 0 100 0 0\n$0 1\n"

    assert default_session(read_sessions(ours)) == "$1"
    assert choose_session(read_sessions(ours)) == "$2"
    assert default_session(read_sessions("$0 2 950 0 0\n$1 1 999 0 0\n$0 1\n$0 0\n$1 1\n")) == "$0"
    assert default_session(read_sessions("$0 1 950 0 0\n$0 1\n")) == "$0"
    assert default_session(()) is None
