"""The things that clients see: windows, panes, sessions; those of the game are in `game`. Pure.

Times are Unix milliseconds. Ids are opaque strings; tmux's are as tmux prints them.
"""

from enum import StrEnum

from msgspec import Raw, Struct


class StatusName(StrEnum):
    """What a session is doing."""

    WORKING = "working"
    WAITING = "waiting"
    IDLE = "idle"
    ERROR = "error"
    ENDED = "ended"
    UNKNOWN = "unknown"


class WaitingFor(StrEnum):
    """What a waiting session wants from a person."""

    PERMISSION = "permission"
    QUESTION = "question"
    PLAN = "plan"
    ELICITATION = "elicitation"
    INPUT = "input"


class Evidence(Struct, frozen=True, kw_only=True):
    """Why a status is what it is."""

    source: str
    """`hook`, `registry`, `screen`, `process`, `tmux` or `api`."""
    rule: str
    """The event's name; of a screen the rule that matched, of the registry its own word."""
    at: int
    """When the evidence was made, by its sender's clock."""
    event_id: str


class Claim(Struct, frozen=True, kw_only=True):
    """What one source says of a session."""

    source: str
    rule: str
    says: StatusName
    at: int
    """Since when it says so."""
    waiting_for: WaitingFor | None = None


class Status(Struct, frozen=True, kw_only=True):
    """A session's status with its evidence."""

    name: StatusName
    since: int
    """When this status began: the time of the event that changed it."""
    waiting_for: WaitingFor | None = None
    unseen: bool = False
    """Finished and no person has looked since."""
    error: str | None = None
    background_tasks: int = 0
    """Background tasks that still run after the turn ended."""
    evidence: Evidence | None = None
    disputed_by: tuple[Claim, ...] = ()
    """Sources that say something else now."""


class Transition(Struct, frozen=True, kw_only=True):
    """One change of a session's status."""

    at: int
    """When it was noticed, by core's clock."""
    name: StatusName
    waiting_for: WaitingFor | None
    source: str
    rule: str
    corrected: bool = False
    """Another source had said something else before, and still did."""


class AskedOption(Struct, frozen=True, kw_only=True):
    """One answer to choose from."""

    label: str
    description: str = ""


class AskedQuestion(Struct, frozen=True, kw_only=True):
    """One question with its answers."""

    question: str
    header: str = ""
    options: tuple[AskedOption, ...] = ()
    multi_select: bool = False


class Ask(Struct, frozen=True, kw_only=True):
    """What a waiting session asks a person."""

    tool_name: str | None = None
    """None when only the screen tells."""
    tool_input: str | None = None
    """JSON text, cut at 2,000 characters."""
    questions: tuple[AskedQuestion, ...] = ()
    """Of `AskUserQuestion`, at most 4; or the dialog as the screen shows it."""
    plan: str | None = None
    """Of `ExitPlanMode`: the plan, cut at 8,000 characters."""


class Subagent(Struct, frozen=True, kw_only=True):
    """An agent that a session has started and that has not ended."""

    id: str
    type: str
    """`general-purpose`, `Explore` ..."""
    started_at: int


class BackgroundTask(Struct, frozen=True, kw_only=True):
    """What still ran when a session's turn ended."""

    id: str
    type: str
    """`shell`, `subagent`, `monitor` ..."""
    status: str
    description: str = ""
    """Cut at 200 characters."""


class Session(Struct, frozen=True, kw_only=True):
    """One Claude Code session, by its own `session_id`."""

    id: str
    status: Status
    started_at: int
    last_event_at: int
    pane_id: str | None = None
    """The pane that holds its process, else the one that its hooks named, whether or not tmux shows it."""
    cwd: str | None = None
    model: str | None = None
    permission_mode: str | None = None
    prompt: str | None = None
    """The last prompt, cut at 200 characters."""
    tool: str | None = None
    """The tool that runs now in the main thread."""
    asks: Ask | None = None
    subagents: tuple[Subagent, ...] = ()
    background_tasks: tuple[BackgroundTask, ...] = ()
    """Those that ran when the last turn ended; none while a turn is open."""
    last_message: str | None = None
    """The last assistant message of the last finished turn, cut at 2,000 characters."""
    events: int = 0
    late_events: int = 0
    """Events that came too late to bear on the status."""
    xp: int = 0
    persona_id: str | None = None
    """The agent's identity; None before its first deed."""
    project_id: str | None = None
    """Where it works; None while that is not known."""
    pid: int | None = None
    """Its process, as far as the registry or the pane's processes tell."""
    kind: str | None = None
    """The registry's word: `interactive`, `bg` ..."""


class Confidence(StrEnum):
    """How sure a rule is of what it read."""

    STRONG = "strong"
    WEAK = "weak"


class Reading(Struct, frozen=True, kw_only=True):
    """What the screen of an agent's pane means, by one rule."""

    pane_id: str
    captured_at: int
    rule: str
    """The rule file's name and the rule's: `claude/permission`."""
    says: StatusName
    confidence: Confidence
    waiting_for: WaitingFor | None = None
    question: str | None = None
    """Of a dialog: what it asks, cut at 500 characters."""
    options: tuple[str, ...] = ()
    """Of a dialog: its rows to choose from, without their numbers; at most 12, each cut at 200 characters."""


class RegistryEntry(Struct, frozen=True, kw_only=True):
    """What Claude Code writes of one of its processes into its `sessions` folder."""

    pid: int
    session_id: str
    status: str | None = None
    """`busy`, `idle`, `waiting`, `shell`, or a word of a newer version; None before it has one."""
    waiting_for: str | None = None
    """`permission prompt`, `input needed`, `dialog open` ..."""
    status_at: int = 0
    """Its `statusUpdatedAt`, else when the file was written."""
    started_at: int = 0
    cwd: str | None = None
    version: str | None = None
    kind: str | None = None
    """`interactive`, `bg` ..."""
    entrypoint: str | None = None
    """`cli`, or `sdk-cli` for `claude -p`."""
    pane_id: str | None = None
    tmux_pid: int | None = None


class Process(Struct, frozen=True, kw_only=True, order=True):
    """One process below a pane."""

    pid: int
    command: str


class Agent(Struct, frozen=True, kw_only=True):
    """A coding agent that runs in a pane, as its processes show."""

    name: str
    """`claude`."""
    pid: int


class Cursor(Struct, frozen=True, kw_only=True):
    """Where a terminal's cursor is, in cells from the top left."""

    x: int
    y: int
    visible: bool


class Screen(Struct, frozen=True, kw_only=True):
    """What a pane shows at one time."""

    pane_id: str
    captured_at: int
    width: int
    height: int
    cursor: Cursor
    lines: tuple[str, ...]
    """One for each row. Text with SGR escapes (colours and attributes) and no other control characters; each line
    begins in the default style; blanks in the default style at its end are left out."""


class Pane(Struct, frozen=True, kw_only=True):
    """One tmux pane as tmux shows it, with the session in it."""

    id: str
    window_id: str
    index: int
    active: bool
    title: str
    command: str
    """tmux's `pane_current_command`."""
    cwd: str
    pid: int
    width: int
    height: int
    dead: bool
    processes: tuple[Process, ...] = ()
    """The pane's own process first, then its descendants by pid."""
    agent: Agent | None = None
    """The coding agent that runs in the pane, whether or not its hooks speak."""
    activity_at: int = 0
    """When tmux last saw output in the pane's window, in steps of ten seconds."""
    session_id: str | None = None
    status: Status | None = None


class Window(Struct, frozen=True, kw_only=True):
    """One tmux window as tmux shows it."""

    id: str
    tmux_session_id: str
    tmux_session: str
    """The tmux session's name."""
    index: int
    name: str
    active: bool
    """The current window of its tmux session."""
    layout: str
    pane_ids: tuple[str, ...] = ()


class TmuxServer(Struct, frozen=True, kw_only=True):
    """One life of one tmux server; its ids are unique only within it."""

    socket: str
    pid: int
    started_at: int
    version: str


class KeptEvent(Struct, frozen=True, kw_only=True):
    """One event as the log keeps it."""

    seq: int
    id: str
    received_at: int
    name: str
    session_id: str | None
    pane_id: str | None
    payload: Raw | None
    """As it came. On the WebSocket null when over 4,096 bytes: then read it from `GET /api/events`."""
    source: str = "hook"
    sent_at: int | None = None


class ClientInfo(Struct, frozen=True, kw_only=True):
    """One WebSocket client as its gateway sees it, or saw it last."""

    id: str
    address: str
    since: int
    """When it was let in."""
    is_paused: bool = False
    """It does not take what it is sent."""
    lag: int = 0
    """Updates that it does not have."""
    buffered_bytes: int = 0
    """What waits for it, and what it has not taken; but for what the kernel holds."""
    sent: int = 0
    """Messages."""
    dropped: int = 0
    """Messages of low priority that it was not sent."""
    replaced: int = 0
    """Messages that newer ones of the same key replaced."""
    pauses: int = 0
    paused_ms: int = 0
    watched: int = 0
    """Panes."""
    closed_at: int | None = None
    close_code: int | None = None
    why: str | None = None
    """Why it was closed."""
