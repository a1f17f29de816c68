from services.contract.game import Badge, Quest, QuestStatus
from services.core.game.deeds import Deed, DeedKind
from services.core.game.earnings import Credit
from services.core.game.journal import TEXT_CHARS, JournalEntry, badges_entry, entries_of, quest_entry

CREDIT = Credit(persona_id="p1", project_id="r1", day=9)


def deed(kind: DeedKind, detail: str = "") -> Deed:
    return Deed(kind=kind, at=5, session_id="s1", event_id="e1", key="k", detail=detail, cwd="/w")


def test_an_entry_says_who_did_what_and_where() -> None:
    assert entries_of(3, [deed(DeedKind.COMMIT, "main")], CREDIT) == [
        JournalEntry(
            seq=3,
            kind="commit",
            at=5,
            day=9,
            session_id="s1",
            persona_id="p1",
            project_id="r1",
            folder="/w",
            text="main",
        )
    ]


def test_calls_and_prompts_are_not_told() -> None:
    assert entries_of(3, [deed(DeedKind.TOOL), deed(DeedKind.PROMPT), deed(DeedKind.TASK_CREATED)], CREDIT) == []


def test_an_event_has_one_entry_of_each_kind() -> None:
    done = [deed(DeedKind.TOOL), deed(DeedKind.COMMIT, "a"), deed(DeedKind.COMMIT, "b"), deed(DeedKind.PUSH, "a")]

    assert [(entry.kind, entry.text) for entry in entries_of(3, done, CREDIT)] == [("commit", "a"), ("push", "a")]


def test_what_one_event_unlocks_is_one_entry() -> None:
    badges = [Badge(id=f"b{n}", title=f"{'Long ' * 50}{n}", rarity="rare", unlocked_at=5) for n in range(3)]

    entry = badges_entry(3, 5, badges, "s1", CREDIT)

    assert (entry.kind, entry.persona_id, len(entry.text)) == ("achievement", "p1", TEXT_CHARS)


def test_a_quest_is_told_by_its_title() -> None:
    quest = Quest(id="q1", title="Ship", description="", status=QuestStatus.COMPLETED, created_at=1, changed_at=5)

    assert quest_entry(3, 5, quest, "", CREDIT).text == "Ship"
