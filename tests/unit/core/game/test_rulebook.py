from services.core.game.rulebook import built_in
from services.core.game.rules import DEEDS


def test_the_rules_that_come_with_it_are_whole() -> None:
    book = built_in()

    assert set(book.rules.of_deed) == set(DEEDS)
    assert len(book.achievements.all) >= 10
    assert len(book.challenges.daily) >= 3
    assert len(book.challenges.weekly) >= 2


def test_they_are_read_once() -> None:
    assert built_in() is built_in()
