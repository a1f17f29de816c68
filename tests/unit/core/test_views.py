import pytest
from msgspec import structs

from services.contract.entities import Evidence, Status, StatusName, WaitingFor
from services.core.fusion import Verdict
from services.core.game.earnings import Award
from services.core.session_state import SessionState
from services.core.timeline import Timeline
from services.core.turn import Call, Turn
from services.core.views import REASON_CHARS, SAME_MS, attention, kept_event, pane_view, session_view, xp_gain
from services.core.witnesses import Listed
from tests.unit.core.making import entry, hook, pane

HOOK = Evidence(source="hook", rule="Stop", at=1, event_id="e")
REGISTRY = Evidence(source="registry", rule="idle", at=1, event_id="e")


def session(status: Status, **turn: object) -> SessionState:
    kept = SessionState(verdict=Verdict(status=status))
    kept.timeline = Timeline(turn=structs.replace(Turn(), **turn))
    return kept


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        (Status(name=StatusName.WORKING, since=1), Status(name=StatusName.IDLE, since=2, unseen=True), "finished"),
        (Status(name=StatusName.WORKING, since=1), Status(name=StatusName.IDLE, since=2), None),
        (
            Status(name=StatusName.WORKING, since=1),
            Status(name=StatusName.WAITING, since=2, waiting_for=WaitingFor.PLAN),
            "plan",
        ),
        (
            Status(name=StatusName.WORKING, since=1),
            Status(name=StatusName.ERROR, since=2, error="overloaded"),
            "overloaded",
        ),
        (Status(name=StatusName.WORKING, since=1), Status(name=StatusName.ERROR, since=2), "unknown"),
        (Status(name=StatusName.WORKING, since=1), Status(name=StatusName.ENDED, since=2), None),
        # A turn that began and ended within one batch.
        (Status(name=StatusName.IDLE, since=1), Status(name=StatusName.IDLE, since=2, unseen=True), "finished"),
        # Only now it is known that it finished: the registry was ahead of the hook.
        (Status(name=StatusName.IDLE, since=1), Status(name=StatusName.IDLE, since=1, unseen=True), "finished"),
        (
            Status(name=StatusName.IDLE, since=1, evidence=REGISTRY),
            Status(name=StatusName.IDLE, since=2, unseen=True, evidence=HOOK),
            "finished",
        ),
        (Status(name=StatusName.IDLE, since=1, unseen=True), Status(name=StatusName.IDLE, since=1), None),
        # The same thing, told by two.
        (
            Status(name=StatusName.IDLE, since=1, unseen=True, evidence=REGISTRY),
            Status(name=StatusName.IDLE, since=1 + SAME_MS, unseen=True, evidence=HOOK),
            None,
        ),
        (
            Status(name=StatusName.IDLE, since=1, unseen=True, evidence=REGISTRY),
            Status(name=StatusName.IDLE, since=2 + SAME_MS, unseen=True, evidence=HOOK),
            "finished",
        ),
        (
            Status(name=StatusName.IDLE, since=1, unseen=True, evidence=HOOK),
            Status(name=StatusName.IDLE, since=2, unseen=True, evidence=HOOK),
            "finished",
        ),
    ],
    ids=repr,
)
def test_what_a_person_is_told(before: Status, after: Status, reason: str | None) -> None:
    told = attention(before, session_view("s1", session(after), None, None))

    assert [one.reason for one in told] == ([] if reason is None else [reason])


def test_the_registry_adds_what_hooks_have_not_told() -> None:
    idle = Status(name=StatusName.IDLE, since=1)
    listed = Listed(entry=entry("idle", pid=9, pane_id="%3", cwd="/registry", kind="bg"))

    bare = session_view("s1", session(idle), "%3", listed)
    assert (bare.pid, bare.pane_id, bare.cwd, bare.kind) == (9, "%3", "/registry", "bg")

    told = session_view("s1", session(idle, pane_id="%1", cwd="/hook"), "%3", listed)
    assert (told.pane_id, told.cwd) == ("%3", "/hook")


def test_a_tool_is_named_only_while_it_runs() -> None:
    calls = (Call(id="c1", tool_name="Bash"),)

    working = session_view("s1", session(Status(name=StatusName.WORKING, since=1), calls=calls), None, None)
    stopped = session_view("s1", session(Status(name=StatusName.IDLE, since=1), calls=calls), None, None)

    assert (working.tool, stopped.tool) == ("Bash", None)


def test_a_large_payload_is_left_out() -> None:
    event = hook("Stop", 5, note="x" * 100)

    assert kept_event(7, event, 10).payload is None
    whole = kept_event(7, event, 1_000)
    assert (whole.seq, whole.name, bytes(whole.payload or b"")) == (7, "Stop", event.payload)


def test_a_pane_has_the_status_of_what_is_in_it() -> None:
    status = Status(name=StatusName.IDLE, since=1)

    shown = pane_view(pane("%4", title="t"), "s1", status)

    assert (shown.id, shown.title, shown.session_id, shown.status) == ("%4", "t", "s1", status)


def test_what_one_event_earned_is_one_gain() -> None:
    def award(rule: str, amount: int, reason: str) -> Award:
        return Award(
            key=rule,
            seq=1,
            at=1,
            day=1,
            session_id="s1",
            persona_id="p1",
            project_id=None,
            folder="/w",
            amount=amount,
            rule=rule,
            reason=reason,
        )

    gain = xp_gain("s1", (award("tool", 1, "Write"), award("edit", 3, "/w/a"), award("streak", 10, "")), 44)

    assert (gain.amount, gain.total, gain.reason) == (14, 44, "tool: Write, edit: /w/a, streak")
    assert (gain.session_id, gain.persona_id, gain.project_id) == ("s1", "p1", None)
    assert len(xp_gain("s1", (award("edit", 3, "x" * 999),), 3).reason) == REASON_CHARS
