from pathlib import Path

import pytest

from services.contract.settings import MAX_IPC_PATH_BYTES, Folders, SettingError, Settings, read_settings

FOLDERS = Folders(data=Path("/d"), runtime=Path("/r"), config=Path("/c"), home=Path("/h"))
DEFAULTS: dict[str, object] = {
    "data_dir": Path("/d"),
    "runtime_dir": Path("/r"),
    "api_host": "127.0.0.1",
    "api_port": 4011,
    "api_workers": 2,
    "ws_host": "127.0.0.1",
    "ws_port": 4012,
    "ws_processes": 1,
    "tmux_socket": "",
    "tmux_control": "auto",
    "claude_command": "claude",
    "claude_dir": Path("/h/.claude"),
    "rules_dir": Path("/c/rules"),
    "poll_ms": 250,
    "heartbeat_s": 30.0,
    "retention_days": 30,
    "time_zone": "",
    "log_level": "info",
    "log_format": "auto",
    "ws_pause_bytes": 65536,
    "ws_resume_bytes": 16384,
    "allowed_hosts": (),
    "allowed_origins": (),
}
GIVEN: dict[str, tuple[str, object, object]] = {
    # setting: as the environment has it, as TOML has it, what it means
    "data_dir": ("/x/data", "/x/data", Path("/x/data")),
    "runtime_dir": ("/x/run", "/x/run", Path("/x/run")),
    "api_host": ("::1", "::1", "::1"),
    "api_port": ("5011", 5011, 5011),
    "api_workers": ("3", 3, 3),
    "ws_host": ("localhost", "localhost", "localhost"),
    "ws_port": ("5012", 5012, 5012),
    "ws_processes": ("3", 3, 3),
    "tmux_socket": ("work", "work", "work"),
    "tmux_control": ("OFF", "off", "off"),
    "claude_command": ("claude --verbose", "claude --verbose", "claude --verbose"),
    "claude_dir": ("/x/claude", "/x/claude", Path("/x/claude")),
    "rules_dir": ("/x/rules", "/x/rules", Path("/x/rules")),
    "poll_ms": ("50", 50, 50),
    "heartbeat_s": ("2.5", 2.5, 2.5),
    "retention_days": ("7", 7, 7),
    "time_zone": ("Europe/Berlin", "Europe/Berlin", "Europe/Berlin"),
    "log_level": ("DEBUG", "debug", "debug"),
    "log_format": ("TEXT", "text", "text"),
    "ws_pause_bytes": ("70000", 70000, 70000),
    "ws_resume_bytes": ("100", 100, 100),
    "allowed_hosts": ("a.example, b.example", ["a.example", "b.example"], ("a.example", "b.example")),
    "allowed_origins": ("https://a.example,", ["https://a.example"], ("https://a.example",)),
}
WRONG: dict[str, tuple[object, ...]] = {
    "data_dir": ("relative", "~nobody-of-this-name/x", "/a\0b", "/a\udc80", 1, ["/x"]),
    "runtime_dir": ("relative", 1),
    "api_host": ("example.org", "127.0.0.1:80", "256.1.1.1", 1, ["127.0.0.1"]),
    "api_port": ("0", "65536", "http", "80.0", 0, 8.5, True, "-1"),
    "api_workers": ("0", "65", "two"),
    "ws_host": ("*", "0"),
    "ws_port": ("0", "65536", []),
    "ws_processes": ("0", "65", "two"),
    "tmux_socket": (1, ["work"], "a\nb"),
    "tmux_control": ("on", 1, ["auto"]),
    "claude_command": (1, ["claude"], "claude\nrm"),
    "claude_dir": ("relative", False),
    "rules_dir": ("relative", False),
    "poll_ms": ("49", "60001", "1s"),
    "heartbeat_s": ("0.9", "3601", "nan", "inf", "soon", True),
    "retention_days": ("0", "36501", "1.5"),
    "time_zone": ("Mars/Crater", "../etc/passwd", "/etc/localtime", 5, ["UTC"]),
    "log_level": ("loud", 3, ["info"]),
    "log_format": ("xml", 3, ["json"]),
    "ws_pause_bytes": ("0", str(2**30 + 1), "64K"),
    "ws_resume_bytes": ("0", "-1"),
    "allowed_hosts": (1, [1], {"a": 1}),
    "allowed_origins": (False, [["x"]]),
}
WRONG_CASES = [(name, value) for name, values in WRONG.items() for value in values]


def read(environ: dict[str, str] | None = None, config: dict[str, object] | None = None) -> Settings:
    return read_settings(environ or {}, config or {}, FOLDERS)


def value_of(settings: Settings, name: str) -> object:
    value: object = getattr(settings, name)
    return value


def variable(name: str) -> str:
    return "QUESTMUX_" + name.upper()


def test_every_setting_is_tried_here() -> None:
    assert set(DEFAULTS) == set(GIVEN) == set(WRONG) == set(Settings.__struct_fields__)


@pytest.mark.parametrize("name", GIVEN)
def test_a_setting_that_nobody_gave_has_its_default(name: str) -> None:
    assert value_of(read(), name) == DEFAULTS[name]


@pytest.mark.parametrize("name", GIVEN)
def test_a_setting_is_read_from_the_environment(name: str) -> None:
    text, _, meant = GIVEN[name]

    assert value_of(read({variable(name): text}), name) == meant


@pytest.mark.parametrize("name", GIVEN)
def test_a_setting_is_read_from_the_file(name: str) -> None:
    _, toml, meant = GIVEN[name]

    assert value_of(read(config={name: toml}), name) == meant


@pytest.mark.parametrize("name", GIVEN)
def test_the_environment_wins_over_the_file(name: str) -> None:
    text, _, meant = GIVEN[name]
    config: dict[str, object] = {name: "a value that cannot be used"}

    assert value_of(read({variable(name): text}, config), name) == meant


@pytest.mark.parametrize("name", GIVEN)
def test_an_empty_value_is_none(name: str) -> None:
    _, toml, meant = GIVEN[name]

    assert value_of(read({variable(name): ""}), name) == DEFAULTS[name]
    assert value_of(read({variable(name): ""}, {name: toml}), name) == meant
    assert value_of(read(config={name: ""}), name) == DEFAULTS[name]


@pytest.mark.parametrize(("name", "value"), WRONG_CASES, ids=[f"{name}={value!r}" for name, value in WRONG_CASES])
def test_a_wrong_value_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(SettingError, match=rf"^{variable(name)} takes .+, not .+") as refused:
        read(config={name: value})

    assert "\n" not in str(refused.value)
    if isinstance(value, str):
        with pytest.raises(SettingError, match=f"^{variable(name)} takes "):
            read({variable(name): value})


def test_an_unknown_name_in_the_file_is_refused() -> None:
    with pytest.raises(SettingError, match="no setting 'api_prot'"):
        read(config={"api_prot": 4011})


def test_a_variable_that_is_no_setting_is_left_alone() -> None:
    assert read({"QUESTMUX_SOMETHING": "1", "QUESTMUX_CONFIG": "/x.toml", "PATH": "/bin"}) == read()


def test_claudes_own_variable_says_where_its_folder_is() -> None:
    assert read({"CLAUDE_CONFIG_DIR": "/x/claude"}).claude_dir == Path("/x/claude")
    assert read({"CLAUDE_CONFIG_DIR": ""}).claude_dir == Path("/h/.claude")
    assert read({"CLAUDE_CONFIG_DIR": "/x/a", "QUESTMUX_CLAUDE_DIR": "/x/b"}).claude_dir == Path("/x/b")


def test_a_home_folder_may_be_written_short() -> None:
    assert read({"QUESTMUX_DATA_DIR": "~/q"}).data_dir == Path.home() / "q"


def test_a_runtime_folder_that_no_socket_address_can_hold_is_refused() -> None:
    room = MAX_IPC_PATH_BYTES - len("/requests.sock")
    fits, too_long = "/" + "é" * ((room - 1) // 2), "/" + "é" * ((room + 1) // 2)

    assert len((read({"QUESTMUX_RUNTIME_DIR": fits}).requests_address[6:]).encode()) <= MAX_IPC_PATH_BYTES
    with pytest.raises(SettingError, match="QUESTMUX_RUNTIME_DIR is too long"):
        read({"QUESTMUX_RUNTIME_DIR": too_long})


def test_a_client_cannot_resume_above_where_it_pauses() -> None:
    assert read({"QUESTMUX_WS_RESUME_BYTES": "65536"}).ws_resume_bytes == 65536
    with pytest.raises(SettingError, match="QUESTMUX_WS_RESUME_BYTES is above QUESTMUX_WS_PAUSE_BYTES"):
        read({"QUESTMUX_WS_RESUME_BYTES": "65537"})


def test_places_follow_from_the_two_folders() -> None:
    settings = read()

    assert settings.requests_address == "ipc:///r/requests.sock"
    assert settings.updates_address == "ipc:///r/updates.sock"
    assert settings.database == Path("/d/questmux.db")
    assert settings.spool_dir == Path("/d/spool")
