import plistlib
from pathlib import Path

import pytest

from services.cli.service.unit import Service, UnitError, environment_of, is_ours, launchd_plist, systemd_unit

WORDS = ("/opt/my %n/$HOME/python", "-m", '$x "%y" \\', "up")
SERVICE = Service(words=WORDS, environment={"PATH": "/a b:/c%d", "QUESTMUX_X": '$x "y"'}, log=Path("/data/log/q.log"))


def test_a_unit_has_every_word_as_it_is() -> None:
    unit = systemd_unit(SERVICE)

    assert 'ExecStart="/opt/my %%n/$HOME/python" "-m" "$$x \\"%%y\\" \\\\" "up"\n' in unit
    assert 'Environment="PATH=/a b:/c%%d"\n' in unit
    assert 'Environment="QUESTMUX_X=$x \\"y\\""\n' in unit


def test_a_stop_leaves_the_persons_tmux_alone() -> None:
    assert "\nKillMode=process\n" in systemd_unit(SERVICE)
    assert plistlib.loads(launchd_plist(SERVICE).encode())["AbandonProcessGroup"] is True


def test_an_agent_of_launchd_has_the_same() -> None:
    agent = plistlib.loads(launchd_plist(SERVICE).encode())

    assert agent["ProgramArguments"] == list(WORDS)
    assert agent["EnvironmentVariables"] == dict(SERVICE.environment)
    assert agent["StandardOutPath"] == "/data/log/q.log"
    assert agent["KeepAlive"] == {"SuccessfulExit": False}


def test_both_are_known_again() -> None:
    assert is_ours(systemd_unit(SERVICE))
    assert is_ours(launchd_plist(SERVICE))
    assert not is_ours("[Unit]\nDescription=theirs\n")


def test_it_finds_what_this_shell_finds_and_no_more() -> None:
    environ = {
        "PATH": "/bin",
        "QUESTMUX_API_PORT": "5011",
        "TMUX_TMPDIR": "/t",
        "AWS_SECRET": "s",
        "QUESTMUX_TOKEN": "s",
        "LANG": "",
        "TMUX": "x",
    }

    assert environment_of(environ) == {"PATH": "/bin", "QUESTMUX_API_PORT": "5011", "TMUX_TMPDIR": "/t"}


@pytest.mark.parametrize("make", [systemd_unit, launchd_plist])
def test_a_line_end_cannot_smuggle_a_setting_in(make: "type") -> None:
    forged = Service(words=("a",), environment={"X": "1\nExecStartPre=/bin/evil"}, log=Path("/l"))

    with pytest.raises(UnitError, match="control character"):
        make(forged)


def test_a_program_that_systemd_would_not_run_is_refused() -> None:
    with pytest.raises(UnitError, match="a quote or backslash in its path"):
        systemd_unit(Service(words=('/it"s/python',), environment={}, log=Path("/l")))
