from services.ws.allowance import BURST_MESSAGES, MAX_REFUSED, MESSAGES_PER_S, Allowance, Verdict


def test_takes_a_burst_and_refuses_the_next() -> None:
    allowance = Allowance(0)
    assert [allowance.judge(0) for _ in range(BURST_MESSAGES)] == [Verdict.TAKE] * BURST_MESSAGES
    assert allowance.judge(0) is Verdict.REFUSE


def test_time_brings_messages_back() -> None:
    allowance = Allowance(0)
    for _ in range(BURST_MESSAGES + 1):
        allowance.judge(0)
    taken = [allowance.judge(1) for _ in range(100)].count(Verdict.TAKE)
    assert taken == MESSAGES_PER_S


def test_takes_the_sustained_rate_for_ever() -> None:
    allowance = Allowance(0)
    assert all(allowance.judge(n / MESSAGES_PER_S) is Verdict.TAKE for n in range(10_000))


def test_closes_a_client_that_goes_on() -> None:
    allowance = Allowance(0)
    verdicts = [allowance.judge(0) for _ in range(BURST_MESSAGES + MAX_REFUSED)]
    assert verdicts.count(Verdict.REFUSE) == MAX_REFUSED - 1
    assert verdicts[-1] is Verdict.CLOSE


def test_a_pause_forgives() -> None:
    allowance = Allowance(0)
    for pause in range(10):
        verdicts = [allowance.judge(pause * 10) for _ in range(BURST_MESSAGES + MAX_REFUSED - 1)]
        assert Verdict.CLOSE not in verdicts
