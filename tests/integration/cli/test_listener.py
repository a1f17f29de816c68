"""Another user listens at our ports while Questmux is stopped, and waits for the token."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from services.cli.api_client import ApiClient, ApiError
from services.contract.settings import Settings
from tests.e2e.stack import STOP_S, free_port

NOBODY = 65534
LISTENER = """
import os, socket, sys
uid, port = int(sys.argv[1]), int(sys.argv[2])
os.setuid(uid)
with socket.create_server(("127.0.0.1", port)) as server:
    print("listens", flush=True)
    while True:
        connection, _ = server.accept()
        if heard := connection.recv(1000):
            print(heard, flush=True)
        connection.close()
"""
FLAPPING = """
import os, select, socket, sys, time
uid, port = int(sys.argv[1]), int(sys.argv[2])
os.setuid(uid)
print("listens", flush=True)
while True:
    server = socket.create_server(("127.0.0.1", port))
    there = select.select([server], [], [], 0.002)[0]
    connection = server.accept()[0] if there else None
    server.close()
    if connection is not None:
        if heard := connection.recv(1000):
            print(heard, flush=True)
        connection.close()
    time.sleep(0.002)
"""
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "token").write_text("secret")
    return Settings(
        data_dir=tmp_path,
        runtime_dir=tmp_path,
        claude_dir=tmp_path,
        rules_dir=tmp_path,
        api_port=free_port(),
        ws_port=free_port(),
    )


@contextmanager
def listening(program: str, uid: int, port: int) -> Iterator["subprocess.Popen[str]"]:
    """Somebody at a port, who prints what comes."""
    words = [sys.executable, "-c", program, str(uid), str(port)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "listens\n"
            yield process
        finally:
            process.kill()


def all_heard(process: "subprocess.Popen[str]") -> str:
    """What has come in the end."""
    process.kill()
    assert process.stdout is not None
    return process.stdout.read()


@needs_root
def test_another_user_is_not_told_the_token(settings: Settings) -> None:
    with listening(LISTENER, NOBODY, settings.api_port) as stranger:
        with pytest.raises(ApiError, match=f"another user .* port {settings.api_port}: the token was not sent"):
            ApiClient(settings, "secret").get("/health")

        assert all_heard(stranger) == ""


@needs_root
def test_nor_is_one_who_comes_and_goes(settings: Settings) -> None:
    with listening(FLAPPING, NOBODY, settings.api_port) as stranger:
        said = set()
        for _ in range(500):
            with pytest.raises(ApiError) as refused:
                ApiClient(settings, "secret", 0.5).get("/health")
            said.add(str(refused.value).partition(" ")[0])

        assert all_heard(stranger) == ""
        print(said)


@needs_root
def test_whose_token_it_is_may_have_it(settings: Settings) -> None:
    os.chown(settings.data_dir / "token", NOBODY, NOBODY)
    with listening(LISTENER, NOBODY, settings.api_port) as owner:
        with pytest.raises(ApiError, match="nothing answers"):
            ApiClient(settings, "secret").get("/health")

        assert "Bearer secret" in all_heard(owner)


@needs_root
def test_another_user_at_another_address_of_the_port_is_in_nobodys_way(settings: Settings) -> None:
    with (
        listening(LISTENER.replace("127.0.0.1", "127.0.0.2"), NOBODY, settings.api_port),
        listening(LISTENER, os.getuid(), settings.api_port) as ours,
    ):
        with pytest.raises(ApiError, match="nothing answers"):
            ApiClient(settings, "secret").get("/health")

        assert "Bearer secret" in all_heard(ours)


@needs_root
@pytest.mark.parametrize(
    ("words", "taken", "free"),
    [("tail", "WS", "API"), ("status --watch --json", "WS", "API"), ("status", "API", "WS")],
)
def test_no_command_tells_another_user_the_token(settings: Settings, words: str, taken: str, free: str) -> None:
    environment = os.environ | {
        "QUESTMUX_DATA_DIR": str(settings.data_dir),
        "QUESTMUX_RUNTIME_DIR": str(settings.runtime_dir),
        f"QUESTMUX_{taken}_PORT": str(settings.api_port),
        f"QUESTMUX_{free}_PORT": str(settings.ws_port),
    }
    with listening(LISTENER, NOBODY, settings.api_port) as stranger:
        done = subprocess.run(
            [Path(sys.executable).with_name("questmux"), *words.split()],
            env=environment,
            capture_output=True,
            text=True,
            timeout=STOP_S,
            check=False,
        )

        assert (done.returncode, done.stdout) == (2, "")
        assert "another user of this machine listens" in done.stderr
        assert "Traceback" not in done.stderr
        assert all_heard(stranger) == ""
