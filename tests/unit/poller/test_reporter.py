from hypothesis import given
from hypothesis import strategies as st

from services.contract.entities import TmuxServer
from services.contract.requests import ReportTmux, SeenPane, SeenWindow, Taken
from services.poller.reporter import Reporter
from services.poller.sight import NOTHING, View

SERVER = TmuxServer(socket="/s", pid=7, started_at=1000, version="3.3a")


def window(number: int, name: str = "w") -> SeenWindow:
    return SeenWindow(
        id=f"@{number}", tmux_session_id="$0", tmux_session="s", index=number, name=name, active=True, layout=""
    )


def pane(number: int, title: str = "") -> SeenPane:
    return SeenPane(
        id=f"%{number}",
        window_id="@1",
        index=number,
        active=True,
        title=title,
        command="sh",
        cwd="/",
        pid=number,
        width=80,
        height=24,
        dead=False,
    )


def view(*panes: SeenPane, windows: tuple[SeenWindow, ...] = (window(1),), pid: int = 7) -> View:
    server = TmuxServer(socket="/s", pid=pid, started_at=1000, version="3.3a")
    return View(server=server, windows=windows, panes=panes)


class FakeCore:
    """Takes reports as core does: a change only of the report it has."""

    def __init__(self) -> None:
        self.is_there = True
        self.reports: list[ReportTmux] = []
        self.revision: int | None = None
        self.panes: dict[str, SeenPane] = {}
        self.windows: tuple[SeenWindow, ...] = ()

    async def ask(self, request: ReportTmux) -> Taken | None:
        if not self.is_there or (request.after is not None and request.after != self.revision):
            return None
        self.reports.append(request)
        self.revision = request.revision
        if request.after is None:
            self.panes = {}
        self.panes |= {pane.id: pane for pane in request.panes}
        for pane_id in request.gone:
            del self.panes[pane_id]
        if request.windows is not None:
            self.windows = request.windows
        return Taken(epoch="a")


async def test_the_first_report_is_whole_and_the_next_only_what_changed() -> None:
    core = FakeCore()
    reporter = Reporter(core, lambda: 5)
    await reporter.report(view(pane(1), pane(2)))
    await reporter.report(view(pane(1), pane(2)))
    await reporter.report(view(pane(1), pane(3, "new")))

    whole, change = core.reports
    assert (whole.after, len(whole.panes)) == (None, 2)
    assert change == ReportTmux(
        at=5, server=SERVER, windows=None, panes=(pane(3, "new"),), gone=("%2",), revision=2, after=whole.revision
    )


async def test_windows_go_along_when_one_of_them_changed() -> None:
    core = FakeCore()
    reporter = Reporter(core, lambda: 5)
    await reporter.report(view(pane(1)))
    await reporter.report(view(pane(1), windows=(window(1, "other"),)))

    assert core.reports[-1].windows == (window(1, "other"),)
    assert core.reports[-1].panes == ()


async def test_a_report_that_was_not_taken_is_followed_by_a_whole_one() -> None:
    core = FakeCore()
    reporter = Reporter(core, lambda: 5)
    await reporter.report(view(pane(1)))
    core.is_there = False
    await reporter.report(view(pane(2)))
    core.is_there = True
    await reporter.report(view(pane(2)))

    assert core.reports[-1].after is None
    assert reporter.reports == 2


async def test_a_core_that_has_another_report_gets_a_whole_one() -> None:
    core = FakeCore()
    reporter = Reporter(core, lambda: 5)
    await reporter.report(view(pane(1)))
    core.revision = None
    await reporter.report(view(pane(2)))
    await reporter.report(view(pane(2)))

    assert core.reports[-1].after is None
    assert core.panes == {"%2": pane(2)}


async def test_a_core_that_may_have_nothing_gets_a_whole_one() -> None:
    core = FakeCore()
    reporter = Reporter(core, lambda: 5)
    await reporter.report(view(pane(1)))
    reporter.forget()
    await reporter.report(view(pane(1)))

    assert [report.after for report in core.reports] == [None, None]


async def test_another_server_is_told_whole_and_so_is_none() -> None:
    core = FakeCore()
    reporter = Reporter(core, lambda: 5)
    await reporter.report(view(pane(1)))
    await reporter.report(view(pane(1), pid=8))
    await reporter.report(NOTHING)

    assert [report.after for report in core.reports] == [None, None, None]
    assert core.reports[-1].server is None


@given(
    st.lists(
        st.tuples(
            st.dictionaries(st.integers(1, 4), st.sampled_from("ab"), max_size=4), st.sampled_from("xy"), st.booleans()
        )
    )
)
async def test_core_has_what_tmux_shows_after_any_changes(looks: list[tuple[dict[int, str], str, bool]]) -> None:
    core = FakeCore()
    reporter = Reporter(core, lambda: 5)
    for titles, name, is_there in looks:
        seen = view(*(pane(number, title) for number, title in titles.items()), windows=(window(1, name),))
        core.is_there = is_there
        await reporter.report(seen)
        core.is_there = True
        await reporter.report(seen)

        assert core.panes == {one.id: one for one in seen.panes}
        assert core.windows == seen.windows
