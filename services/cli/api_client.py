"""Asks the HTTP API of this installation."""

import http.client
import json
import socket
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from services.cli.listener import is_strangers
from services.cli.printable import printable
from services.contract.settings import Settings

ASK_S: Final = 5.0
LOOPBACK_OF: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - who listens on all addresses is met at this one


class ApiError(Exception):
    """There is no answer, or it is a refusal; the message is for a person."""


def known_token(settings: Settings) -> str:
    """The full token of this installation; none is made.

    Raises:
        ApiError: Questmux has never run with this data folder.
    """
    try:
        return (settings.data_dir / "token").read_text(encoding="ascii").strip()
    except (OSError, ValueError) as exc:
        raise ApiError(f"there is no token in {settings.data_dir}: start it with `questmux up` first") from exc


def refuse_stranger(connection: socket.socket, token_file: Path) -> None:
    """Before a token is sent over a connection.

    Raises:
        ApiError: another user of this machine answers.
        ConnectionResetError: nobody does any more.
    """
    if is_strangers(connection, token_file):
        port = connection.getpeername()[1]
        raise ApiError(f"another user of this machine listens at port {port}: the token was not sent")


class ApiClient:
    """Reads, with the full token."""

    def __init__(self, settings: Settings, token: str, timeout_s: float = ASK_S) -> None:
        self.url = api_url(settings)
        self._place = LOOPBACK_OF.get(settings.api_host, settings.api_host), settings.api_port
        self._token_file = settings.data_dir / "token"
        self._headers = {"Authorization": f"Bearer {token}"}
        self._timeout_s = timeout_s

    def get(self, path: str) -> Any:  # noqa: ANN401 - JSON
        """The `data` of an answer.

        Raises:
            ApiError: nobody answers, another user does, or the API refuses.
        """
        connection = http.client.HTTPConnection(*self._place, timeout=self._timeout_s)
        try:
            connection.connect()
            refuse_stranger(connection.sock, self._token_file)
            connection.request("GET", path, headers=self._headers)
            answer = connection.getresponse()
            body = answer.read()
            if answer.status != HTTPStatus.OK:
                raise ApiError(_refusal(answer.status, body))
            return json.loads(body)["data"]
        except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as exc:
            raise ApiError(f"nothing answers at {self.url}: start it with `questmux up`") from exc
        finally:
            connection.close()


def _refusal(status: int, body: bytes) -> str:
    try:
        return printable(str(json.loads(body)["error"]["message"]))
    except (ValueError, KeyError, TypeError):
        return f"the API answered {status}"


def api_url(settings: Settings) -> str:
    """Where this installation's API is met from here."""
    host = LOOPBACK_OF.get(settings.api_host, settings.api_host)
    return f"http://{url_host(host)}:{settings.api_port}"


def url_host(host: str) -> str:
    """A host as it stands in an address."""
    return f"[{host}]" if ":" in host else host
