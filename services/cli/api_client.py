"""Asks the HTTP API of this installation."""

import json
import urllib.error
import urllib.request
from typing import Any, Final

from services.contract.settings import Settings

ASK_S: Final = 5.0


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


class ApiClient:
    """Reads, with the full token."""

    def __init__(self, settings: Settings, token: str, timeout_s: float = ASK_S) -> None:
        self.url = f"http://{url_host(settings.api_host)}:{settings.api_port}"
        self._token = token
        self._timeout_s = timeout_s
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # A proxy does not serve loopback.

    def get(self, path: str) -> Any:  # noqa: ANN401 - JSON
        """The `data` of an answer.

        Raises:
            ApiError: nobody answers, or the API refuses.
        """
        headers = {"Authorization": f"Bearer {self._token}"}
        request = urllib.request.Request(self.url + path, headers=headers)  # noqa: S310 - our own
        try:
            with self._opener.open(request, timeout=self._timeout_s) as answer:
                return json.loads(answer.read())["data"]
        except urllib.error.HTTPError as exc:
            with exc:
                raise ApiError(_refusal(exc)) from exc
        except (OSError, ValueError, KeyError, TypeError) as exc:
            raise ApiError(f"nothing answers at {self.url}: start it with `questmux up`") from exc


def _refusal(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.loads(error.read())["error"]["message"])
    except (OSError, ValueError, KeyError, TypeError):
        return f"the API answered {error.code}"


def url_host(host: str) -> str:
    """A host as it stands in an address."""
    return f"[{host}]" if ":" in host else host
