import json
from typing import Any

import pytest

from services.contract.answers import Bound, Explanation
from services.contract.entities import Agent, Claim, Cursor, Screen, StatusName
from services.contract.events import NewEvent
from services.core.own_events import new_registry_change, new_registry_end
from services.core.recording import MAX_HOOKS, MAX_RECORDS, Recording, Seen, record
from services.core.redaction import Redactor
from services.core.report_files import read_ui_words
from tests.unit.core.making import RUNS, entry, hook, recorded, registry

MAX_BYTES = 4 * 1024 * 1024
SECRETS = ("sk-ant-api03-Zq8vKc", "/srv/acme/ledger.py", "jane.doe@acme.example", "Hildegard", "hunter2")


def screen(text: str, at: int = 0) -> Screen:
    lines = tuple(text.split("\n"))
    cursor = Cursor(x=0, y=0, visible=True)
    return Screen(pane_id="%1", captured_at=at, width=110, height=len(lines), cursor=cursor, lines=lines)


def seen(*events: NewEvent, screens: tuple[Screen, ...] = (), note: str = "", **fields: Any) -> Seen:
    plain: dict[str, Any] = {
        "pane_id": "%1",
        "agent": None,
        "session_id": "s1",
        "status": None,
        "claims": (),
        "review_at": None,
        "last_hook_at": None,
        "sessions": (),
        "transitions": (),
    }
    return Seen(
        explanation=Explanation(**(plain | fields)),
        events=events,
        screens=screens,
        note=note,
        versions={"Questmux": "9.8.7"},
        now=1_795_612_500_000,
    )


def made(one: Seen) -> Recording:
    return record(one, Redactor(read_ui_words()))


def lines(recording: Recording, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in recording.files[name].decode().splitlines()]


def test_a_report_has_its_sources_side_by_side() -> None:
    known = entry(
        "waiting", 8_000, started_at=2_000, waiting_for="input needed", version="2.1.330", cwd="/srv", kind="bg"
    )
    recording = made(
        seen(
            hook("UserPromptSubmit", 10_000, pane="%1", prompt="Pay"),
            new_registry_change("r1", 10_250, known),
            new_registry_end("r2", 12_000, known),
            hook("Stop", 11_000, pane="%2"),
            screens=(screen("Pay\n\x1b[1mEsc to cancel\x1b[0m", 9_500), screen("", 10_000)),
        )
    )

    name = "01"
    assert lines(recording, "hooks.jsonl") == [
        {
            "t": 0.5,
            "pane": "%1",
            "via": "http",
            "body": {"hook_event_name": "UserPromptSubmit", "session_id": name, "prompt": "Xxx"},
        },
        {"t": 1.5, "pane": "%2", "via": "http", "body": {"hook_event_name": "Stop", "session_id": name}},
    ]
    assert lines(recording, "registry.jsonl") == [
        {
            "t": 0.75,
            "record": {
                "pid": 50,
                "sessionId": name,
                "cwd": "/xxx",
                "startedAt": 2_000,
                "version": "2.1.330",
                "kind": "bg",
                "status": "waiting",
                "waitingFor": "input needed",
                "statusUpdatedAt": 8_000,
            },
        },
        {"t": 2.5, "record": None},
    ]
    assert lines(recording, "screens.jsonl") == [{"t": 0.0, "screen": "Xxx\nEsc to cancel"}, {"t": 0.5, "screen": ""}]
    assert (recording.hooks, recording.registry, recording.screens) == (2, 2, 2)


@pytest.mark.parametrize("run", RUNS)
def test_of_a_recording_comes_a_recording(run: str) -> None:
    told = [(at, one) for at, one in registry(run) if one is not None]
    events = [
        *recorded(run),
        *(
            new_registry_change(
                f"r{at}",
                at,
                entry(
                    one.get("status"),
                    one.get("statusUpdatedAt", 0),
                    pid=one["pid"],
                    session=one["sessionId"],
                    started_at=one["startedAt"],
                    waiting_for=one.get("waitingFor"),
                    version=one["version"],
                    kind=one["kind"],
                    entrypoint=one["entrypoint"],
                ),
            )
            for at, one in told
        ),
    ]

    recording = made(seen(*events))

    kept = [line["record"] for line in lines(recording, "registry.jsonl")]
    stays = ("pid", "status", "waitingFor", "statusUpdatedAt", "startedAt", "kind", "entrypoint", "version")
    assert [[one.get(name) for name in stays] for one in kept] == [[one.get(name) for name in stays] for _, one in told]
    names = {line["body"]["session_id"] for line in lines(recording, "hooks.jsonl")}
    assert {one["sessionId"] for one in kept} <= names
    assert recording.hooks == len(recorded(run))


def test_the_explanation_is_masked_with_the_same_names() -> None:
    recording = made(
        seen(
            hook("Stop", 1),
            agent=Agent(name="claude", pid=7),
            claims=(Claim(source="screen", rule="claude/plan", says=StatusName.IDLE, at=5),),
            sessions=tuple(
                Bound(session_id=f"s{n}", status=StatusName.IDLE, is_shown=False, by="hook") for n in range(1, 99)
            ),
        )
    )

    explanation = json.loads(recording.files["explanation.json"])
    assert explanation["session_id"] == lines(recording, "hooks.jsonl")[0]["body"]["session_id"]
    assert explanation["agent"] == {"name": "claude", "pid": 7}
    assert explanation["claims"][0]["rule"] == "claude/plan"
    assert len(explanation["sessions"]) == 50


def test_the_page_that_goes_with_it_says_what_it_is() -> None:
    change = new_registry_change("r1", 1, entry(version="2.1.330"))
    page = made(seen(change, note="it {waited}\n\nfor me")).files["README.md"].decode()

    assert "> it {waited}\n>\n> for me\n" in page
    assert "- Questmux: 9.8.7\n- Claude Code: 2.1.330\n" in page
    assert "pane %1 until 2026-11-25 13:15:00 UTC" in page
    assert '`{"t", "screen"}`' in page
    assert "Nothing." in made(seen()).files["README.md"].decode()


def test_a_report_of_nothing_is_whole() -> None:
    recording = made(seen())

    assert (recording.hooks, recording.registry, recording.screens) == (0, 0, 0)
    assert set(recording.files) == {"hooks.jsonl", "registry.jsonl", "screens.jsonl", "explanation.json", "README.md"}
    assert recording.files["hooks.jsonl"] == b""


def test_of_many_the_newest_are_kept() -> None:
    hooks = [hook("Stop", number) for number in range(MAX_HOOKS + 50)]
    changes = [new_registry_change(f"r{number}", number, entry()) for number in range(MAX_RECORDS + 50)]

    recording = made(seen(*hooks, *changes))

    assert (recording.hooks, recording.registry) == (MAX_HOOKS, MAX_RECORDS)
    assert [line["t"] for line in lines(recording, "hooks.jsonl")][:2] == [0.05, 0.051]


def test_a_report_has_a_bounded_size() -> None:
    many = {f"field{letter}": "é" * 10_000 for letter in "abcdefghijklmnopqrstuvwxyz"}
    hooks = [hook("PreToolUse", number, tool_input=many) for number in range(MAX_HOOKS)]
    screens = tuple(screen("\n".join(["\u00e9" * 400] * 200), at) for at in range(12))
    changes = [new_registry_change("r", 1, entry(cwd="\u00e9" * 4_096)) for _ in range(MAX_RECORDS)]

    recording = made(seen(*hooks, *changes, screens=screens, note="é" * 2_000))

    assert sum(map(len, recording.files.values())) < MAX_BYTES
    assert min(recording.hooks, recording.registry, recording.screens) > 5


@pytest.mark.parametrize("payload", [b"", b"[]", b"{", b"[" * 5_000, b'"text"'], ids=lambda body: body[:4])
def test_a_payload_that_is_no_object_is_left_out(payload: bytes) -> None:
    event = NewEvent(id="e", name="Stop", received_at=1, payload=payload, session_id="s1")

    assert made(seen(event, hook("Stop", 2))).hooks == 1


@pytest.mark.parametrize("secret", SECRETS)
def test_no_secret_is_in_any_file(secret: str) -> None:
    unknown: dict[str, Any] = {secret: secret}
    recording = made(
        seen(
            hook(
                "PreToolUse",
                session=secret,
                tool_name=f"mcp__{secret}__{secret}",
                tool_input={"command": secret, "answers": {secret: [secret]}, secret: {secret: secret}},
                cwd=secret,
                transcript_path=secret,
                prompt=secret,
                last_assistant_message=f"<{secret}>",
                agent_type=secret,
                **unknown,
            ),
            new_registry_change("r", 1, entry(secret + " is busy", session=secret, cwd=secret, version=secret)),
            screens=(screen(f"● {secret}\n{secret}Yes {secret}\n 1. {secret}"),),
            session_id=secret,
            agent=Agent(name=f"{secret}-agent 1", pid=1),
            claims=(Claim(source="screen", rule=f"Is it {secret}?", says=StatusName.IDLE, at=5),),
        )
    )

    for content in recording.files.values():
        assert secret not in content.decode()
