"""Log lines: one readable line each on a terminal, one JSON object each elsewhere."""

import logging
import sys
from typing import Final

import msgspec

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def start_logging(service: str, level: str) -> None:
    """Send this process's log to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    readable = sys.stderr.isatty() or service == "cli"
    handler.setFormatter(ReadableFormatter() if readable else JsonFormatter(service))
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
            **facts_of(record),
        }
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return msgspec.json.encode(fields, enc_hook=str).decode()


class ReadableFormatter(logging.Formatter):
    """One line for a person: time, level, message, facts."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as text; values are quoted, so that none can start a new line."""
        facts = "".join(f" {name}={value!r}" for name, value in facts_of(record).items())
        line = f"{self.formatTime(record, '%H:%M:%S')} {record.levelname.lower():7} {record.getMessage()}{facts}"
        return line + ("\n" + self.formatException(record.exc_info) if record.exc_info else "")
