import json

from services.contract.events import Source
from services.core.own_events import new_dismissal, new_tmux_event


def test_a_dismissal_names_who_and_what() -> None:
    event = new_dismissal("a1", "127.0.0.1 curl/8", "s1", "%3", at=7, session_at=5)

    assert (event.id, event.name, event.source) == ("dismiss-a1", "Dismissed", Source.API)
    assert (event.session_id, event.pane_id, event.received_at, event.sent_at) == ("s1", "%3", 7, 5)
    assert json.loads(event.payload) == {"hook_event_name": "Dismissed", "session_id": "s1", "by": "127.0.0.1 curl/8"}


def test_the_same_action_is_the_same_event() -> None:
    one, other = (new_dismissal("a1", "me", "s1", "%3", at=at, session_at=at) for at in (1, 2))

    assert one.id == other.id


def test_a_change_of_tmux_is_no_hook() -> None:
    event = new_tmux_event("t1", 7, b"{}")

    assert (event.name, event.source, event.received_at) == ("TmuxReport", Source.TMUX, 7)
