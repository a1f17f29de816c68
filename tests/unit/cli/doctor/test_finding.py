from services.cli.doctor.finding import advice, exit_code, fault, well


def test_the_worst_of_all_decides() -> None:
    assert exit_code([well("a", "")]) == 0
    assert exit_code([well("a", ""), advice("b", "")]) == 1
    assert exit_code([fault("c", ""), well("a", ""), advice("b", "")]) == 2
