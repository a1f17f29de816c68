from services.ws.latest import MAX_REMOVALS, Latest


def made(*changes: tuple[int, str, str]) -> Latest:
    latest = Latest()
    for seq, kind, key in changes:
        latest.put(seq, kind, key, f"{kind} {key} {seq}".encode())
        latest.advance(seq)
    return latest


def since(latest: Latest, seq: int) -> list[bytes]:
    plan = latest.since(seq)
    assert plan is not None
    return [entry.frame for entry in plan.entries if not entry.is_outdated]


def test_what_changed_after_a_number_is_each_key_once_as_it_is_now_in_the_order_of_change() -> None:
    latest = made(
        (1, "windows", ""), (2, "session_update", "a"), (3, "session_update", "b"), (4, "session_update", "a")
    )

    assert since(latest, 1) == [b"session_update b 3", b"session_update a 4"]
    assert since(latest, 0) == [b"windows  1", b"session_update b 3", b"session_update a 4"]
    assert since(latest, 4) == []
    assert latest.count == 4


def test_clients_that_have_the_same_share_a_plan_until_something_changes() -> None:
    latest = made((1, "windows", ""))
    plan = latest.since(0)
    assert latest.since(0) is plan

    latest.put(2, "windows", "", b"newer")
    latest.advance(2)

    assert latest.since(0) is not plan
    assert plan is not None
    assert [entry.frame for entry in plan.entries] == [b"newer"], "its value is that of now"
    assert plan.top == 1


def test_a_removal_outdates_what_was_said_and_a_return_the_removal() -> None:
    latest = made((1, "session_update", "a"), (2, "xp_gain", "a"), (3, "session_update", "b"))
    plan = latest.since(0)
    assert plan is not None
    latest.put(4, "session_removed", "a", b"gone")
    latest.advance(4)

    assert since(latest, 0) == [b"session_update b 3", b"gone"]
    assert [entry.is_outdated for entry in plan.entries] == [True, True, False]
    latest.put(5, "session_update", "a", b"back")
    latest.advance(5)
    assert since(latest, 0) == [b"session_update b 3", b"back"]


def test_who_is_behind_more_removals_than_are_remembered_needs_a_snapshot() -> None:
    latest = made(*((seq, "session_removed", f"s{seq}") for seq in range(1, MAX_REMOVALS + 3)))

    assert latest.floor == 2
    assert latest.since(1) is None
    assert len(since(latest, 2)) == MAX_REMOVALS


def test_a_state_that_was_taken_anew_has_nothing_from_before() -> None:
    latest = made((1, "windows", ""))
    latest.restart(50)

    assert (latest.top, latest.floor) == (50, 50)
    assert latest.since(49) is None
    assert since(latest, 50) == []
