"""Log lines: one readable line each on a terminal, one JSON object each elsewhere."""

import json
import logging
import sys
from typing import Final

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def start_logging(service: str, level: str, form: str = "auto") -> None:
    """Send this process's log to standard error, as `text`, as `json`, or as fits who reads there (`auto`)."""
    handler = logging.StreamHandler(sys.stderr)
    is_text = form == "text" or (form == "auto" and (sys.stderr.isatty() or service == "cli"))
    handler.setFormatter(ReadableFormatter() if is_text else JsonFormatter(service))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for chatty in ("websockets", "gunicorn.access", "libtmux", "asyncio"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, logging.getLogger().level))


def facts_of(record: logging.LogRecord) -> dict[str, object]:
    """What the caller gave in `extra`."""
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}


class JsonFormatter(logging.Formatter):
    """One JSON object a line; a hostile value cannot start a new line."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON text."""
        fields: dict[str, object] = {
            "at": round(record.created, 3),
            "level": record.levelname.lower(),
            "service": self._service,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        for name, value in facts_of(record).items():
            fields[f"{name}_" if name in fields else name] = value
        try:
            # Not msgspec: it would write a struct's fields, where its `repr` may hide a secret.
            return json.dumps(fields, default=repr, allow_nan=False)
        except (TypeError, ValueError, RecursionError):  # What JSON cannot say.
            return json.dumps({name: repr(value) for name, value in fields.items()})


class ReadableFormatter(logging.Formatter):
    """One line for a person: time, level, message, facts; below it the traceback, if any."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as text; nothing in it can start a new line or speak to the terminal."""
        facts = "".join(f" {name}={value!r}" for name, value in facts_of(record).items())
        message = _printable(record.getMessage())
        line = f"{self.formatTime(record, '%H:%M:%S')} {record.levelname.lower():7} {message}{facts}"
        if record.exc_info:
            line += "".join("\n" + _printable(part) for part in self.formatException(record.exc_info).split("\n"))
        return line


def _printable(text: str) -> str:
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
