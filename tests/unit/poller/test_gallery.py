from collections.abc import Sequence

import pytest

from services.contract import codec
from services.poller.gallery import Gallery
from services.poller.observer import Observer, RawCapture
from services.poller.tmux import NoSuchTargetError


class FakeObserver(Observer):
    def __init__(self) -> None:
        self.screens = {"%1": b"one", "%2": b"two"}
        self.meta = ""

    async def capture(self, pane_ids: Sequence[str]) -> dict[str, RawCapture]:
        return {
            pane_id: RawCapture(self.meta or f"{pane_id} 8 1 0 0 1 0", self.screens[pane_id])
            for pane_id in pane_ids
            if pane_id in self.screens
        }


class Clock:
    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        self.now += 1
        return self.now


async def test_only_what_core_does_not_have_is_news() -> None:
    tmux = FakeObserver()
    gallery = Gallery(tmux, Clock())
    first = gallery.news(await gallery.capture(["%1", "%2"]))
    tmux.screens["%2"] = b"three"
    second = gallery.news(await gallery.capture(["%1", "%2", "%9"]))

    assert [seen.pane_id for seen in first] == ["%1", "%2"]
    assert [(seen.pane_id, codec.decode_screen(seen.screen).lines) for seen in second] == [("%2", ("three",))]
    assert gallery.captures == 4


async def test_everything_is_news_to_a_core_that_has_nothing_and_a_pane_that_came_back_too() -> None:
    gallery = Gallery(FakeObserver(), Clock())
    gallery.news(await gallery.capture(["%1", "%2"]))
    gallery.keep_only(frozenset({"%1"}))
    assert [seen.pane_id for seen in gallery.news(await gallery.capture(["%1", "%2"]))] == ["%2"]

    gallery.forget()
    assert len(gallery.news(await gallery.capture(["%1", "%2"]))) == 2


async def test_one_that_is_not_understood_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    tmux = FakeObserver()
    tmux.meta = "%1 rubbish"

    assert await Gallery(tmux, Clock()).capture(["%1"]) == []
    assert "not understood" in caplog.text


async def test_one_screen_is_had_or_its_pane_is_gone() -> None:
    gallery = Gallery(FakeObserver(), Clock())

    assert (await gallery.capture_one("%1")).lines == ("one",)
    with pytest.raises(NoSuchTargetError):
        await gallery.capture_one("%9")
