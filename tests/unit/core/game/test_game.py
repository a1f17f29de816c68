import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import msgpack, structs

from services.contract.events import NewEvent, Source
from services.contract.game import ProjectKind, QuestStatus, Repository, Statistics
from services.contract.updates import AchievementUnlocked, PersonaUpdate, ProjectUpdate, QuestUpdate
from services.core.game import game as module
from services.core.game.game import Effects
from services.core.game.quests import QuestChanged, QuestCreated
from services.core.own_events import new_registry_change, new_repository_reading, new_zone
from services.core.rebuild import canonical
from services.core.state import Dump, State
from tests.unit.core.making import RUNS, TMUX, Log, entry, hook, recorded

HOUR = 3_600_000
NOON = 1_790_000_000_000 // 86_400_000 * 86_400_000 + 12 * HOUR
QUEST = "q" + "1" * 32
ACTIVE, FAILED = QuestStatus.ACTIVE, QuestStatus.FAILED

EARNED = {
    "agent": [("tool", "Agent", 1), ("turn", "The helper counted.", 5)],
    "bash_yes": [("tool", "Bash", 1), ("turn", "Done: the command ran.", 5)],
    "clear": [
        *[("turn", "Hello from the lab.", 5), ("tool", "Read", 1), ("tool", "Bash", 1)],
        ("turn", "Read it all.", 5),
    ],
    "commit": [("tool", "Bash", 1), ("commit", "master", 15), ("turn", "Committed.", 5)],
    "edit_yes": [("tool", "Write", 1), ("edit", "/home/lab/shop/notes.txt", 3), ("turn", "Wrote the notes.", 5)],
    "fail": [("turn", "It failed.", 5)],
    "interrupt": [],
    "plan_yes": [("tool", "ExitPlanMode", 1), ("turn", "Plan accepted.", 5)],
    "question_terminal": [("tool", "AskUserQuestion", 1), ("turn", "Thanks for the answer.", 5)],
    "remote_allow": [("tool", "Bash", 1), ("turn", "Done: the command ran.", 5)],
    "slow": [("turn", "word word word", 5)],
}
"""By recording, what a person who reads it would award; docs/game.md has it as a table."""


def add(log: Log, *events: NewEvent) -> list[Effects]:
    found: list[Effects] = []
    for event in events:
        log.events.append(event)
        effects = log.state.apply(len(log.events), event, log.is_first)
        for award in effects.awards:
            log.awards.setdefault(award.key, award.seq)
        found.append(effects)
    return found


def earned(effects: list[Effects]) -> list[tuple[str, str, int]]:
    return [(award.rule, award.reason, award.amount) for one in effects for award in one.awards]


def total(effects: list[Effects]) -> int:
    return sum(award.amount for one in effects for award in one.awards)


def call(call_id: str, at: int = NOON, tool: str = "Read", **fields: Any) -> NewEvent:
    return hook("PostToolUse", at, tool_name=tool, tool_use_id=call_id, **({"cwd": "/w"} | fields))


def prompt(at: int = NOON, **fields: Any) -> NewEvent:
    return hook("UserPromptSubmit", at, prompt="go on", **({"cwd": "/w", "prompt_id": f"t{at}"} | fields))


def stop(at: int = NOON, **fields: Any) -> NewEvent:
    return hook("Stop", at, last_assistant_message="Well.\nDone.", **({"cwd": "/w"} | fields))


def reading(folder: str = "/w", name: str = "shop", file_id: str = "1:2:3", **fields: Any) -> NewEvent:
    repository = Repository(
        folder=folder, path=f"/{name}", kind=ProjectKind.REPOSITORY, file_id=file_id, name=name, **fields
    )
    return new_repository_reading(f"r-{folder}-{random.random()}", NOON, repository)  # noqa: S311 - no secret


def registered(session: str, started_at: int, at: int) -> NewEvent:
    """The process 7, which began at a time, runs a session."""
    return new_registry_change(f"g{at}", at, entry(session=session, pid=7, at=at, started_at=started_at))


def quest(*phases: str, **fields: Any) -> NewEvent:
    made = QuestCreated(quest_id=QUEST, title="Ship", phases=phases, **fields)
    return command(made)


def command(payload: QuestCreated | QuestChanged) -> NewEvent:
    return NewEvent(
        id=f"c-{random.random()}",  # noqa: S311 - no secret
        name=type(payload).__name__,
        received_at=NOON,
        payload=msgspec.json.encode(payload),
        source=Source.API,
    )


# What a recording is worth.


@pytest.mark.parametrize("run", RUNS)
def test_a_recording_earns_what_a_person_who_reads_it_would_award(run: str) -> None:
    log = Log()

    found = earned(add(log, *recorded(run)))

    assert [
        (rule, reason[: len(told)], xp) for (rule, reason, xp), (_, told, _) in zip(found, EARNED[run], strict=True)
    ] == [*EARNED[run]]
    (persona,) = log.state.game.all_personas()
    assert persona.xp == sum(xp for _, _, xp in EARNED[run])


def test_the_table_in_the_docs_has_what_the_recordings_earn() -> None:
    page = (Path(__file__).parents[4] / "docs/game.md").read_text(encoding="utf-8")
    rows = [line.strip("| ").split("|") for line in page.partition("## What recordings earn")[2].splitlines()]
    table = {cells[0].strip(" `"): [cell.strip() for cell in cells[2:]] for cells in rows if len(cells) == 5}

    for run, earned_by_hand in EARNED.items():
        log = Log()
        add(log, *recorded(run))
        (persona,) = log.state.game.all_personas()
        awards, commits, xp = table[run]
        assert awards == ", ".join(f"`{rule}`" for rule, _, _ in earned_by_hand)
        assert (int(commits), int(xp)) == (persona.statistics.commits, persona.xp)
        assert (persona.statistics.tests, persona.statistics.pushes, persona.statistics.quests) == (0, 0, 0)


def test_a_session_has_its_persona_and_its_project() -> None:
    log = Log()
    add(log, hook("SessionStart", NOON, source="startup", cwd="/w"))
    (session,) = log.state.sessions() or (None,)
    assert session is None or session.persona_id is None

    add(log, prompt(), reading(), call("t1", NOON + 1))

    (session,) = log.state.sessions()
    (persona,), (project,) = log.state.game.all_personas(), log.state.game.all_projects()
    assert (session.persona_id, session.project_id) == (persona.id, project.id)
    assert persona.session_id == session.id
    assert persona.project_ids == (project.id,)
    assert [(one.persona_id, one.xp) for one in project.contributors] == [(persona.id, 1)]


# Once.


@pytest.mark.parametrize("run", RUNS)
def test_every_event_twice_under_another_id_awards_once(run: str) -> None:
    once, twice = Log(), Log()
    add(once, *recorded(run))
    for event in recorded(run):
        add(twice, event, structs.replace(event, id=f"{event.id}-again"))

    (alone,), (both,) = once.state.game.all_personas(), twice.state.game.all_personas()

    assert (both.xp, both.badges, both.statistics.commits) == (alone.xp, alone.badges, alone.statistics.commits)
    assert structs.replace(both.statistics, prompts=0, worked_ms=0) == structs.replace(
        alone.statistics, prompts=0, worked_ms=0
    )


@settings(max_examples=60)
@given(st.data())
def test_any_events_again_at_any_time_award_nothing_more(data: st.DataObject) -> None:
    run = data.draw(st.sampled_from(RUNS))
    log = Log()
    events = list(recorded(run))
    before = total(add(log, *events))
    again = data.draw(st.lists(st.sampled_from(events), max_size=30))

    assert total(add(log, *(structs.replace(event, id=f"{event.id}-{n}") for n, event in enumerate(again)))) == 0
    assert sum(persona.xp for persona in log.state.game.all_personas()) == before


@settings(max_examples=60)
@given(st.data())
def test_a_kill_at_any_moment_changes_nothing(data: st.DataObject) -> None:
    """From a checkpoint anywhere the log is applied again, over the ledger as it is by then: the same state."""
    events = [event for run in data.draw(st.lists(st.sampled_from(RUNS), min_size=1, max_size=3, unique=True))
              for event in recorded(run)]  # fmt: skip
    events += [reading("/home/lab/shop"), new_zone("z", NOON, "Europe/Berlin"), quest("one")]
    random.Random(data.draw(st.integers(0, 99))).shuffle(events)  # noqa: S311 - no secret
    cut = data.draw(st.integers(0, len(events)))
    log = Log()
    first = add(log, *events[:cut])
    kept = msgpack.encode(log.state.dump())
    rest = add(log, *events[cut:])

    again = State(msgpack.decode(kept, type=Dump))
    same = [again.apply(cut + n, event, log.is_first) for n, event in enumerate(events[cut:], 1)]

    assert canonical(again) == canonical(log.state)
    assert same == rest
    assert total(first) + total(rest) == sum(persona.xp for persona in log.state.game.all_personas())


def test_calls_beyond_the_days_limit_are_counted_and_earn_nothing() -> None:
    log = Log()

    found = add(log, *(call(f"t{n}", NOON + n) for n in range(310)))

    assert total(found) == 300
    (persona,) = log.state.game.all_personas()
    assert persona.statistics.tools == 310


# Projects.


def test_what_was_done_before_its_folder_was_read_goes_to_the_project() -> None:
    log = Log()
    before = add(log, prompt(), call("t1"), stop(NOON + 5))
    assert log.state.game.projects.unplaced == ("/w",)
    assert all(award.project_id is None and award.folder == "/w" for one in before for award in one.awards)

    (effects,) = add(log, reading())

    (placed,) = effects.placed
    (project,) = log.state.game.all_projects()
    assert (placed.folder, placed.project_id) == ("/w", project.id)
    assert not log.state.game.projects.unplaced
    assert (project.xp, project.statistics.tools, project.statistics.turns) == (6, 1, 1)
    (session,) = log.state.sessions()
    assert session.project_id == project.id


def test_two_projects_share_nothing() -> None:
    log = Log()
    add(log, reading("/a", "a", "1:1:1"), reading("/b", "b", "1:2:1"))
    add(log, prompt(cwd="/a"), call("t1", cwd="/a"), call("t2", cwd="/b", session="s2"), stop(NOON + 1, cwd="/a"))

    a, b = log.state.game.all_projects()

    assert (a.statistics.tools, a.statistics.turns, a.xp) == (1, 1, 6)
    assert (b.statistics.tools, b.statistics.turns, b.xp) == (1, 0, 1)
    assert not {one.persona_id for one in a.contributors} & {one.persona_id for one in b.contributors}


# Personas.


def test_clear_in_the_registry_keeps_the_persona() -> None:
    log = Log()
    add(log, registered("s1", 5, NOON), call("t1", NOON + 1))
    add(log, registered("s2", 5, NOON + 2), call("t2", NOON + 3, session="s2"))

    (persona,) = log.state.game.all_personas()
    assert (persona.xp, persona.session_id) == (2, "s2")


def test_a_number_that_another_process_got_is_no_clear() -> None:
    log = Log()
    add(log, registered("s1", 5, NOON), call("t1", NOON + 1))
    add(log, registered("s2", 6, NOON + 2), call("t2", NOON + 3, session="s2"))

    assert len(log.state.game.all_personas()) == 2


def test_clear_by_hooks_in_a_pane_keeps_the_persona() -> None:
    log = Log()
    here: dict[str, Any] = {"pane": "%1", "tmux": TMUX}
    add(log, prompt(**here), stop(NOON + 1, **here))
    add(log, hook("SessionEnd", NOON + 2, reason="clear", **here))
    add(
        log,
        hook("SessionStart", NOON + 3, source="clear", session="s2", **here),
        prompt(NOON + 4, session="s2", **here),
    )

    assert len(log.state.game.all_personas()) == 1


def test_a_session_that_only_starts_and_ends_makes_no_persona() -> None:
    log = Log()
    add(log, hook("SessionStart", NOON, source="startup"), hook("SessionEnd", NOON + 1, reason="other"))

    assert log.state.game.all_personas() == ()


# Quests.


def test_a_quest_that_a_person_completes_is_the_projects() -> None:
    log = Log()
    add(log, reading())
    (project,) = log.state.game.all_projects()
    add(log, quest(project_id=project.id))
    add(log, command(QuestChanged(quest_id=QUEST, status=QuestStatus.ACTIVE)))

    found = add(log, command(QuestChanged(quest_id=QUEST, status=QuestStatus.COMPLETED)))

    assert [(award.rule, award.persona_id, award.session_id, award.project_id) for award in found[0].awards] == [
        ("quest", "", "", project.id)
    ]
    (after,) = log.state.game.all_projects()
    assert (after.xp, after.statistics.quests) == (project.xp + 50, 1)
    assert [entry.kind for entry in found[0].journal] == ["quest"]
    assert total(add(log, command(QuestChanged(quest_id=QUEST, status=QuestStatus.ARCHIVED)))) == 0


def test_tasks_drive_a_quest_of_their_project_and_earn_its_phases_once() -> None:
    log = Log()
    add(log, reading())
    (project,) = log.state.game.all_projects()
    add(log, quest(project_id=project.id, follows_tasks=True))
    add(log, command(QuestChanged(quest_id=QUEST, status=QuestStatus.ACTIVE)))
    task: dict[str, Any] = {"task_id": "1", "task_subject": "Write it", "cwd": "/w"}

    add(log, prompt(), hook("TaskCreated", NOON + 1, **task))
    done = add(log, hook("TaskCompleted", NOON + 2, **task), hook("TaskCompleted", NOON + 3, **task))

    (now,) = log.state.game.quests.all()
    assert [(phase.title, phase.status) for phase in now.phases] == [("Write it", "completed")]
    assert [(rule, xp) for rule, _, xp in earned(done) if rule.startswith("quest")] == [("quest_phase", 20)]
    (persona,) = log.state.game.all_personas()
    assert persona.xp == 20


def test_a_quest_counts_for_those_whose_tasks_made_it() -> None:
    log = Log()
    add(log, reading())
    (project,) = log.state.game.all_projects()
    add(log, quest(project_id=project.id, follows_tasks=True))
    add(log, command(QuestChanged(quest_id=QUEST, status=QuestStatus.ACTIVE)))
    task: dict[str, Any] = {"task_id": "1", "task_subject": "Write it", "cwd": "/w"}
    add(log, hook("TaskCreated", NOON + 1, **task), hook("TaskCompleted", NOON + 2, **task), call("o", session="s2"))

    (done,) = add(log, command(QuestChanged(quest_id=QUEST, status=QuestStatus.COMPLETED)))

    worker, other = log.state.game.all_personas()
    assert (worker.statistics.quests, other.statistics.quests) == (1, 0)
    assert "quest-complete" in {badge.id for badge in worker.badges}
    assert [(one.kind, one.persona_id) for one in done.journal] == [("quest", ""), ("achievement", worker.id)]
    assert [award.persona_id for award in done.awards] == [""]


# Days.


def test_a_streak_runs_over_the_persons_midnight_and_a_change_of_clocks() -> None:
    """In Berlin, 2026-10-25 has 25 hours: 22:30 UTC is before midnight, 23:30 UTC after it."""
    log = Log()
    add(log, new_zone("z", 0, "Europe/Berlin"))
    evening = 1_792_967_400_000  # 2026-10-25 22:30 UTC, 23:30 in Berlin.

    add(log, call("t1", evening), call("t2", evening + HOUR))

    (persona,) = log.state.game.all_personas()
    assert persona.streak_days == 2
    utc = Log()
    add(utc, call("t1", evening), call("t2", evening + HOUR))
    (persona,) = utc.state.game.all_personas()
    assert persona.streak_days == 1


def test_a_zone_that_this_machine_does_not_know_is_utc() -> None:
    log = Log()
    add(log, new_zone("z", 0, "Moon/Tycho"), call("t1"))

    assert log.state.game.zone == "Moon/Tycho"
    assert log.state.game.calendar.zone == "UTC"


# The journal and updates.


def test_the_journal_has_what_a_report_tells() -> None:
    log = Log()
    found = add(
        log,
        reading(),
        prompt(),
        call("t1", tool="Write", tool_input={"file_path": "/w/a", "content": "x"}),
        call("t2", tool="Bash", tool_input={"command": "pytest"}, tool_response={"stdout": "1 passed"}),
        stop(NOON + 9),
        stop(NOON + 10),
        prompt(NOON + 15),
        hook("StopFailure", NOON + 20, error="rate_limit", cwd="/w"),
        hook("StopFailure", NOON + 20, error="rate_limit", cwd="/w"),
    )

    entries = [entry for one in found for entry in one.journal if entry.kind != "achievement"]
    assert [(entry.kind, entry.text) for entry in entries] == [
        ("edit", "/w/a"),
        ("test", "pytest"),
        ("finished", "Done."),
        ("failed", "rate_limit"),
    ]
    assert {entry.persona_id for entry in entries} == {log.state.game.all_personas()[0].id}
    assert {entry.project_id for entry in entries} == {log.state.game.all_projects()[0].id}


def test_updates_are_told_once_as_they_are_now() -> None:
    log = Log()
    add(log, reading(), prompt(), call("t1"), call("t2", NOON + 1), stop(NOON + 2), quest("one"))

    at_once, at_leisure = log.state.game.take_updates(), log.state.game.take_standings()

    assert {type(message) for message in at_once} <= {QuestUpdate, AchievementUnlocked}
    assert [message.quest.title for message in at_once if isinstance(message, QuestUpdate)] == ["Ship"]
    assert [type(message) for message in at_leisure] == [PersonaUpdate, ProjectUpdate]
    (persona,) = [message.persona for message in at_leisure if isinstance(message, PersonaUpdate)]
    assert (persona.xp, persona.statistics) == (7, Statistics(prompts=1, turns=1, tools=2, worked_ms=2))
    assert log.state.game.take_updates() == log.state.game.take_standings() == []


def test_nobody_is_told_what_a_replay_brought() -> None:
    log = Log()
    add(log, reading(), *recorded("commit"), quest("one"))

    log.state.forget_updates()

    assert log.state.take_updates() == log.state.game.take_standings() == []


def test_an_achievement_is_unlocked_once_and_announced() -> None:
    log = Log()
    add(log, *recorded("commit"))
    first = [one for one in log.state.game.take_updates() if isinstance(one, AchievementUnlocked)]
    add(log, call("more", NOON))

    assert "first-commit" in {one.badge.id for one in first} or first
    assert len({one.badge.id for one in first}) == len(first)
    assert not [
        one
        for one in log.state.game.take_updates()
        if isinstance(one, AchievementUnlocked) and one.badge.id in {before.badge.id for before in first}
    ]


def test_what_rested_long_is_left_out_of_the_recent_ones() -> None:
    log = Log()
    add(log, reading("/a", "a", "1:1:1"), call("t1", NOON, cwd="/a"), call("t2", NOON + 5, session="s2", cwd="/a"))

    game = log.state.game
    assert [persona.session_id for persona in game.personas_since(NOON)] == ["s2", "s1"]
    assert [persona.session_id for persona in game.personas_since(NOON + 1)] == ["s2"]
    assert [project.name for project in game.projects_since(NOON + 5)] == ["a"]
    assert not game.personas_since(NOON + 6)
    assert not game.projects_since(NOON + 6)


def test_a_quest_that_is_over_is_left_out_in_time() -> None:
    log = Log()
    add(log, quest())
    assert len(log.state.game.quests_since(NOON + 1)) == 1

    add(log, *(command(QuestChanged(quest_id=QUEST, status=status)) for status in (ACTIVE, FAILED)))

    assert len(log.state.game.quests_since(NOON)) == 1
    assert log.state.game.quests_since(NOON + 1) == ()


def test_a_snapshot_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_RECENT", 2)
    log = Log()
    add(log, *(call("t", NOON + n, session=f"s{n}", cwd=f"/w{n}") for n in range(4)))

    assert [persona.session_id for persona in log.state.game.personas_since(0)] == ["s3", "s2"]
