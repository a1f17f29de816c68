"""A registry and rules for screens, as the desk of signs needs them."""

from services.contract.entities import Confidence, Reading, RegistryEntry, Screen, StatusName


class Folder:
    """A registry of processes."""

    def __init__(self) -> None:
        self.entries: dict[int, RegistryEntry] = {}

    def put(self, *entries: RegistryEntry) -> None:
        self.entries = {one.pid: one for one in entries}

    def scan(self) -> dict[int, RegistryEntry]:
        return dict(self.entries)


class FirstLine:
    """Rules by which the first line of a screen is its meaning."""

    def __init__(self) -> None:
        self.version = 1
        self.reads: list[int] = []

    def read(self, agent: str, screen: Screen) -> Reading | None:
        assert agent == "claude"
        self.reads.append(screen.captured_at)
        word = screen.lines[0]
        if word not in set(StatusName):
            return None
        return Reading(
            pane_id=screen.pane_id,
            captured_at=screen.captured_at,
            rule=f"claude/{word}",
            says=StatusName(word),
            confidence=Confidence.STRONG,
        )
