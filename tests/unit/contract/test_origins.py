from pathlib import Path

import pytest

from services.contract.origins import is_allowed_host, is_allowed_origin
from services.contract.settings import Settings


def make_settings(
    ws_host: str = "127.0.0.1", hosts: tuple[str, ...] = (), origins: tuple[str, ...] = (), ws_port: int = 4012
) -> Settings:
    return Settings(
        data_dir=Path("/d"),
        runtime_dir=Path("/r"),
        claude_dir=Path("/c"),
        rules_dir=Path("/c"),
        ws_host=ws_host,
        ws_port=ws_port,
        allowed_hosts=hosts,
        allowed_origins=origins,
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:4012", "localhost:1", "LOCALHOST", "[::1]", "[::1]:4012"])
def test_allows_the_loopback_hosts_at_any_port(host: str) -> None:
    assert is_allowed_host(host, make_settings())


@pytest.mark.parametrize(
    "host",
    [
        None,
        "",
        ":4012",
        "evil.example",
        "localhost.evil.example",
        "evil.example:4012",
        "127.0.0.1.nip.io",
        "127.0.0.2",
        "0.0.0.0:4012",
        "user@localhost",
        "localhost/evil",
        "localhost?evil",
        "localhost#evil",
        "localhost, evil.example",
        " localhost",
        "localhost:port",
        "localhost:99999",
        "[::1",
        "::1",
    ],
)
def test_refuses_every_other_host(host: str | None) -> None:
    assert not is_allowed_host(host, make_settings())


def test_allows_the_bound_host_and_named_hosts() -> None:
    settings = make_settings(ws_host="192.168.1.7", hosts=("Box.Local", "[fd00::1]"))
    assert is_allowed_host("192.168.1.7:4012", settings)
    assert is_allowed_host("box.local:4012", settings)
    assert is_allowed_host("[fd00::1]:4012", settings)
    assert not is_allowed_host("192.168.1.8:4012", settings)


@pytest.mark.parametrize("bound", ["0.0.0.0", "::"])  # noqa: S104 - never bound here
def test_a_wildcard_bind_names_no_host(bound: str) -> None:
    settings = make_settings(ws_host=bound)
    assert not is_allowed_host("0.0.0.0:4012", settings)
    assert not is_allowed_host("[::]:4012", settings)
    assert is_allowed_host("localhost:4012", settings)


def test_allows_a_script_that_has_no_origin() -> None:
    assert is_allowed_origin(None, make_settings())


@pytest.mark.parametrize(
    "origin", ["http://127.0.0.1:4011", "http://localhost:4012", "http://[::1]:4011", "https://LOCALHOST:4011"]
)
def test_allows_pages_of_our_own_ports(origin: str) -> None:
    assert is_allowed_origin(origin, make_settings())


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "null",
        "http://localhost",
        "http://localhost:3000",
        "https://127.0.0.1:8080",
        "http://evil.example:4011",
        "http://localhost.evil.example:4011",
        "http://evil@localhost:4011",
        "http://localhost:4011/",
        "http://localhost:4011.evil.example",
        "ftp://localhost:4011",
        "file://localhost:4011",
        "localhost:4011",
        "//localhost:4011",
        "chrome-extension://abcdef",
        "http://localhost:port",
    ],
)
def test_refuses_pages_of_every_other_origin(origin: str) -> None:
    assert not is_allowed_origin(origin, make_settings())


def test_allows_named_origins_exactly() -> None:
    settings = make_settings(origins=("https://quest.example/", "chrome-extension://abcdef"))
    assert is_allowed_origin("https://quest.example", settings)
    assert is_allowed_origin("HTTPS://Quest.Example", settings)
    assert is_allowed_origin("chrome-extension://abcdef", settings)
    assert not is_allowed_origin("https://quest.example:444", settings)
    assert not is_allowed_origin("http://quest.example", settings)


def test_an_origin_without_port_has_its_schemes_port() -> None:
    assert is_allowed_origin("http://localhost", make_settings(ws_port=80))
    assert not is_allowed_origin("https://localhost", make_settings(ws_port=80))


def test_a_named_host_is_ours_at_our_ports() -> None:
    settings = make_settings(hosts=("box.local",))
    assert is_allowed_origin("http://box.local:4011", settings)
    assert not is_allowed_origin("http://box.local:8080", settings)
