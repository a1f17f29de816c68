from services.cli.doctor.finding import advice, fault, well
from services.cli.doctor.table import rows

FINDINGS = [
    well("python", "Python 3.11"),
    advice("hooks", "word " * 30, "questmux setup"),
    fault("token", "gone", "a command " * 20),
]


def test_a_person_reads_it_in_80_columns_and_copies_the_command_whole() -> None:
    shown = rows(["it was " * 20], FINDINGS, has_colour=False)

    assert max(len(row) for row in shown if "-> " not in row) <= 80
    assert shown[0].startswith("mended: it was")
    assert "pass   python Python 3.11" in shown
    assert f"{'':14}-> questmux setup" in shown
    assert f"{'':14}-> {'a command ' * 20}".rstrip() in [row.rstrip() for row in shown]


def test_colour_is_of_the_grade_alone() -> None:
    shown = rows([], FINDINGS, has_colour=True)

    assert shown[0] == "\x1b[32mpass  \x1b[0m python Python 3.11"
    assert [row for row in shown if "\x1b[33m" in row or "\x1b[31m" in row]


def test_what_a_file_name_holds_does_not_steer_the_terminal() -> None:
    assert "\x1b" not in "".join(rows(["\x1b[2J"], [fault("x", "\x1b]0;a\x07", "\x1b[2J")], has_colour=False))
