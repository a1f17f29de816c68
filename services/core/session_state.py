"""What is known of one session. Pure."""

from msgspec import Struct, field

from services.contract.entities import Transition
from services.core.fusion import UNKNOWN, Verdict
from services.core.sign import Sign
from services.core.timeline import Timeline


class SessionState(Struct, kw_only=True):
    """What follows from the log of one session."""

    timeline: Timeline = field(default_factory=Timeline)
    started_at: int = 0
    last_event_at: int = 0
    last_received_at: int = 0
    """By our clock; the one by which it is forgotten."""
    events: int = 0
    late_events: int = 0
    xp: int = 0
    persona_id: str | None = None
    project_id: str | None = None
    """Of its newest deed."""
    verdict: Verdict = UNKNOWN
    pid: int | None = None
    """The agent's process that its pane showed; the registry knows better."""
    pane_id: str | None = None
    tmux_pid: int | None = None
    """Where the registry's process was last; hooks may name another pane, or none."""
    gone: Sign | None = None
    """Its process has ended, unless a later hook says otherwise."""
    settled_at: int = 0
    transitions: tuple[Transition, ...] = ()
    is_active: bool = False
    """It has done something, or the registry had it; a SessionStart alone may be a phantom's."""
