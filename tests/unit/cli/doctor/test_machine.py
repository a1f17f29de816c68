import pytest

from services.cli.doctor.finding import Finding, Grade
from services.cli.doctor.machine import TESTED_CLAUDE, claude_version, clock, curl, proxy, python, tmux_version

CASES = [
    (python((3, 10, 2)), Grade.FAIL),
    (python((3, 14, 0)), Grade.PASS),
    (tmux_version("tmux 3.1c"), Grade.FAIL),
    (tmux_version("tmux 3.2"), Grade.PASS),
    (tmux_version("tmux 10.0"), Grade.PASS),
    (tmux_version("tmux next-3.6"), Grade.PASS),
    (tmux_version("tmux master"), Grade.ADVICE),
    (curl(None), Grade.ADVICE),
    (curl("/usr/bin/curl"), Grade.PASS),
    (clock(0), Grade.FAIL),
    (clock(1_800_000_000), Grade.PASS),
    (proxy({}), Grade.PASS),
    (proxy({"http_proxy": "http://proxy:3128"}), Grade.ADVICE),
    (proxy({"HTTP_PROXY": "http://proxy:3128", "NO_PROXY": "example.com"}), Grade.ADVICE),
    (proxy({"HTTP_PROXY": "http://proxy:3128", "NO_PROXY": "example.com, 127.0.0.1"}), Grade.PASS),
    (proxy({"all_proxy": "socks5://proxy", "no_proxy": "*"}), Grade.PASS),
    (claude_version("2.1.330 (Claude Code)"), Grade.PASS),
    (claude_version(f"{TESTED_CLAUDE[0]}.{TESTED_CLAUDE[1]}.{TESTED_CLAUDE[2] + 1}"), Grade.ADVICE),
    (claude_version("Welcome"), Grade.ADVICE),
]


@pytest.mark.parametrize(
    ("finding", "grade"), CASES, ids=[f"{number} {case[0].says}" for number, case in enumerate(CASES)]
)
def test_what_the_machine_has_is_judged(finding: Finding, grade: Grade) -> None:
    assert finding.grade is grade
