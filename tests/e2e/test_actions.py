"""Windows and panes, made and acted on over HTTP, on a real tmux server."""

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.stack import Answer, Stack
from tests.e2e.terminal import Terminal
from tests.waiting import wait_until

READER = Path(__file__).with_name("reader.py")
PASTE = b"\x1b[200~", b"\x1b[201~"
SOON_S = 30

TEXTS = {
    "semicolon": "ls;",
    "escaped semicolon": "ls\\;",
    "dash": "-n -t %0",
    "key name": "Enter",
    "another key name": "C-c",
    "shell": "$HOME `id` $(id) ~ !! \\n 'a' \"b\"",
    "format": "#{pane_id} #(id) #S %H:%M",
    "tab": "a\tb",
    "lines": "first\nsecond\n\nlast",
    "last newline": "one\n",
    "lines of other systems": "one\r\ntwo\rthree",
    "emoji": "né 日本語 👩‍👩‍👧 🚀 \u202eright to left",
    "slash": "/clear",
    "blanks": "  two  ",
}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, module_memory: Path) -> Iterator[Stack]:
    """One for all tests here: each makes a tmux session of its own."""
    folder = tmp_path_factory.mktemp("acting")
    script = folder / "claude"
    script.write_text(f'#!/bin/sh\nprintf "<%s>" "$@" >> {module_memory}/claude-args\necho "claude runs"\nread line\n')
    script.chmod(0o755)
    running = Stack(module_memory / "data", QUESTMUX_CLAUDE_COMMAND=f"{script} --model 'two words'")
    try:
        running.start_all()
        running.wait_ready()
        running.tmux("new-session", "-d", "-s", "keeps-the-server", "sleep 1000")
        running.tmux("set-option", "-g", "default-shell", "/bin/sh")  # A person's own may take its time to start.
        yield running
    finally:
        running.close()


@pytest.fixture
def session(stack: Stack, request: pytest.FixtureRequest) -> Iterator[str]:
    """The id of a tmux session of this test alone."""
    name = f"s{abs(hash(request.node.name)):x}"
    made = stack.tmux("new-session", "-d", "-P", "-F", "#{session_id}", "-x", "120", "-y", "40", "-s", name, "sh")
    yield made.strip()
    stack.tmux("kill-session", "-t", made.strip(), check=False)


def post(stack: Stack, path: str, headers: dict[str, str] | None = None, /, **body: Any) -> Answer:
    return stack.call("POST", path, json.dumps(body).encode(), headers)


def create(stack: Stack, **body: Any) -> tuple[str, str]:
    """A new window; the numbers of it and of its pane, as paths take them."""
    answer = post(stack, "/api/windows/create", **body)
    assert answer.status == 201, answer.body
    return answer.data["window_id"][1:], answer.data["pane_id"][1:]


def at_once(*calls: Callable[[], Answer]) -> list[Answer]:
    """The answers to calls that are made side by side."""
    with ThreadPoolExecutor(len(calls)) as pool:
        return [made.result(SOON_S) for made in [pool.submit(call) for call in calls]]


def window(stack: Stack, number: str) -> Any:
    return next(one for one in stack.get("/api/windows")["windows"] if one["id"] == f"@{number}")


def reader(stack: Stack, session: str, file: Path, *words: str) -> str:
    """A pane that writes down what it is given; its number."""
    _, pane = create(stack, session=session, command=f"exec {sys.executable} {READER} {file} {' '.join(words)}")
    wait_until(lambda: "ready" in stack.tmux("capture-pane", "-p", "-t", f"%{pane}"), SOON_S, "the reader")
    return pane


def pasted(text: str) -> bytes:
    """A text as a terminal gives it to a program that asks for bracketed pastes."""
    return PASTE[0] + text.replace("\r\n", "\r").replace("\n", "\r").encode() + PASTE[1]


def given(file: Path, end: bytes) -> bytes:
    """What the reader was given, once it ends so."""
    wait_until(lambda: file.exists() and file.read_bytes().endswith(end), SOON_S, f"{end!r}")
    return file.read_bytes()


# Windows.


def test_a_window_can_be_made_where_no_tmux_server_runs(memory: Path, tmp_path: Path) -> None:
    stack = Stack(memory / "data")
    try:
        stack.start_all()
        stack.wait_ready()
        answer = post(stack, "/api/windows/create", session="first: a.b", name="né;", cwd=str(tmp_path))

        assert (answer.status, answer.data) == (201, {"window_id": "@0", "pane_id": "%0"})
        made = window(stack, "0")
        assert (made["name"], made["tmux_session"]) == ("né;", "first_ a_b")
        wait_until(lambda: window(stack, "0")["panes"][0]["cwd"] == str(tmp_path), SOON_S, "its folder")
        assert "QUESTMUX" not in stack.tmux("show-environment", "-g")
        again, _ = create(stack, session="first: a.b", name="second")
        assert window(stack, again)["tmux_session_id"] == made["tmux_session_id"]
    finally:
        stack.close()


def test_a_window_goes_where_it_is_asked_for_and_nobody_is_taken_to_it(stack: Stack, session: str) -> None:
    number, pane = create(stack, session=session, name="work", command="exec sleep 1000")

    made = window(stack, number)
    assert made["tmux_session_id"] == session
    assert (made["name"], made["active"], made["pane_ids"]) == ("work", False, [f"%{pane}"])
    wait_until(lambda: window(stack, number)["panes"][0]["command"] == "sleep", SOON_S, "its command")


@pytest.mark.parametrize(
    "name", ["a;", "-x", "#S #{pid} #(touch /tmp/no)", "$HOME `id`", "😀 né 日本", "\\", "=1:2.3", " ", "x" * 200]
)
def test_names_may_hold_any_character(stack: Stack, session: str, name: str) -> None:
    number, _ = create(stack, session=session, name=name, command="sleep 1000")
    assert window(stack, number)["name"] == name

    renamed = post(stack, f"/api/windows/{number}/rename", name=f"{name}2"[-200:])
    assert renamed.data == {"window_id": f"@{number}", "name": f"{name}2"[-200:]}
    assert window(stack, number)["name"] == f"{name}2"[-200:]


def test_a_name_is_there_once_in_a_session(stack: Stack, session: str) -> None:
    number, _ = create(stack, session=session, name="twice", command="sleep 1000")
    other, _ = create(stack, session=session, name="other", command="sleep 1000")

    assert post(stack, "/api/windows/create", session=session, name="twice").status == 409
    assert post(stack, f"/api/windows/{other}/rename", name="twice").status == 409
    assert post(stack, f"/api/windows/{number}/rename", name="twice").status == 200
    assert len([one for one in stack.get("/api/windows")["windows"] if one["tmux_session_id"] == session]) == 3


def test_a_closed_window_is_gone_for_everybody(stack: Stack, session: str) -> None:
    number, pane = create(stack, session=session, command="sleep 1000")

    assert post(stack, f"/api/windows/{number}/close").data == {"window_id": f"@{number}"}
    assert stack.call("GET", f"/api/panes/{pane}").status == 404
    for path in ("close", "rename", "new-pane", "new-claude"):
        body = {"name": "x"} if path == "rename" else {}
        answer = post(stack, f"/api/windows/{number}/{path}", **body)
        assert (answer.status, answer.code) == (404, "not_found"), path


def test_a_window_renamed_while_it_is_closed_is_renamed_or_gone(stack: Stack, session: str) -> None:
    for _ in range(5):
        number, _ = create(stack, session=session, command="sleep 1000")
        answers = at_once(
            partial(post, stack, f"/api/windows/{number}/rename", name="n"),
            partial(post, stack, f"/api/windows/{number}/close"),
        )
        assert sorted(answer.status for answer in answers) in ([200, 200], [200, 404])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"cwd": "/no/such/folder"}, "cwd"),
        ({"cwd": "relative"}, "cwd"),
        ({"cwd": "~root"}, "cwd"),
        ({"name": ""}, "name"),
        ({"name": "two\nlines"}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"name": 7}, "name"),
        ({"command": ""}, "command"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_window_that_cannot_be_made_is_refused_by_the_fields_name(
    stack: Stack, body: dict[str, Any], field: str
) -> None:
    before = stack.tmux("list-windows", "-a")
    answer = post(stack, "/api/windows/create", **body)

    assert (answer.status, answer.code) == (422, "invalid_field")
    assert answer.json["error"]["message"].startswith(f"{field} is ")
    assert stack.tmux("list-windows", "-a") == before


# Panes of a window.


def test_a_new_pane_keeps_the_folder_and_leaves_every_pane_usable(stack: Stack, session: str, tmp_path: Path) -> None:
    folder = tmp_path / "a #{pid} b"
    folder.mkdir()
    number, first = create(stack, session=session, cwd=str(folder))
    made = post(stack, f"/api/windows/{number}/new-pane")

    assert made.status == 201
    assert made.data["window_id"] == f"@{number}"
    panes = {pane["id"]: pane for pane in window(stack, number)["panes"]}
    assert set(panes) == {f"%{first}", made.data["pane_id"]}
    wait_until(
        lambda: {pane["cwd"] for pane in window(stack, number)["panes"]} == {str(folder)}, SOON_S, "the folder of both"
    )
    assert panes[f"%{first}"]["active"], "the person was taken to the new pane"

    statuses = [post(stack, f"/api/windows/{number}/new-pane").status for _ in range(8)]
    assert 409 in statuses
    assert statuses == sorted(statuses)
    sizes = [(pane["width"], pane["height"]) for pane in window(stack, number)["panes"]]
    assert min(width for width, _ in sizes) >= 40
    assert min(height for _, height in sizes) >= 8


def test_a_zoomed_window_stays_zoomed(stack: Stack, session: str) -> None:
    number, pane = create(stack, session=session)
    post(stack, f"/api/windows/{number}/new-pane")
    stack.tmux("resize-pane", "-Z", "-t", f"%{pane}")
    post(stack, f"/api/windows/{number}/new-pane")

    zoomed = stack.tmux("display-message", "-p", "-t", f"@{number}", "#{window_zoomed_flag} #{window_panes}")
    assert zoomed.split() == ["1", "3"]


def test_a_new_claude_runs_in_the_folder_with_its_prompt_and_leaves_a_shell(
    stack: Stack, session: str, tmp_path: Path
) -> None:
    folder = stack.data_dir.parent
    number, _ = create(stack, session=session, cwd=str(tmp_path))
    prompt = "-fix 'it'\n$HOME `id` \"#{pid}\" 😀;"
    made = post(stack, f"/api/windows/{number}/new-claude", prompt=prompt)
    assert made.status == 201
    pane = made.data["pane_id"]
    early = post(stack, f"/api/panes/{pane[1:]}/prompt", text="y")  # Whatever stands there, it is not its input line.
    assert (early.status, early.code) == (409, "conflict")

    wait_until(lambda: "claude runs" in stack.tmux("capture-pane", "-p", "-t", pane), SOON_S, "claude")
    assert (folder / "claude-args").read_text().endswith(f"<--model><two words><--><{prompt}>")
    seen = wait_until(
        lambda: (one := stack.get(f"/api/panes/{pane[1:]}")["pane"])["agent"] and one, SOON_S, "an agent in the pane"
    )
    assert (seen["agent"]["name"], seen["cwd"]) == ("claude", str(tmp_path))
    stack.tmux("send-keys", "-t", pane, "Enter")
    # What is typed before the shell is there may be lost with the program that leaves.
    wait_until(lambda: stack.get(f"/api/panes/{pane[1:]}")["pane"]["agent"] is None, SOON_S, "no agent any more")
    stack.tmux("send-keys", "-t", pane, "echo after $QUESTMUX_PROMPT.", "Enter")
    wait_until(lambda: "\nafter ." in stack.tmux("capture-pane", "-p", "-t", pane), SOON_S, "a shell after it")


def test_a_closed_pane_is_gone_and_its_window_with_the_last(stack: Stack, session: str) -> None:
    number, first = create(stack, session=session)
    second = post(stack, f"/api/windows/{number}/new-pane").data["pane_id"]

    assert post(stack, f"/api/panes/{first}/close").data == {"pane_id": f"%{first}"}
    assert window(stack, number)["pane_ids"] == [second]
    assert post(stack, f"/api/panes/{second[1:]}/close").status == 200
    assert f"@{number}" not in [one["id"] for one in stack.get("/api/windows")["windows"]]
    assert post(stack, f"/api/panes/{first}/close").status == 404


# Prompts.


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_a_prompt_is_given_exactly_as_one_paste_and_submitted_once(
    stack: Stack, session: str, tmp_path: Path, text: str
) -> None:
    pane = reader(stack, session, tmp_path / "given", "paste")
    answer = post(stack, f"/api/panes/{pane}/prompt", text=text)

    assert answer.data == {"pane_id": f"%{pane}", "submitted": True, "taken": None, "taken_by": None, "reason": None}
    assert given(tmp_path / "given", b"~\r") == pasted(text) + b"\r"
    assert "questmux" not in stack.tmux("list-buffers")


def test_a_prompt_of_100_kb_is_given_exactly(stack: Stack, session: str, tmp_path: Path) -> None:
    pane = reader(stack, session, tmp_path / "given", "paste")
    text = "".join(f"line {number} é\n" for number in range(8_000))
    assert post(stack, f"/api/panes/{pane}/prompt", text=text).status == 200

    assert given(tmp_path / "given", b"~\r") == pasted(text) + b"\r"


def test_a_prompt_that_is_not_submitted_only_stands_there(stack: Stack, session: str, tmp_path: Path) -> None:
    pane = reader(stack, session, tmp_path / "given", "paste")
    assert post(stack, f"/api/panes/{pane}/prompt", text="draft", submit=False).data["submitted"] is False
    assert post(stack, f"/api/panes/{pane}/prompt", text="x").status == 200

    assert given(tmp_path / "given", b"~\r") == b"%b%b" % (
        PASTE[0] + b"draft" + PASTE[1],
        PASTE[0] + b"x" + PASTE[1] + b"\r",
    )


def test_a_person_who_scrolls_keeps_the_place(stack: Stack, session: str, tmp_path: Path) -> None:
    pane = reader(stack, session, tmp_path / "given")
    stack.tmux("copy-mode", "-t", f"%{pane}")
    assert post(stack, f"/api/panes/{pane}/prompt", text="one line").status == 200
    assert given(tmp_path / "given", b"\r") == b"one line\r"

    several = post(stack, f"/api/panes/{pane}/prompt", text="two\nlines")
    assert (several.status, several.code) == (409, "conflict")
    assert post(stack, f"/api/panes/{pane}/signal", signal="SIGINT").status == 200
    assert given(tmp_path / "given", b"\x03") == b"one line\r\x03"
    assert stack.tmux("display-message", "-p", "-t", f"%{pane}", "#{pane_in_mode}").strip() == "1"


@pytest.mark.parametrize("text", ["\x1b[201~rm -rf", "a\x03", "a\x00", "\x9b31m"])
def test_what_a_program_could_take_for_keys_is_refused(stack: Stack, session: str, text: str) -> None:
    _, pane = create(stack, session=session, command="sleep 1000")
    answer = post(stack, f"/api/panes/{pane}/prompt", text=text)

    assert (answer.status, answer.code) == (422, "invalid_field")
    assert answer.json["error"]["message"].startswith("text is wrong")


def test_two_prompts_at_once_do_not_mix(stack: Stack, session: str, tmp_path: Path) -> None:
    pane = reader(stack, session, tmp_path / "given", "paste")
    texts = [f"{letter}" * 20_000 for letter in "abcdef"]
    answers = at_once(*(partial(post, stack, f"/api/panes/{pane}/prompt", text=text) for text in texts))

    assert [answer.status for answer in answers] == [200] * len(texts)
    ends = PASTE[1] + b"\r"
    wait_until(lambda: (tmp_path / "given").read_bytes().count(ends) == len(texts), SOON_S, "all of them")
    whole = b"".join(sorted((tmp_path / "given").read_bytes().split(PASTE[0])))
    assert whole == b"".join(text.encode() + PASTE[1] + b"\r" for text in texts)


def test_the_same_command_sent_twice_is_done_once(stack: Stack, session: str, tmp_path: Path) -> None:
    pane = reader(stack, session, tmp_path / "given", "paste")
    name = {"X-Command-Id": f"phone-{tmp_path.name}"}
    answers = [post(stack, f"/api/panes/{pane}/prompt", name, text="once") for _ in range(3)]
    post(stack, f"/api/panes/{pane}/prompt", text="end")

    assert [answer.data for answer in answers] == [answers[0].data] * 3
    assert given(tmp_path / "given", b"end\x1b[201~\r").count(b"once") == 1


def test_a_prompt_for_nobody_is_refused(stack: Stack, session: str) -> None:
    assert post(stack, "/api/panes/999999/prompt", text="x").status == 404
    for wrong in ("abc", "%25", "1.5", "-1", "@1"):
        assert post(stack, f"/api/panes/{wrong}/prompt", text="x").status == 422, wrong
    number, pane = create(stack, session=session, command="read line")
    stack.tmux("set-option", "-w", "-t", f"@{number}", "remain-on-exit", "on")
    stack.tmux("send-keys", "-t", f"%{pane}", "Enter")
    wait_until(lambda: stack.get(f"/api/panes/{pane}")["pane"]["dead"], SOON_S, "a dead pane")
    assert post(stack, f"/api/panes/{pane}/prompt", text="x").status == 409
    stack.tmux("respawn-pane", "-k", "-t", f"%{pane}", "sleep 1000")
    stack.tmux("select-pane", "-d", "-t", f"%{pane}")
    assert post(stack, f"/api/panes/{pane}/prompt", text="x").status == 409


# Signals.


@pytest.mark.parametrize(
    ("name", "sent_as", "number"),
    [
        ("SIGINT", "key", signal.SIGINT),
        ("SIGQUIT", "key", signal.SIGQUIT),
        ("SIGTERM", "process_group", signal.SIGTERM),
        ("SIGHUP", "process_group", signal.SIGHUP),
        ("SIGKILL", "process_group", signal.SIGKILL),
    ],
)
def test_a_signal_ends_what_runs_in_the_foreground_and_not_the_shell(
    stack: Stack, session: str, name: str, sent_as: str, number: int
) -> None:
    _, pane = create(stack, session=session, command="bash --norc -i")
    stack.tmux("send-keys", "-t", f"%{pane}", "PS1=; sleep 1000; echo ended $?", "Enter")
    wait_until(lambda: stack.get(f"/api/panes/{pane}")["pane"]["command"] == "sleep", SOON_S, "sleep")

    done = post(stack, f"/api/panes/{pane}/signal", signal=name).data
    assert (done["signal"], done["sent_as"]) == (name, sent_as)
    assert [process["command"] for process in done["processes"]] == ["sleep"]
    ended = f"ended {128 + number}"
    if name == "SIGINT":  # bash ends its whole line with it.
        wait_until(lambda: stack.get(f"/api/panes/{pane}")["pane"]["command"] == "bash", SOON_S, "the shell")
    else:
        wait_until(lambda: ended in stack.tmux("capture-pane", "-p", "-t", f"%{pane}"), SOON_S, ended)


def test_a_job_can_be_stopped_by_its_key(stack: Stack, session: str) -> None:
    _, pane = create(stack, session=session, command="bash --norc -i")
    stack.tmux("send-keys", "-t", f"%{pane}", "sleep 1000", "Enter")
    wait_until(lambda: stack.get(f"/api/panes/{pane}")["pane"]["command"] == "sleep", SOON_S, "sleep")
    post(stack, f"/api/panes/{pane}/signal", signal="SIGTSTP")

    wait_until(lambda: "Stopped" in stack.tmux("capture-pane", "-p", "-t", f"%{pane}"), SOON_S, "a stopped job")


@pytest.mark.parametrize("name", ["SIGSTOP", "INT", "9", "", 9, None], ids=repr)
def test_other_signals_are_refused(stack: Stack, session: str, name: Any) -> None:
    _, pane = create(stack, session=session, command="sleep 1000")
    answer = post(stack, f"/api/panes/{pane}/signal", signal=name)

    assert (answer.status, answer.code) == (422, "invalid_field")
    assert answer.json["error"]["message"].startswith("signal is wrong")


# Screens, and what a person has seen.


def test_a_screen_is_what_the_pane_shows_now(stack: Stack, session: str) -> None:
    _, pane = create(stack, session=session, command="printf '\\033[1;31mred\\033[0m\\n é😀'; sleep 1000")
    wait_until(lambda: "😀" in stack.tmux("capture-pane", "-p", "-t", f"%{pane}"), SOON_S, "the text")

    for answer in (stack.call("GET", f"/api/panes/{pane}/screen"), post(stack, f"/api/panes/{pane}/refresh")):
        screen = answer.data["screen"]
        assert (screen["pane_id"], len(screen["lines"])) == (f"%{pane}", screen["height"])
        assert screen["lines"][0].startswith("\x1b[1;31mred")
        assert screen["lines"][1] == " é😀"
        assert (screen["cursor"]["x"], screen["cursor"]["y"]) == (4, 1)
        assert abs(screen["captured_at"] - time.time() * 1000) < SOON_S * 1000
    plain = stack.get(f"/api/panes/{pane}/screen?colors=false")["screen"]
    assert plain["lines"][0] == "red"


def test_dismissing_marks_a_finished_session_as_seen_also_over_a_restart(stack: Stack, session: str) -> None:
    _, pane = create(stack, session=session, command="sleep 1000")
    assert post(stack, f"/api/panes/{pane}/dismiss").status == 409
    name = f"session-{pane}"
    tmux_pid = stack.tmux("display-message", "-p", "#{pid}").strip()
    stack.keep(
        {"hook_event_name": "Stop", "session_id": name},
        {"X-Tmux-Pane": f"%{pane}", "X-Tmux": f"/x,{tmux_pid},0"},
    )
    assert stack.session(name)["status"]["unseen"] is True

    done = post(stack, f"/api/panes/{pane}/dismiss").data
    assert done == {"pane_id": f"%{pane}", "session_id": name, "changed": True}
    assert post(stack, f"/api/panes/{pane}/dismiss").data["changed"] is False
    assert stack.session(name)["status"]["unseen"] is False
    stack.kill("core")
    stack.start("core")
    wait_until(lambda: stack.health().status == 200, SOON_S, "core")
    assert stack.session(name)["status"]["unseen"] is False
    wait_until(lambda: post(stack, f"/api/panes/{pane}/refresh").status == 200, SOON_S, "the poller's report")


# The audit.


def test_every_command_leaves_a_row_with_who_when_what_and_result(stack: Stack, session: str) -> None:
    before = time.time() * 1000
    _, pane = create(stack, session=session, command="sleep 1000")
    post(stack, f"/api/panes/{pane}/prompt", {"User-Agent": "phone/1"}, text="x" * 5_000)
    post(stack, "/api/panes/999999/close")
    rows = stack.get("/api/commands?limit=3")["commands"]

    assert [(row["action"], row["target"], row["result"]) for row in rows] == [
        ("close_pane", "%999999", "not_found"),
        ("prompt", f"%{pane}", "ok"),
        ("create_window", None, "ok"),
    ]
    prompt = rows[1]
    assert prompt["who"] == "127.0.0.1 phone/1"
    assert before <= prompt["at"] <= prompt["finished_at"] <= time.time() * 1000
    assert len(prompt["body"]) < 1_000


# Many panes.


def test_two_hundred_panes_are_seen_watched_and_acted_on(memory: Path) -> None:
    stack = Stack(memory / "data")
    try:
        stack.tmux("new-session", "-d", "-s", "many", "-x", "120", "-y", "40", "cat")
        for _ in range(199):
            stack.tmux("new-window", "-d", "-t", "many:", "cat")
        stack.start_all()
        stack.wait_ready()
        wait_until(lambda: len(stack.get("/api/panes")["panes"]) == 200, SOON_S, "200 panes")
        with Terminal(stack.ws_port, stack.token) as client:
            for number in (0, 99, 199):
                client.watch(f"%{number}")
                assert post(stack, f"/api/panes/{number}/prompt", text=f"text {number}").status == 200
                client.until_row(f"%{number}", f"text {number}")
            updates = client.counts.get("pane_update", 0)
            stack.tmux("select-pane", "-t", "%150", "-T", "another title")
            client.until_more("pane_update", updates)
            assert post(stack, "/api/panes/150/close").status == 200
            client.until_more("pane_removed", 0)
        figures = stack.figures()["services"]["poller"][0]["figures"]
        print(f"a look at 200 panes took {figures['poll_seconds'] * 1000:.0f} ms")
        assert figures["failures_total"] <= 1, "one look may take its two seconds where the machine stands still"
    finally:
        stack.close()


# When something is not there.


def test_a_tmux_that_hangs_is_a_timeout_and_nothing_is_typed_later(memory: Path, tmp_path: Path) -> None:
    stack = Stack(memory / "data")
    try:
        stack.start_all()
        stack.wait_ready()
        pane = reader(stack, "main", tmp_path / "given", "paste")
        pid = int(stack.tmux("display-message", "-p", "#{pid}"))
        os.kill(pid, signal.SIGSTOP)
        started = time.monotonic()
        try:
            answer = post(stack, f"/api/panes/{pane}/prompt", text="late")
        finally:
            os.kill(pid, signal.SIGCONT)
        assert (answer.status, answer.code) == (504, "tmux_timeout")
        assert time.monotonic() - started < 8
        wait_until(lambda: post(stack, f"/api/panes/{pane}/prompt", text="end").status == 200, SOON_S, "tmux")
        assert b"late" not in given(tmp_path / "given", b"end\x1b[201~\r")
        assert stack.get("/api/commands")["commands"][-2]["result"] == "tmux_timeout"
    finally:
        stack.close()


def test_without_a_poller_nothing_is_done_and_that_is_said(memory: Path) -> None:
    stack = Stack(memory / "data")
    try:
        stack.start_all()
        stack.wait_ready()
        _, pane = create(stack, command="sleep 1000")
        stack.kill("poller")
        answer = post(stack, f"/api/panes/{pane}/close")
        assert (answer.status, answer.code) == (504, "tmux_timeout")
        assert f"%{pane}" in stack.tmux("list-panes", "-a", "-F", "#{pane_id}")

        stack.start("poller")
        wait_until(lambda: post(stack, f"/api/panes/{pane}/close").status in {200, 404}, SOON_S, "the poller")
        assert stack.tmux("list-panes", "-a", "-F", "#{pane_id}", check=False) == ""
    finally:
        stack.close()


def test_ids_of_an_earlier_life_of_the_server_are_not_taken_for_new_ones(memory: Path) -> None:
    stack = Stack(memory / "data")
    try:
        stack.start_all()
        stack.wait_ready()
        create(stack, name="old", command="sleep 1000")
        stack.stop_for_a_while("poller")  # So that core still believes in the old server.
        pid = int(stack.tmux("display-message", "-p", "#{pid}"))
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not Path(f"/proc/{pid}").exists(), SOON_S, "its end")
        stack.tmux("new-session", "-d", "-n", "new", "sleep 1000")
        with ThreadPoolExecutor(1) as pool:
            closing = pool.submit(post, stack, "/api/panes/0/close")
            wait_until(lambda: stack.get("/api/commands")["commands"][0]["action"] == "close_pane", SOON_S, "the order")
            stack.go_on("poller")
            assert closing.result(SOON_S).status == 404

        assert stack.tmux("list-windows", "-a", "-F", "#{window_name}").strip() == "new"
    finally:
        stack.close()


def test_names_and_prompts_survive_without_a_utf8_locale(memory: Path, tmp_path: Path) -> None:
    stack = Stack(memory / "data", LC_ALL="C", LANG="C", LC_CTYPE="C")
    try:
        stack.start_all()
        stack.wait_ready()
        number, _ = create(stack, session="né", name="日本 😀")
        assert window(stack, number)["name"] == "日本 😀"
        assert window(stack, number)["tmux_session"] == "né"
        pane = reader(stack, "né", tmp_path / "given", "paste")
        post(stack, f"/api/panes/{pane}/prompt", text="é 😀")
        assert "é 😀".encode() in given(tmp_path / "given", b"~\r")
    finally:
        stack.close()
