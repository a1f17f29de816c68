"""What a source besides the hooks says of a session, and since when. Pure."""

from typing import Final

from msgspec import Struct

from services.contract.entities import Claim, Confidence, Reading, RegistryEntry, StatusName, WaitingFor


class Sign(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One source's word. It stands until that source says something else."""

    source: str
    rule: str
    says: StatusName
    at: int
    event_id: str
    waiting_for: WaitingFor | None = None
    is_strong: bool = True
    question: str | None = None
    options: tuple[str, ...] = ()


REGISTRY: Final = "registry"
SCREEN: Final = "screen"
PROCESS: Final = "process"

_STATUS: Final = {
    "busy": StatusName.WORKING,
    "idle": StatusName.IDLE,
    "waiting": StatusName.WAITING,
    # The turn is over, and a command of it still ends or runs in the background.
    "shell": StatusName.IDLE,
}
_WAITING_FOR: Final = {
    "permission prompt": WaitingFor.PERMISSION,
    "sandbox request": WaitingFor.PERMISSION,
    "worker request": WaitingFor.PERMISSION,
    "input needed": WaitingFor.QUESTION,
    "dialog open": WaitingFor.INPUT,
    "goal proposal": WaitingFor.PLAN,
}
"""The registry's words of 2.1.330. It calls a plan a permission prompt; the hook or the screen tells them apart."""


def registry_sign(entry: RegistryEntry, event_id: str, read_at: int) -> Sign | None:
    """What an entry says; None before it has a status, or when it is a word that is not known."""
    says = _STATUS.get(entry.status or "")
    if says is None:
        return None
    word = entry.waiting_for or ""
    return Sign(
        source=REGISTRY,
        rule=f"{entry.status}: {word}" if word else str(entry.status),
        says=says,
        at=min(entry.status_at, read_at),
        event_id=event_id,
        waiting_for=_WAITING_FOR.get(word, WaitingFor.INPUT) if says is StatusName.WAITING else None,
    )


def screen_sign(reading: Reading, event_id: str) -> Sign | None:
    """What a reading says; None when no rule knew the screen."""
    if reading.says is StatusName.UNKNOWN:
        return None
    is_waiting = reading.says is StatusName.WAITING
    return Sign(
        source=SCREEN,
        rule=reading.rule,
        says=reading.says,
        at=reading.captured_at,
        event_id=event_id,
        waiting_for=(reading.waiting_for or WaitingFor.INPUT) if is_waiting else None,
        is_strong=reading.confidence is Confidence.STRONG,
        question=reading.question,
        options=reading.options,
    )


def gone_sign(source: str, rule: str, at: int, event_id: str) -> Sign:
    """The session's process is not there any more."""
    return Sign(source=source, rule=rule, says=StatusName.ENDED, at=at, event_id=event_id)


def claim_of(sign: Sign) -> Claim:
    """The sign as clients see it."""
    return Claim(source=sign.source, rule=sign.rule, says=sign.says, at=sign.at, waiting_for=sign.waiting_for)
