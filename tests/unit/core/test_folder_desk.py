import pytest

from services.contract.game import ProjectKind, Repository
from services.contract.orders import Order, ReadFolders
from services.core.folder_desk import ASK_AGAIN_S, MAX_FOLDERS, FolderDesk
from services.core.own_events import new_repository_reading
from services.core.poller_link import PollerLink
from tests.unit.core.making import Log, hook


class Orders:
    """The way to pollers that are there."""

    def __init__(self) -> None:
        self.told: list[Order] = []

    def order(self, _peer: bytes, order: Order) -> bool:
        self.told.append(order)
        return True


class Stage:
    """A desk over a log with work in some folders."""

    def __init__(self) -> None:
        self.log, self.orders = Log(), Orders()
        self.link = PollerLink(self.orders)
        self.desk = FolderDesk(self.log.state, self.link)

    def work(self, *folders: str) -> None:
        for n, folder in enumerate(folders):
            self.log.add(hook("PostToolUse", n, tool_name="Read", tool_use_id=folder, cwd=folder))

    def asked(self, clock_s: float) -> list[str]:
        self.orders.told.clear()
        self.desk.tell_poller(clock_s)
        return [folder for order in self.orders.told if isinstance(order, ReadFolders) for folder in order.folders]


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_a_folder_with_work_that_nobody_read_is_asked_for_once(stage: Stage) -> None:
    stage.link.reported(b"p")
    assert stage.asked(0.0) == []

    stage.work("/a", "/b", "/a")

    assert stage.asked(1.0) == ["/a", "/b"]
    assert stage.asked(2.0) == []


def test_one_that_stays_unread_is_asked_for_again(stage: Stage) -> None:
    stage.link.reported(b"p")
    stage.work("/a")
    stage.asked(1.0)

    assert stage.asked(1.0 + ASK_AGAIN_S - 0.1) == []
    assert stage.asked(1.0 + ASK_AGAIN_S) == ["/a"]


def test_one_that_was_read_is_not_asked_for_again(stage: Stage) -> None:
    stage.link.reported(b"p")
    stage.work("/a", "/b")
    stage.asked(1.0)
    reading = Repository(folder="/a", path="/a", kind=ProjectKind.FOLDER, file_id="1:2:3", name="a")
    stage.log.add(new_repository_reading("r", 1, reading))

    assert stage.asked(1.0 + ASK_AGAIN_S) == ["/b"]


def test_what_was_read_is_forgotten(stage: Stage) -> None:
    stage.link.reported(b"p")
    stage.work("/a", "/b")
    stage.asked(1.0)
    stage.log.add(
        new_repository_reading(
            "r", 1, Repository(folder="/a", path="/a", kind=ProjectKind.FOLDER, file_id="1:2:3", name="a")
        )
    )
    stage.work("/c")
    stage.asked(2.0)

    assert set(stage.desk._asked) == {"/b", "/c"}


def test_another_poller_is_asked_for_all_again(stage: Stage) -> None:
    stage.work("/a")
    assert stage.asked(1.0) == []

    stage.link.reported(b"p")
    assert stage.asked(2.0) == ["/a"]
    stage.link.reported(b"q")
    assert stage.asked(3.0) == ["/a"]


def test_an_order_is_bounded(stage: Stage) -> None:
    stage.link.reported(b"p")
    stage.work(*(f"/f{n}" for n in range(MAX_FOLDERS + 3)))

    assert len(stage.asked(1.0)) == MAX_FOLDERS
    assert len(stage.asked(2.0)) == 3
