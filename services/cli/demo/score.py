"""What one turn of an agent consists of, cut from a recording and slowed to a pace that a person can follow. Pure."""

import json
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Final

from msgspec import Struct, structs

from services.cli.demo.recordings import Recording
from services.cli.demo.wording import reworded

TYPED_S: Final = 1.6
"""The prompt stands on the input line this long before it is sent."""
SEEN_S: Final = 0.5
"""The last screen of a turn comes this soon after its end."""
EARLIER_S: Final = 0.15
"""A hold begins this long before what it holds back, of which the screen may show a first sign already."""
SPIN_S: Final = 0.12
"""How often Claude Code 2.1.330 draws its spinner: measured over the recordings."""
DIALOG: Final = "❯ 1. "  # noqa: RUF001 - as it is drawn
FAILURE: Final = "API Error: 529 The model is overloaded; try again in a few minutes"
_DONE: Final = "· done "


class Kind(StrEnum):
    """What happens."""

    BEGIN = "begin"
    HOOK = "hook"
    REGISTRY = "registry"
    SCREEN = "screen"
    SPIN = "spin"


class Step(Struct, frozen=True, kw_only=True):
    """Something that happens, `t` seconds from the start of its turn."""

    t: float
    kind: Kind
    text: str = ""
    """Of a beginning: its session ids with spaces between. Of a registry file: empty when it goes."""
    name: str = ""
    """A hook's."""
    held_s: int = 0
    """Whole seconds that the work was held up to now: what is recorded on the screen does not know of them."""


class Holds(Struct, frozen=True, kw_only=True):
    """Seconds that a recording is held."""

    think_s: float = 0.0
    ask_s: float = 0.0
    work_s: float = 0.0


class Turn(Struct, frozen=True, kw_only=True):
    """A turn as it was recorded, and the moments at which it can be held."""

    name: str
    steps: tuple[Step, ...]
    think_at: float
    ask_at: float | None
    work_at: float

    @property
    def length_s(self) -> float:
        """From its first to its last step."""
        return self.steps[-1].t


def make_turn(recording: Recording, *, fails: bool = False) -> Turn:
    """From the typing of the first prompt to the last end of a turn; the program's own end is left out."""
    begins = next(call.t for call in recording.calls if call.name == "UserPromptSubmit") - TYPED_S
    ends = [record.t for record in recording.records if record.status == "idle"][-1] + SEEN_S
    first = [screen for screen in recording.screens if screen.t <= begins][-1]
    calls = [call for call in recording.calls if begins < call.t < ends]
    steps = [
        *(Step(t=call.t - begins, kind=Kind.HOOK, text=reworded(call.body), name=call.name) for call in calls),
        *(
            Step(t=record.t - begins, kind=Kind.REGISTRY, text=reworded(record.text))
            for record in recording.records
            if begins < record.t < ends
        ),
        *(
            Step(t=max(screen.t - begins, 0.0), kind=Kind.SCREEN, text=reworded(screen.text))
            for screen in recording.screens
            if first.t <= screen.t < ends
        ),
    ]
    sessions = " ".join(dict.fromkeys(call.session_id for call in calls))
    steps = [Step(t=0.0, kind=Kind.BEGIN, text=sessions), *sorted(steps, key=lambda step: step.t)]
    turn = Turn(
        name=recording.name,
        steps=tuple(_failing(steps)) if fails else tuple(steps),
        think_at=_first(steps, {"PreToolUse", "Stop"}),
        ask_at=_answered(recording, begins),
        work_at=_first(steps, {"Stop"}) if any(step.name == "Stop" for step in steps) else _left(recording, begins),
    )
    return structs.replace(turn, steps=turn.steps)


def make_opening(recording: Recording) -> tuple[Step, ...]:
    """How a session starts: the SessionStart hook, the registry file and the first screen that is idle."""
    call, record = recording.calls[0], next(one for one in recording.records if one.status == "idle")
    screen = [one for one in recording.screens if one.t <= record.t + 3 * SEEN_S][-1]
    return (
        Step(t=0.0, kind=Kind.BEGIN, text=call.session_id),
        Step(t=0.0, kind=Kind.SCREEN, text=reworded(screen.text)),
        Step(t=0.0, kind=Kind.REGISTRY, text=reworded(record.text)),
        Step(t=0.0, kind=Kind.HOOK, text=reworded(call.body), name=call.name),
    )


def make_clearing(recording: Recording) -> tuple[Step, ...]:
    """How /clear makes another session of one, in the same process."""
    end = next(number for number, call in enumerate(recording.calls) if call.name == "SessionEnd")
    calls = recording.calls[end : end + 2]
    record = next(one for one in recording.records if one.t > calls[-1].t)
    screen = next(one for one in recording.screens if one.t > calls[-1].t)
    return (
        Step(t=0.0, kind=Kind.BEGIN, text=" ".join(call.session_id for call in calls)),
        *(Step(t=call.t - calls[0].t, kind=Kind.HOOK, text=reworded(call.body), name=call.name) for call in calls),
        Step(t=record.t - calls[0].t, kind=Kind.REGISTRY, text=reworded(record.text)),
        Step(t=screen.t - calls[0].t, kind=Kind.SCREEN, text=reworded(screen.text)),
    )


def stretched(turn: Turn, holds: Holds) -> Iterator[Step]:
    """The steps of a turn with its holds in place; while it thinks or works the spinner turns."""
    stops = [(turn.think_at, holds.think_s, True), (turn.work_at, holds.work_s, True)]
    if turn.ask_at is not None:
        stops.append((turn.ask_at, holds.ask_s, False))
    stops.sort()
    shift_s = worked_s = 0.0
    for step in turn.steps:
        while stops and step.t >= stops[0][0]:
            at, hold_s, spins = stops.pop(0)
            for number in range(1, int(hold_s / SPIN_S) if spins else 0):
                spun_s = number * SPIN_S
                yield Step(t=at + shift_s + spun_s, kind=Kind.SPIN, held_s=int(worked_s + spun_s))
            shift_s += hold_s
            worked_s += hold_s if spins else 0.0
        yield structs.replace(step, t=step.t + shift_s, held_s=int(worked_s))


def _first(steps: Sequence[Step], names: set[str]) -> float:
    return next((step.t for step in steps if step.name in names), steps[-1].t) - EARLIER_S


def _answered(recording: Recording, begins: float) -> float | None:
    """When the person first touched the dialog; None without one."""
    shown = False
    for screen in recording.screens:
        if shown and DIALOG not in screen.text:
            return screen.t - begins - EARLIER_S
        shown = DIALOG in screen.text
    return None


def _left(recording: Recording, begins: float) -> float:
    """When a person interrupted the work: only the registry tells."""
    records = recording.records
    return next(one.t for one in records if one.status == "shell") - begins - 2 * EARLIER_S


def _failing(steps: Sequence[Step]) -> Iterator[Step]:
    """The turn ends by an error of the API instead, which no recording has: by its documented hook and its row."""
    for step in steps:
        if step.name == "Stop":
            body = json.loads(step.text)
            kept = {name: body[name] for name in ("session_id", "transcript_path", "cwd", "prompt_id")}
            failure = {"hook_event_name": "StopFailure", "error": "overloaded", "last_assistant_message": FAILURE}
            yield structs.replace(step, text=json.dumps(kept | failure), name="StopFailure")
        elif step.kind is Kind.SCREEN and _DONE in step.text:
            rows = [row for row in step.text.split("\n") if _DONE not in row]
            yield structs.replace(step, text="\n".join(rows).replace("● It failed.", f"● {FAILURE}"))
        else:
            yield step
