"""What the audit keeps of an action and of what came of it, and the answer that it can give again. Pure."""

import hashlib
from typing import Final

import msgspec
from msgspec import Struct

from services.contract.actions import ActionRecord, AnyAction
from services.contract.errors import ErrorCode, Problem
from services.contract.requests import ReportAction, RunAction
from services.core.facts import cut

OK: Final = "ok"
DIGEST_CHARS: Final = 16
TEXT_CHARS: Final = 200
"""A longer text of an action's fields is cut."""
DATA_BYTES: Final = 4_096
"""A longer answer, as a screen, is not kept."""


class Outcome(Struct, frozen=True, kw_only=True):
    """What came of an action: the `data` of its answer as JSON, or a problem."""

    data: bytes = b""
    problem: Problem | None = None

    @property
    def result(self) -> str:
        """The audit's word for it."""
        return OK if self.problem is None else self.problem.code

    @property
    def message(self) -> str | None:
        """What a problem says."""
        return None if self.problem is None else self.problem.message

    @property
    def kept_data(self) -> bytes | None:
        """What is kept of the answer."""
        return self.data if self.problem is None and len(self.data) <= DATA_BYTES else None


class KeptAction(Struct, frozen=True, kw_only=True):
    """A row of the audit, with the answer when it was short enough to be kept."""

    record: ActionRecord
    data: bytes | None = None


def record_of(request: RunAction, action: AnyAction, at: int) -> ActionRecord:
    """The row of an action that is about to begin."""
    return ActionRecord(
        id=request.id,
        at=at,
        who=cut(request.who, TEXT_CHARS),
        action=action.name,
        target=request.target,
        body=_body(action),
    )


def audit_key(record: ActionRecord) -> tuple[str, str | None, str]:
    """What makes two records the same action, as far as the audit keeps it."""
    return (record.action, record.target, record.body)


def outcome_of(report: ReportAction) -> Outcome:
    """What a poller says that came of an action."""
    if report.problem is not None:
        return Outcome(problem=report.problem)
    if report.data is None:
        return Outcome(problem=Problem(code=ErrorCode.INTERNAL, message="the poller told no result"))
    return Outcome(data=report.data)


def outcome_again(kept: KeptAction) -> Outcome | None:
    """What came of a finished action, once more; None when it has not finished, or its answer was not kept."""
    record = kept.record
    if record.result is None or (record.result == OK and kept.data is None):
        return None
    if kept.data is not None:
        return Outcome(data=kept.data)
    return Outcome(problem=Problem(code=ErrorCode(record.result), message=record.message or ""))


def _body(action: AnyAction) -> str:
    fields: dict[str, object] = msgspec.to_builtins(action)
    short = {name: _shortened(value) if isinstance(value, str) else value for name, value in fields.items()}
    return msgspec.json.encode(short).decode()


def _shortened(text: str) -> str:
    """A text, or its start with what tells it from another long text of the same start."""
    if len(text) <= TEXT_CHARS:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:DIGEST_CHARS]
    return f"{text[:TEXT_CHARS]}… ({len(text):,} characters, sha256 {digest}…)"
