from services.ws.pulse import Beat, Pulse


def test_pings_after_the_heartbeat_and_again() -> None:
    pulse = Pulse(0, 30, 0)
    assert pulse.check(29.9, 0, 0) is Beat.NOTHING
    assert pulse.check(30, 0, 0) is Beat.PING
    assert pulse.check(31, 30.1, 0) is Beat.NOTHING
    assert pulse.check(60, 30.1, 0) is Beat.PING


def test_chance_makes_the_pause_shorter() -> None:
    pulse = Pulse(0, 30, 1)
    assert pulse.check(27, 0, 1) is Beat.PING
    assert pulse.check(53.9, 28, 0) is Beat.NOTHING
    assert pulse.check(54, 28, 0) is Beat.PING


def test_closes_a_client_that_says_nothing_for_20_s_after_a_ping() -> None:
    pulse = Pulse(0, 30, 0)
    pulse.check(30, 29, 0)
    assert pulse.check(49.9, 29, 0) is Beat.NOTHING
    assert pulse.check(50, 29, 0) is Beat.CLOSE
    assert pulse.check(51, 29, 0) is Beat.CLOSE


def test_anything_heard_after_the_ping_counts() -> None:
    pulse = Pulse(0, 30, 0)
    pulse.check(30, 29, 0)
    assert pulse.check(50, 30, 0) is Beat.NOTHING


def test_answers_to_a_heartbeat_shorter_than_the_time_for_an_answer_are_waited_for() -> None:
    pulse = Pulse(0, 1, 0)
    assert pulse.check(1, 0, 0) is Beat.PING
    assert pulse.check(2, 0, 0) is Beat.NOTHING
    assert pulse.check(20.9, 0, 0) is Beat.NOTHING
    assert pulse.check(21, 0, 0) is Beat.CLOSE
