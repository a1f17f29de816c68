from pathlib import Path

import pytest

from services.process.zone import machine_zone


@pytest.mark.parametrize(
    ("tz", "target", "zone"),
    [
        ("Europe/Berlin", "America/New_York", "Europe/Berlin"),
        (":Asia/Tokyo", None, "Asia/Tokyo"),
        ("/usr/share/zoneinfo/Asia/Tokyo", None, "Asia/Tokyo"),
        ("", "America/New_York", "America/New_York"),
        ("CET-1CEST", "America/New_York", "America/New_York"),
        ("../../etc/passwd", "America/New_York", "America/New_York"),
        ("No/Where", None, "UTC"),
        ("", "Odd/File", "UTC"),
        ("", None, "UTC"),
    ],
    ids=repr,
)
def test_the_variable_counts_then_the_link_then_utc(tmp_path: Path, tz: str, target: str | None, zone: str) -> None:
    localtime = tmp_path / "localtime"
    if target is not None:
        file = tmp_path / "zoneinfo" / target
        file.parent.mkdir(parents=True)
        file.touch()
        localtime.symlink_to(file)

    assert machine_zone({"TZ": tz} if tz else {}, localtime) == zone
