import json
from itertools import takewhile

from services.cli.demo.cast import seats
from services.cli.demo.recordings import find_recordings
from services.cli.demo.repertoire import Repertoire
from services.cli.demo.score import Kind


def test_an_agent_plays_turn_after_turn_each_in_a_session_of_its_own() -> None:
    repertoire = Repertoire(find_recordings())
    for seat in seats(12):
        steps = list(takewhile(lambda row: row[0] < 200, repertoire.performance(seat)))
        starts = [json.loads(step.text)["source"] for _, step in steps if step.name == "SessionStart"]
        prompts = sum(step.name == "UserPromptSubmit" for _, step in steps)

        assert starts[0] == "startup"
        assert set(starts[1:]) == {"clear"}
        assert prompts >= 3
        assert [due_s for due_s, _ in steps] == sorted(due_s for due_s, _ in steps)
        assert steps[0][1].kind is Kind.BEGIN
