import subprocess
from pathlib import Path

import pytest

from services.cli.doctor import hooks
from services.cli.doctor.finding import Grade
from services.cli.setup.hook_entries import HOOK_EVENTS, HttpHooks, entries

SCRIPT = "/data/questmux-hook"
HTTP = HttpHooks(url="http://127.0.0.1:4011/event", token="secret")  # noqa: S106 - none
OURS = {event: [entry] for event, entry in entries(HOOK_EVENTS, SCRIPT, None).items()}


def test_all_entries_are_well_and_each_lack_is_named() -> None:
    assert hooks.entries(OURS, SCRIPT, HTTP).grade is Grade.PASS
    assert hooks.entries({}, SCRIPT, HTTP).grade is Grade.ADVICE
    assert hooks.entries(OURS, "/elsewhere/questmux-hook", HTTP).grade is Grade.FAIL
    fewer = {event: entry for event, entry in OURS.items() if event != "Stop"}
    assert "1 events tell nothing: Stop" in hooks.entries(fewer, SCRIPT, HTTP).says
    assert hooks.entries({**OURS, "Stop": OURS["Stop"] * 2}, SCRIPT, HTTP).grade is Grade.FAIL


@pytest.mark.parametrize("name", [hooks.DISABLE, hooks.MANAGED_ONLY])
def test_an_organisation_can_switch_hooks_off(tmp_path: Path, name: str) -> None:
    managed = tmp_path / "managed-settings.json"
    managed.write_text(f'{{"{name}": true}}')

    [finding] = hooks.silenced(tmp_path / "none.json", managed)

    assert finding.grade is Grade.FAIL
    assert str(managed) in finding.says


def test_settings_that_say_nothing_of_it_switch_nothing_off(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text('{"disableAllHooks": false}')

    assert [finding.grade for finding in hooks.silenced(tmp_path / "settings.json", None)] == [Grade.PASS]


def test_what_only_an_organisation_may_say_is_nothing_in_the_persons_own_file(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text('{"allowManagedHooksOnly": true}')

    assert [finding.grade for finding in hooks.silenced(tmp_path / "settings.json", None)] == [Grade.PASS]


def test_hooks_over_http_are_current_with_this_address_and_token_only() -> None:
    over_http = {event: [entry] for event, entry in entries(HOOK_EVENTS, SCRIPT, HTTP).items()}

    assert hooks.entries(over_http, SCRIPT, HTTP).grade is Grade.PASS
    assert hooks.entries(over_http, SCRIPT, HttpHooks(url=HTTP.url, token="new")).grade is Grade.FAIL  # noqa: S106
    assert hooks.entries(over_http, SCRIPT, HttpHooks(url="http://127.0.0.1:1/event", token=HTTP.token)).mend.endswith(
        "--transport http"
    )


def test_settings_with_the_token_are_for_this_user_alone(tmp_path: Path) -> None:
    path = tmp_path / "my settings.json"
    path.touch(0o600)
    assert hooks.secret_file(path).grade is Grade.PASS

    path.chmod(0o640)
    found = hooks.secret_file(path)
    assert found.grade is Grade.FAIL
    subprocess.run(found.mend, shell=True, check=True)
    assert hooks.secret_file(path).grade is Grade.PASS
