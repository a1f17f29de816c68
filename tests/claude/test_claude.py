"""What a client is told of a real Claude Code, step by step, against what its screen shows."""

import os
import re
import signal
import sys
from collections.abc import Mapping
from typing import Any

from tests.claude.messages_api import Refusal, Text, Tools, call
from tests.claude.pane import POINTER
from tests.claude.play import ENDED, ERROR, IDLE, WORKING, Play, resting, waiting
from tests.waiting import wait_until

PERMISSION = r"Do you want to (?:proceed|create|make)"
ASKING = rf"{PERMISSION}|Waiting for permission…"
"""The latter stands there for half a second before the dialog is drawn."""
BUSY = r"esc to interrupt"
INTERRUPTED = r"Interrupted · What should Claude do"
CLEARED = rf"^{POINTER} /clear$"
PLAN_FILE = re.compile(r"/[^\s\"\\`]*/\.claude/plans/[\w.-]+\.md")
QUESTION = {
    "question": "Which colour?",
    "header": "Colour",
    "multiSelect": False,
    "options": [{"label": "Red", "description": "Warm"}, {"label": "Blue", "description": "Cold"}],
}


def bash(command: str, **more: Any) -> Tools:
    return call("Bash", command=command, description="A command", **more)


def pause(seconds: int) -> str:
    """A command that takes so long; `sleep` alone is refused by the tool."""
    return f"{sys.executable} -c 'import time; time.sleep({seconds})'"


def begin(play: Play) -> None:
    play.pane.start_claude()
    play.sees("an empty input box", IDLE, screen=r"manual mode on", without=BUSY)


def say(play: Play, name: str) -> None:
    play.pane.type(f"please {name} now")


def row_of(play: Play, label: str) -> str:
    """The number of the dialog's row that begins so."""
    row = re.search(rf"^[ {POINTER}]*(\d)\. {label}", play.pane.screen(), re.MULTILINE)
    assert row is not None, play.pane.screen()
    return row[1]


def test_yes(play: Play) -> None:
    play.api.script("do-yes", bash(pause(4)), Text("It is made."))
    begin(play)
    say(play, "do-yes")
    play.sees("a permission dialog", waiting("permission"), screen=PERMISSION, stays_s=1)
    play.pane.answer("Enter", PERMISSION)
    play.sees("the command runs", WORKING, screen=BUSY, without=ASKING, stays_s=1.5)
    play.sees("the answer", IDLE, screen=r"It is made\.", without=BUSY, stays_s=1)
    play.check()


def test_esc_on_a_permission(play: Play) -> None:
    play.api.script("do-esc", bash("touch made"), Text("Never said."))
    begin(play)
    say(play, "do-esc")
    play.sees("a permission dialog", waiting("permission"), screen=PERMISSION)
    play.pane.answer("Escape", PERMISSION)
    play.sees("interrupted", IDLE, screen=INTERRUPTED, without=BUSY, stays_s=1)
    play.check()


def test_no(play: Play) -> None:
    play.api.script("do-no", bash("touch made"), Text("Never said."))
    begin(play)
    say(play, "do-no")
    play.sees("a permission dialog", waiting("permission"), screen=PERMISSION)
    play.pane.answer(row_of(play, "No"), PERMISSION)
    play.sees("interrupted", IDLE, screen=INTERRUPTED, without=BUSY, stays_s=1)
    play.check()


def test_an_edit(play: Play) -> None:
    path = str(play.pane.folder / "note.txt")
    play.api.script("do-write", call("Write", file_path=path, content="one\ntwo\n"), Text("It is written."))
    play.api.script(
        "do-edit",
        call("Edit", file_path=path, old_string="two", new_string="three"),
        Text("It is edited."),
    )
    begin(play)
    say(play, "do-write")
    play.sees("a dialog to create a file", waiting("permission"), screen=r"Do you want to create")
    play.pane.answer("Enter", PERMISSION)
    play.sees("the answer", IDLE, screen=r"It is written\.", without=BUSY)
    say(play, "do-edit")
    play.sees("a dialog to edit a file", waiting("permission"), screen=r"Do you want to make this edit")
    play.pane.answer("Enter", PERMISSION)
    play.sees("the answer", IDLE, screen=r"It is edited\.", without=BUSY)
    play.check()


def test_a_question(play: Play) -> None:
    asks = call("AskUserQuestion", questions=[QUESTION])
    play.api.script("do-ask", asks, Text("So it is."))
    play.api.script("do-ask-again", asks, Text("Never said."))
    choose = r"Enter to select"
    begin(play)
    say(play, "do-ask")
    play.sees("a question", waiting("question"), screen=choose, stays_s=1)
    play.pane.answer(row_of(play, "Blue"), choose)
    play.sees("the answer", IDLE, screen=r"So it is\.", without=BUSY)
    say(play, "do-ask-again")
    play.sees("a question", waiting("question"), screen=choose)
    play.pane.answer("Escape", choose)
    play.sees("declined", IDLE, screen=r"Declined to answer", without=BUSY, stays_s=1)
    play.check()


def write_plan(request: Mapping[str, Any]) -> Tools:
    """Into the file that Claude Code names for it."""
    named = PLAN_FILE.findall(str(request["messages"]) + str(request.get("system")))
    assert named, "Claude Code names no file for the plan"
    return call("Write", file_path=named[-1], content="# Plan\n\n1. Make it\n2. Test it\n")


def test_a_plan(play: Play) -> None:
    play.api.script("do-plan", write_plan, call("ExitPlanMode"), Text("It is planned."))
    asks = r"Would you like to proceed"
    play.pane.start_claude("plan")
    play.sees("an empty input box", IDLE, screen=r"plan mode on", without=BUSY)
    say(play, "do-plan")
    play.sees("a plan", waiting("plan"), screen=asks, stays_s=1)
    play.pane.answer(row_of(play, "Yes, manually"), asks)
    play.sees("the answer", IDLE, screen=r"It is planned\.", without=BUSY)
    play.check()


def test_esc_in_a_tool(play: Play) -> None:
    play.api.script("do-long", bash(pause(60)), Text("Never said."))
    begin(play)
    say(play, "do-long")
    play.sees("a permission dialog", waiting("permission"), screen=PERMISSION)
    play.pane.answer("Enter", PERMISSION)
    play.sees("the command runs", WORKING, screen=BUSY, without=ASKING, stays_s=3)
    play.pane.press("Escape")
    play.sees("interrupted", IDLE, screen=INTERRUPTED, without=BUSY, stays_s=1)
    play.check()


def test_esc_in_a_text(play: Play) -> None:
    play.api.script("do-talk", Text("word " * 400, pace_s=0.1))
    play.api.script("do-short", Text("It is short."))
    begin(play)
    say(play, "do-talk")
    play.sees("a text streams", WORKING, screen=BUSY, stays_s=2)
    play.pane.press("Escape")
    play.sees("interrupted", IDLE, screen=INTERRUPTED, without=BUSY, stays_s=1)
    say(play, "do-short")
    play.sees("the next answer", IDLE, screen=r"It is short\.", without=BUSY)
    play.check()


def test_a_failing_command(play: Play) -> None:
    play.api.script("do-fail", bash("ls /nowhere-at-all"), Text("It has failed."))
    begin(play)
    say(play, "do-fail")
    play.sees("a permission dialog", waiting("permission"), screen=PERMISSION)
    play.pane.answer("Enter", PERMISSION)
    play.sees("the answer", IDLE, screen=r"It has failed\.", without=BUSY, stays_s=1)
    play.check()


def test_parallel_tools(play: Play) -> None:
    calls = tuple(("Bash", {"command": f"touch {name}", "description": name}) for name in ("first", "second"))
    play.api.script("do-two", Tools(calls), Text("Both are made."))
    begin(play)
    say(play, "do-two")
    first, second = (rf"(?s)╌\n touch {name}\n╌.*Do you want to proceed" for name in ("first", "second"))
    play.sees("the first dialog", waiting("permission"), screen=first)
    play.pane.answer("Enter", first)
    play.sees("the second dialog", waiting("permission"), screen=second, stays_s=1)
    play.pane.answer("Enter", second)
    play.sees("the answer", IDLE, screen=r"Both are made\.", without=BUSY)
    play.check()


def test_a_subagent(play: Play) -> None:
    given = {"description": "Look around", "prompt": "sub-task", "subagent_type": "general-purpose"}
    play.api.script("do-agent", call("Agent", **given), Text("The agent is off."))
    play.api.script("sub-task", bash("touch made"), Text("found it " * 30, pace_s=0.1))
    begin(play)
    say(play, "do-agent")
    play.sees("the subagent's permission dialog", waiting("permission"), screen=PERMISSION, stays_s=1)
    play.pane.answer("Enter", PERMISSION)
    play.sees("the subagent goes on", resting(1), screen=r"Waiting for 1 background agent", stays_s=1.5)
    finished = r"(?s)Look around. finished.*● done"
    play.sees("its notice is answered", IDLE, screen=finished, without=BUSY, stays_s=1)
    play.check()


def test_a_background_task(play: Play) -> None:
    play.api.script("do-behind", bash(pause(8), run_in_background=True), Text("It runs behind."))
    begin(play)
    say(play, "do-behind")
    play.sees("a permission dialog", waiting("permission"), screen=PERMISSION)
    play.pane.answer("Enter", PERMISSION)
    play.sees("the answer; a shell runs", resting(1), screen=r"It runs behind\.", without=BUSY, stays_s=2)
    play.sees("its notice is answered", IDLE, screen=r"(?s)completed.*● done", without=BUSY, stays_s=1)
    play.check()


def test_clear(play: Play) -> None:
    play.api.script("do-say", Text("It is said."))
    begin(play)
    say(play, "do-say")
    play.sees("the answer", IDLE, screen=r"It is said\.", without=BUSY)
    old = play.session_id
    play.pane.type("/clear")
    play.sees("the old session has gone", ENDED, screen=CLEARED, without=r"It is said", of=old)
    play.session_id = ""
    play.sees("an empty input box", IDLE, screen=CLEARED, without=BUSY)
    new = play.session_id
    assert new != old
    say(play, "do-say")
    play.sees("the answer", IDLE, screen=r"It is said\.", without=BUSY)
    play.pane.type("/resume")
    play.sees("a list of sessions", waiting("input"), screen=r"Resume session", of=new)
    play.pane.answer("Enter", r"Resume session")
    play.sees("the old session again", IDLE, screen=r"It is said\.", without=r"/clear|/resume", of=old)
    play.sees("the new one has gone", ENDED, screen=r"It is said\.", of=new)
    play.check()


def test_compact(play: Play) -> None:
    play.api.script("do-say", Text("It is said."))
    play.api.script("do-sum", Text(f"<summary>{'All was said. ' * 20}</summary>", pace_s=0.05))
    begin(play)
    say(play, "do-say")
    play.sees("the answer", IDLE, screen=r"It is said\.", without=BUSY)
    play.pane.type("/compact do-sum")
    play.sees("it compacts", WORKING, screen=r"Compacting", stays_s=1)
    play.sees("compacted", IDLE, screen=r"Compacted", without=BUSY, stays_s=1)
    play.check()


def test_an_api_error(play: Play) -> None:
    play.api.script("do-bad", Refusal(400, "invalid_request_error", "this is no good"))
    play.api.script("do-retry", Refusal(500, "api_error", "out of order"))
    begin(play)
    say(play, "do-bad")
    play.sees("an API error", ERROR, screen=r"API Error: 400", without=BUSY, stays_s=1)
    say(play, "do-retry")
    play.sees("it tries again", WORKING, screen=r"retrying in", stays_s=2)
    play.pane.press("Escape")
    # Nothing was said yet, so Claude Code takes the prompt back.
    given_back = rf"─\n{POINTER}.please do-retry now\n─"
    play.sees("the prompt is back in its box", IDLE, screen=given_back, without=BUSY, stays_s=1)
    play.check()


def test_kill(play: Play) -> None:
    play.api.script("do-talk", Text("word " * 400, pace_s=0.1))
    begin(play)
    say(play, "do-talk")
    play.sees("a text streams", WORKING, screen=BUSY)
    record = play.pane.record()
    assert record is not None
    os.kill(record["pid"], signal.SIGKILL)
    play.sees("killed; a shell's prompt", ENDED, screen=r"Killed", stays_s=1)
    play.check()


def test_leaving_and_coming_back(play: Play) -> None:
    begin(play)
    old = play.session_id
    play.pane.type("/exit")
    play.sees("a shell's prompt", ENDED, screen=r"^\$$", of=old)
    play.pane.start_claude()
    play.session_id = ""
    play.sees("an empty input box", IDLE, screen=r"manual mode on", without=BUSY, stays_s=1)
    assert play.session_id not in {"", old}
    play.check()


def test_a_picker(play: Play) -> None:
    begin(play)
    play.pane.type("/model")
    play.sees("the models to choose from", waiting("input"), screen=r"Select model", stays_s=1)
    play.pane.answer("Escape", r"Select model")
    play.sees("an empty input box", IDLE, screen=r"manual mode on", stays_s=1)
    play.check()


def test_shell_mode(play: Play) -> None:
    begin(play)
    play.pane.type(f"!{pause(4)}")
    play.sees("the command runs", WORKING, screen=BUSY, stays_s=1.5)
    play.sees("its output is answered", IDLE, screen=r"● done", without=BUSY, stays_s=1)
    play.check()


def test_another_claude_in_a_tool(play: Play) -> None:
    play.api.script("do-nest", bash("claude -p 'say inner-word'"), Text("It has told me."))
    play.api.script("inner-word", Text("inner word " * 15, pace_s=0.1))
    begin(play)
    mine = play.session_id
    say(play, "do-nest")
    play.sees("a permission dialog", waiting("permission"), screen=PERMISSION)
    play.pane.answer("Enter", PERMISSION)
    play.sees("the other one runs", WORKING, screen=BUSY, without=ASKING, of=mine, stays_s=3)
    play.sees("the answer", IDLE, screen=r"It has told me\.", without=BUSY, of=mine, stays_s=1)
    play.check()


def test_a_prompt_that_is_queued(play: Play) -> None:
    play.api.script("do-talk", Text("word " * 40, pace_s=0.1))
    play.api.script("do-next", Text("next " * 60 + "and over.", pace_s=0.1))
    begin(play)
    say(play, "do-talk")
    play.sees("a text streams", WORKING, screen=BUSY)
    say(play, "do-next")
    play.sees("the prompt is queued", WORKING, screen=r"Queued", stays_s=1)
    play.sees("the next text streams", WORKING, screen=rf"(?s)next next.*{BUSY}", without=r"Queued", stays_s=1.5)
    play.sees("the last answer", IDLE, screen=r"and over\.", without=BUSY, stays_s=1)
    wait_until(lambda: (play.pane.record() or {}).get("status") == "idle", what="the registry says idle")
    play.check()
