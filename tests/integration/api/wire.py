"""HTTP by hand: what a client sends and reads, byte by byte."""

import socket
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.e2e.stack import Answer


class Wire:
    """One connection to a server on this machine."""

    def __init__(self, place: int | Path, timeout_s: float = 15) -> None:
        if isinstance(place, Path):
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.socket.settimeout(timeout_s)
            self.socket.connect(str(place))
        else:
            self.socket = socket.create_connection(("127.0.0.1", place), timeout_s)
        self._file = self.socket.makefile("rb")

    def send(self, *parts: bytes) -> None:
        for part in parts:
            self.socket.sendall(part)

    def answer(self) -> Answer:
        """The next answer.

        Raises:
            ConnectionError: the server ended the connection instead.
        """
        status_line = self._file.readline()
        if not status_line:
            raise ConnectionError("closed without an answer")
        headers: dict[str, str] = {}
        while (line := self._file.readline()) not in {b"\r\n", b""}:
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        status = int(status_line.split()[1])
        length = headers.get("content-length")
        body = self._file.read() if length is None and status != 204 else self._file.read(int(length or 0))
        return Answer(status, headers, body)

    def is_ended(self) -> bool:
        """Whether the server ended the connection and sent nothing before; waits for either."""
        try:
            return self._file.read(1) == b""
        except ConnectionResetError:
            return True

    def close(self) -> None:
        self._file.close()
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


def head(target: str = "/health", method: str = "GET", **headers: str) -> bytes:
    """A request's head; `_` in a header's name stands for `-`."""
    lines = [f"{method} {target} HTTP/1.1", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    if "Host" not in headers:
        lines.insert(1, "Host: 127.0.0.1")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def exchange(place: int | Path, *parts: bytes, timeout_s: float = 15) -> Answer:
    """One request to a port or a Unix socket, its answer, and the connection closed."""
    with Wire(place, timeout_s) as wire:
        wire.send(*parts)
        return wire.answer()
