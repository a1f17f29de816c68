"""What is true of a session when its sources disagree: the one place where it is decided. Pure.

Hooks are fast and rich, and miss things. The registry is a state that Claude Code keeps true, a little later. The
screen is what a person would see, read by rules that may err. docs/status.md has the table.

A source that spoke after the hooks did is news. One that spoke before them only has not followed yet, and is given
time; when it still says the same after that, it denies what the hooks said.
"""

from typing import Final

from msgspec import Struct, structs

from services.contract.entities import Ask, AskedOption, AskedQuestion, Evidence, Status, StatusName, WaitingFor
from services.core.sign import SCREEN, Sign, claim_of
from services.core.turn import Turn, asked, status_of

TRAIL_MS: Final = 300
"""The registry and the screen follow a hook within this; measured over the recordings: 250."""
PATIENCE_MS: Final = 1_000
"""A source that has not followed a hook after this denies it."""
ENDING_MS: Final = 3_000
"""From SessionEnd to the end of the process: Claude Code gives its last hooks 1.5 s."""
WEAK_MS: Final = 3_000
"""How long the hooks must have been silent before a weak reading of the screen is believed against them."""
DRAWN_MS: Final = 1_500
"""A dialog is drawn up to 0.55 s after its hook (the recordings); on a busy machine it is captured a second later."""
SAME_DIALOG_MS: Final = 2_000
"""A hook's dialog and another source's are one when they opened this close together."""


class Signs(Struct, frozen=True, kw_only=True):
    """What the other sources say now."""

    registry: Sign | None = None
    screen: Sign | None = None
    gone: Sign | None = None


class Verdict(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What holds, and when to look again."""

    status: Status
    asks: Ask | None = None
    review_at: int | None = None
    """Then a source that disagrees has had its time."""
    awaits_word: bool = False
    """The other sources must have been heard of after that: they may not have followed the hooks yet."""


UNKNOWN: Final = Verdict(status=Status(name=StatusName.UNKNOWN, since=0))


def fuse(turn: Turn, signs: Signs, *, now: int, settled_at: int = 0, before: Status = UNKNOWN.status) -> Verdict:
    """The status by all sources.

    `now` is when the newest of them spoke, by our clock. `settled_at` is when it was last known that the others had
    nothing new to say. `before` is the status until now.
    """
    hook = hook_sign(turn)
    winner, review_at, is_news = hook, None, True
    if signs.gone is not None and _is_over(hook, signs):
        winner = signs.gone
    elif hook is None:
        winner = _without_hooks(signs)
    else:
        dissenter = _dissenter(hook, signs, has_tasks=bool(turn.background_tasks))
        if dissenter is not None:
            due = _due(hook, dissenter)
            is_news = dissenter.at >= hook.at
            if due <= (now if is_news else settled_at):
                winner = dissenter
            else:
                review_at = due
    if winner is None:
        return Verdict(status=structs.replace(UNKNOWN.status, since=before.since))
    verdict = _verdict(turn, hook, winner, signs, before)
    if review_at is None:
        return verdict
    return structs.replace(verdict, review_at=review_at, awaits_word=not is_news)


def hook_sign(turn: Turn) -> Sign | None:
    """What the hooks say, at the time of the last one that bears on it."""
    status = status_of(turn)
    if status.name is StatusName.UNKNOWN or status.evidence is None:
        return None
    return Sign(
        source=status.evidence.source,
        rule=status.evidence.rule,
        says=status.name,
        at=turn.told_at,
        event_id=status.evidence.event_id,
        waiting_for=status.waiting_for,
    )


def _is_over(hook: Sign | None, signs: Signs) -> bool:
    """Whether the process has gone for good: no hook was sent after it, and no process of the session lives."""
    gone = signs.gone
    if gone is None or signs.registry is not None:
        return False
    return hook is None or hook.says is StatusName.ENDED or gone.at >= hook.at - TRAIL_MS


def _without_hooks(signs: Signs) -> Sign | None:
    registry, screen = signs.registry, signs.screen
    if registry is None or screen is None:
        return registry or screen
    is_dialog = screen.says is StatusName.WAITING and screen.is_strong
    return screen if is_dialog and screen.at > registry.at + TRAIL_MS else registry


def _dissenter(hook: Sign, signs: Signs, *, has_tasks: bool) -> Sign | None:
    """The source that would overrule the hooks, once it has had its time."""
    registry, screen = signs.registry, signs.screen
    if hook.says is StatusName.ENDED:
        return registry
    if registry is not None and not _agree(registry, hook):
        if hook.says is StatusName.IDLE and has_tasks and registry.at < hook.at:
            return None  # It is busy with what goes on in the background.
        stands_alone = (
            screen is not None and screen.is_strong and _agree(screen, hook) and screen.at > registry.at + TRAIL_MS
        )
        return None if stands_alone else registry
    if screen is None or _agree(screen, hook):
        return None
    if registry is None:
        return screen
    # Two agree against the screen: only a dialog that is plainly open is more than they can know.
    is_dialog = screen.says is StatusName.WAITING and screen.is_strong
    return screen if is_dialog and screen.at > registry.at + TRAIL_MS else None


def _due(hook: Sign, other: Sign) -> int:
    """When the other source is believed against the hooks."""
    if hook.says is StatusName.ENDED:
        return hook.at + ENDING_MS
    if other.source == SCREEN and not other.is_strong and hook.says is not StatusName.WAITING:
        return max(other.at, hook.at + WEAK_MS)
    if other.source == SCREEN and hook.says is StatusName.WAITING and other.says is StatusName.WORKING:
        return max(other.at, hook.at + DRAWN_MS)
    return max(other.at, hook.at + TRAIL_MS) if other.at >= hook.at else hook.at + PATIENCE_MS


def _agree(one: Sign, other: Sign) -> bool:
    """An error is an idle session to every other source."""
    return _kind(one.says) is _kind(other.says)


def _kind(name: StatusName) -> StatusName:
    return StatusName.IDLE if name is StatusName.ERROR else name


def _verdict(turn: Turn, hook: Sign | None, winner: Sign, signs: Signs, before: Status) -> Verdict:
    everyone = (hook, signs.registry, signs.screen)
    disputed_by = tuple(claim_of(sign) for sign in everyone if sign is not None and not _agree(sign, winner))
    if winner.says is StatusName.ENDED:
        disputed_by = ()  # The screen of a pane says nothing of who has left it.
    if winner is hook:
        status = structs.replace(status_of(turn), disputed_by=disputed_by)
        return Verdict(status=status, asks=asked(turn))
    waiting_for = None if winner.says is not StatusName.WAITING else _waiting_for(winner, signs.screen)
    is_same = (before.name, before.waiting_for) == (winner.says, waiting_for)
    dialog = _dialog(turn, hook, winner)
    status = Status(
        name=winner.says,
        since=before.since if is_same else winner.at,
        waiting_for=waiting_for,
        unseen=winner.says is StatusName.IDLE and _unseen(hook, before),
        background_tasks=len(turn.background_tasks) if winner.says is StatusName.IDLE else 0,
        evidence=Evidence(source=winner.source, rule=winner.rule, at=winner.at, event_id=winner.event_id),
        disputed_by=disputed_by,
    )
    return Verdict(status=status, asks=dialog or _shown(winner, signs.screen))


def _dialog(turn: Turn, hook: Sign | None, winner: Sign) -> Ask | None:
    """What the hooks know of the dialog that another source tells of."""
    if winner.says is not StatusName.WAITING or hook is None or hook.says is not StatusName.WAITING:
        return None
    return asked(turn) if hook.at >= winner.at - SAME_DIALOG_MS else None


def _waiting_for(winner: Sign, screen: Sign | None) -> WaitingFor | None:
    """The screen tells what the registry calls by one word."""
    if screen is not None and screen.says is StatusName.WAITING and screen.waiting_for is not None:
        return screen.waiting_for
    return winner.waiting_for


def _shown(winner: Sign, screen: Sign | None) -> Ask | None:
    """What the open dialog asks, as the screen shows it."""
    if winner.says is not StatusName.WAITING or screen is None or screen.says is not StatusName.WAITING:
        return None
    options = tuple(AskedOption(label=option) for option in screen.options)
    return Ask(questions=(AskedQuestion(question=screen.question or "", options=options),))


def _unseen(hook: Sign | None, before: Status) -> bool:
    """Whether a turn ended that nobody has seen. An end that hooks do not tell is a person's Esc: that one has seen."""
    if before.name is StatusName.IDLE:
        return before.unseen
    is_told = hook is not None and hook.says is not StatusName.ENDED
    return not is_told and before.name in {StatusName.WORKING, StatusName.WAITING}
