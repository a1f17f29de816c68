"""Units as systemd itself reads them, and files that are not ours."""

import shutil
import subprocess
from pathlib import Path

import pytest

from services.cli.service.manager import ServiceError, manager_of
from services.cli.service.unit import Service, systemd_unit


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    program = tmp_path / "my %n $HOME program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    unit = tmp_path / "questmux.service"
    unit.write_text(systemd_unit(Service(words=(str(program), "up"), environment={"A": "%b $c"}, log=tmp_path)))

    checked = subprocess.run(
        ["systemd-analyze", "verify", "--user", "--man=no", str(unit)],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", "XDG_RUNTIME_DIR": str(tmp_path), "HOME": str(tmp_path)},
        check=False,
    )

    assert "questmux.service" not in checked.stderr, checked.stderr


def test_a_file_of_that_name_that_is_not_ours_is_left(tmp_path: Path) -> None:
    manager = manager_of("Linux", {}, tmp_path)
    manager.file.parent.mkdir(parents=True)
    manager.file.write_text("[Service]\nExecStart=/bin/theirs\n")

    with pytest.raises(ServiceError, match="was not written by Questmux"):
        manager.installed()


def test_a_link_is_not_ours(tmp_path: Path) -> None:
    manager = manager_of("Linux", {"XDG_CONFIG_HOME": str(tmp_path / "config")}, tmp_path)
    manager.file.parent.mkdir(parents=True)
    real = tmp_path / "real"
    real.write_text(systemd_unit(Service(words=("a",), environment={}, log=tmp_path)))
    manager.file.symlink_to(real)

    with pytest.raises(ServiceError, match="was not written by Questmux"):
        manager.installed()


def test_launchds_place_and_an_unknown_platform(tmp_path: Path) -> None:
    assert manager_of("Darwin", {}, tmp_path).file == tmp_path / "Library" / "LaunchAgents" / "questmux.plist"
    with pytest.raises(ServiceError, match="Plan9 has neither systemd nor launchd"):
        manager_of("Plan9", {}, tmp_path)
