"""The two secrets of an installation: one for everything, one that can only post events."""

import hmac
import os
import secrets
from pathlib import Path
from typing import Final

from msgspec import Struct

from services.contract.origins import LOOPBACK_HOSTS
from services.contract.settings import SettingError, Settings

MIN_EXPOSED_CHARS: Final = 16
"""Of a token of the person's own where others can try one after another: 16 random letters and digits are 95 bits."""


class Tokens(Struct, frozen=True, kw_only=True):
    """The secrets in use."""

    full: str
    hook: str

    def is_full(self, given: str) -> bool:
        """Whether this may do everything. Takes the same time for every wrong guess."""
        return _is_same(given, self.full)

    def may_post_events(self, given: str) -> bool:
        """Whether this may post events: the hook token or the full one."""
        return _is_same(given, self.hook) | self.is_full(given)

    def __repr__(self) -> str:
        return "Tokens(...)"  # A log line or a traceback that shows this object shows no secret.


def load_tokens(settings: Settings) -> Tokens:
    """Read the tokens; the first process that comes makes them, with file mode 0600.

    Raises:
        SettingError: a token file cannot be used; says which and what to do.
    """
    full_path, hook_path = settings.data_dir / "token", settings.data_dir / "hook-token"
    tokens = Tokens(full=_read_or_make(full_path), hook=_read_or_make(hook_path))
    if _is_same(tokens.hook, tokens.full):
        raise SettingError(f"{hook_path} is the same as {full_path}, which may do everything: delete one of them")
    is_exposed = not {settings.api_host, settings.ws_host} <= LOOPBACK_HOSTS
    for path, token in ((full_path, tokens.full), (hook_path, tokens.hook)):
        if is_exposed and len(token) < MIN_EXPOSED_CHARS:
            raise SettingError(
                f"{path} has fewer than {MIN_EXPOSED_CHARS} characters, too few for an address that others can reach: "
                "delete it, and a new token is made on the next start"
            )
    return tokens


def bearer(header: str | None) -> str:
    """The token of an `Authorization` header; empty when there is none."""
    scheme, _, token = (header or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _is_same(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode(errors="surrogatepass"), token.encode())


def _read_or_make(path: Path) -> str:
    try:
        try:
            return _read(path)
        except FileNotFoundError:
            _make(path)
            return _read(path)
    except (OSError, UnicodeDecodeError) as exc:
        raise SettingError(f"{path} cannot be used: {exc}") from exc


def _make(path: Path) -> None:
    """Whole or not at all: other processes may read it at any moment."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secrets.token_urlsafe(32) + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)  # Fails when another process was first: then its token counts.
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _read(path: Path) -> str:
    if path.stat().st_mode & 0o077:
        path.chmod(0o600)
    token = path.read_text(encoding="ascii").strip()
    if not token:
        raise SettingError(f"{path} is empty: delete it, and a new token is made on the next start")
    return token
