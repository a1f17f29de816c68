"""The state as a correct WebSocket client has it: docs/protocol.md in code, to copy into a client of your own. Pure."""

from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]


class Mirror:
    """What the messages so far say. It outlives a connection: with `cursor` the next one goes on from here.

    `windows` is in tmux's order; all other things are by id, each as docs/protocol.md describes it.
    """

    def __init__(self) -> None:
        self.windows: list[Json] = []
        self.panes: dict[str, Json] = {}
        self.sessions: dict[str, Json] = {}
        self.personas: dict[str, Json] = {}
        self.projects: dict[str, Json] = {}
        self.quests: dict[str, Json] = {}
        self.screens: dict[str, Json] = {}
        """Of watched panes: the `data` of the last `terminal_output`, with what came after it applied."""
        self.epoch = ""
        """Of the state that is here; empty before the first `synced`."""
        self.seq = -1
        """The newest update that is here; -1 before the first `synced`."""
        self.cursor = ""
        """To bring along when connecting again; empty: ask for a snapshot."""
        self.is_synced = False
        """Whether the state is whole, and not amid a snapshot or what was missed."""
        self.dropped = 0
        """Messages of low priority that were not sent, since the beginning."""
        self.replaced = 0
        """Messages of normal priority that newer ones stood in for, since the beginning."""

    def apply(self, message: Json) -> None:
        """Take one message in, as decoded from JSON. Types that are not known change nothing."""
        kind, data = str(message["type"]), message["data"]
        seq = message.get("seq")
        if seq is not None:
            self.seq = max(self.seq, seq)  # While behind, numbers go back too; what comes last is the newest.
        self._follow(kind, data)
        self._change(kind, data)

    def _follow(self, kind: str, data: Json) -> None:
        """Where in the stream this is."""
        match kind:
            case "connected":
                self.is_synced = False
                self.screens = {}  # A new connection watches nothing.
                if not data["resumed"]:
                    self.cursor = ""  # Cut amid the snapshot, what is here is a mixture that no cursor describes.
            case "synced":
                self.epoch, self.seq, self.cursor = data["epoch"], data["seq"], data["cursor"]
                self.is_synced = True
            case "cursor" | "draining":
                self.cursor = data["cursor"]
            case "lagged":
                self.seq = data["upto"]
                self.dropped += data["dropped"]
                self.replaced += data["replaced"]
            case _:
                pass

    def _change(self, kind: str, data: Json) -> None:
        """The things themselves. A snapshot message replaces all of its kind, an update one."""
        match kind:
            case "windows":
                self.windows = data["windows"]
                if data["panes"] is not None:
                    self._replace_panes(data["panes"])
            case "sessions" | "personas" | "projects" | "quests":
                setattr(self, kind, {thing["id"]: thing for thing in data[kind]})
            case "pane_update" | "session_update" | "persona_update" | "project_update" | "quest_update":
                thing = kind.removesuffix("_update")
                getattr(self, f"{thing}s")[data[thing]["id"]] = data[thing]
            case "pane_removed":
                self.panes.pop(data["pane_id"], None)
                self.screens.pop(data["pane_id"], None)
            case "session_removed":
                self.sessions.pop(data["session_id"], None)
            case "terminal_output":
                self.screens[data["pane_id"]] = data
            case "terminal_diff" if data["pane_id"] in self.screens:
                self.screens[data["pane_id"]] = _redrawn(self.screens[data["pane_id"]], data)
            case _:
                pass

    def _replace_panes(self, panes: list[Json]) -> None:
        self.is_synced = False
        self.panes = {pane["id"]: pane for pane in panes}
        self.screens = {pane_id: screen for pane_id, screen in self.screens.items() if pane_id in self.panes}


def _redrawn(screen: Json, diff: Json) -> Json:
    """A screen with a `terminal_diff` applied: scroll first, then put lines in their rows."""
    scroll = diff["scroll"]
    lines = [*screen["lines"][scroll:], *[""] * scroll]
    for row, text in diff["lines"].items():
        lines[int(row)] = text
    return screen | {"lines": lines, "cursor": diff["cursor"], "captured_at": diff["captured_at"]}
