import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.redaction import MAX_TEXT_CHARS, WIDE, Redactor
from services.poller.screen_rules import Rules, parse_rules, read_screen
from tests.unit.core.making import RECORDINGS, RUNS, Log, hook, recorded

ROOT = Path(__file__).parents[3]
WORDS = frozenset((ROOT / "services" / "core" / "ui_words.txt").read_text(encoding="utf-8").split())
SECRETS = (
    "sk-ant-api03-Zq8vKc",
    "/srv/acme/billing/ledger.py",
    "jane.doe@acme.example",
    "Hildegard",
    "hunter2",
    "def settle_invoice(amount):",
    "0176 5550123",
    "見積書",
)


def drawn() -> list[Any]:
    """Every recorded screen, each once."""
    found: dict[str, str] = {}
    for run in RUNS:
        lines = (RECORDINGS / run / "screens.jsonl").read_text(encoding="utf-8").splitlines()
        found |= {json.loads(line)["screen"]: f"{run}-{number}" for number, line in enumerate(lines)}
    for path in sorted((ROOT / "tests" / "fixtures" / "screens").glob("*/*.txt")):
        found[path.read_text(encoding="utf-8")] = path.stem
    return [pytest.param(text, id=name) for text, name in found.items()]


@pytest.fixture
def redactor() -> Redactor:
    return Redactor(WORDS)


@pytest.fixture(scope="module")
def rules() -> Rules:
    path = ROOT / "services" / "poller" / "rules" / "claude.toml"
    return parse_rules(path.read_text(encoding="utf-8"), path.name)


# Screens.


@pytest.mark.parametrize("text", drawn())
def test_a_masked_screen_means_the_same(redactor: Redactor, rules: Rules, text: str) -> None:
    masked = redactor.screen(text)

    before, after = (read_screen(rules, "%0", 0, lines.split("\n")) for lines in (text, masked))
    said = [None if one is None else (one.says, one.waiting_for, one.rule) for one in (before, after)]
    assert said[0] == said[1]
    assert before is None or after is None or len(before.options) == len(after.options)
    assert [len(row) for row in masked.split("\n")] == [len(row) for row in text.split("\n")]


def test_a_screen_keeps_the_interface_and_loses_the_rest(redactor: Redactor) -> None:
    rows = {
        "● Bash(rm -rf /srv/acme)": "● Bash(xx -xx /xxx/xxxx)",
        "\x1b[38;5;246m Do you want to proceed?\x1b[39m": " Do you want to proceed?",
        " \u276f 1. Yes": " \u276f 1. Yes",
        "   2. Yes, allow Hildegard's /srv/Yes/Read.md": "   2. Yes, allow Xxxxxxxxx'x /xxx/Xxx/Xxxx.xx",
        " 見積 9.5k tokens · esc to interrupt": f" {WIDE * 2} 0.0x tokens · esc to interrupt",
        "e\u0308 \u200b\x07\ue0a0": "x\u0301 \ufffd",
    }

    assert redactor.screen("\n".join(rows)) == "\n".join(rows.values())


def test_of_an_identifier_no_part_stays(redactor: Redactor) -> None:
    text = "Read/tokens Read_tokens __Read__ Read=1 Read.tokens Read-tokens Error2 a@tokens $Read tokens\\x -Read"

    assert not re.search(r"Read|tokens|Error", redactor.screen(text))


WORD = st.sampled_from(sorted(WORDS)) | st.text(max_size=12) | st.from_regex(r"[A-Za-z]{4,12}", fullmatch=True)


@given(st.lists(st.tuples(WORD, st.sampled_from([" ", "\n", "/", "_", ".", " (", ""])), max_size=20))
def test_no_word_survives_that_is_not_of_the_interface(parts: list[tuple[str, str]]) -> None:
    masked = Redactor(WORDS).screen("".join(word + between for word, between in parts))

    masks = f"Xx{WIDE}"  # They may stand beside a word: what is no letter to `re` may be one to Unicode.
    survivors = {word.strip(masks) for word in re.findall(r"[^\W\d_]{4,}", masked)}
    assert survivors <= {part.strip(masks) for word in WORDS for part in re.findall(r"[^\W\d_]+", word)} | {""}


@given(st.text(max_size=200))
def test_no_letter_of_a_text_survives_a_mask(text: str) -> None:
    assert not re.sub(f"[Xx{WIDE}0]|[\\W_]", "", Redactor(WORDS).mask(text))


# Hooks.


def test_how_a_hook_bears_on_the_status_stays(redactor: Redactor) -> None:
    body: dict[str, Any] = {
        "hook_event_name": "PostToolUse",
        "session_id": "8d584e2d-99c4-46b7-a385-d947a31213f8",
        "transcript_path": "/home/jane/.claude/8d584e2d.jsonl",
        "cwd": "/home/jane",
        "tool_name": "Bash",
        "tool_use_id": "toolu_01A",
        "agent_id": "ab683f15",
        "agent_type": "general-purpose",
        "permission_mode": "acceptEdits",
        "effort": {"level": "medium"},
        "duration_ms": 107,
        "is_interrupt": False,
        "tool_input": {"command": "ls /srv", "timeout": 5000, "run_in_background": True, "tags": ["a1", None]},
        "background_tasks": [
            {"id": "b1", "type": "shell", "status": "running", "description": "Count", "command": "x"}
        ],
    }

    assert redactor.hook(body) == body | {
        "session_id": "00000000-0000-0000-0000-000000000001",
        "transcript_path": "/0000/0000/.000000/00000000.00002",
        "cwd": "/xxxx/xxxx",
        "tool_input": {"command": "xx /xxx", "timeout": 0, "run_in_background": True, "tags": ["x0", None]},
        "background_tasks": [
            {"id": "b1", "type": "shell", "status": "running", "description": "Xxxxx", "command": "x"}
        ],
    }


@pytest.mark.parametrize(
    ("name", "field", "value", "masked"),
    [
        ("PreToolUse", "tool_name", "mcp__acme__pay_bill", "mcp__xxxx__xxx_xxxx"),
        ("PreToolUse", "tool_name", "pay the bill", "xxx xxx xxxx"),
        ("StopFailure", "error", "rate_limit", "rate_limit"),
        ("StopFailure", "error", "no such file: ledger", "xx xxxx xxxx: xxxxxx"),
        ("PostToolUseFailure", "error", "denied", "xxxxxx"),
        ("SessionEnd", "reason", "prompt_input_exit", "prompt_input_exit"),
        ("PermissionDenied", "reason", "it pays", "xx xxxx"),
        ("SubagentStart", "agent_type", "acme-reviewer", "xxxx-xxxxxxxx"),
        ("SubagentStart", "agent_type", "Explore", "Explore"),
        ("Stop", "last_assistant_message", "Paid 5.", "Xxxx 0."),
        ("Stop", "of_a_newer_version", "Paid", "Xxxx"),
        ("Stop", "number", 12, 12),
        ("Stop", "background_tasks", ["secret"], ["xxxxxx"]),
        ("Stop", "tool_calls", "secret", "xxxxxx"),
    ],
    ids=repr,
)
def test_fields_stay_only_as_words_of_claude_code(
    redactor: Redactor, name: str, field: str, value: Any, masked: Any
) -> None:
    assert redactor.hook({"hook_event_name": name, field: value})[field] == masked


def test_keys_that_a_person_wrote_are_masked(redactor: Redactor) -> None:
    question = "Which ledger?"
    body: dict[str, Any] = {"tool_input": {"answers": {question: "Blue", "acme": "Red"}}, "Jane's": 1}

    masked = redactor.hook(body)

    assert masked == {"tool_input": {"answers": {"00000 000001?": "Xxxx", "0002": "Xxx"}}, "0000'3": 1}


def test_keys_of_an_input_stay_and_keys_of_a_result_only_if_they_are_known(redactor: Redactor) -> None:
    inner: dict[str, Any] = {"stdout": "a", "jane": "b"}

    masked = redactor.hook({"tool_input": inner, "tool_response": inner, "tool_calls": [{"tool_input": inner}]})

    assert masked == {
        "tool_input": {"stdout": "x", "jane": "x"},
        "tool_response": {"stdout": "x", "0001": "x"},
        "tool_calls": [{"tool_input": {"stdout": "x", "jane": "x"}}],
    }


def test_the_same_name_has_the_same_pseudonym_in_one_report(redactor: Redactor) -> None:
    hooks = [redactor.hook({"session_id": name})["session_id"] for name in ("s-one", "s-two", "s-one")]

    assert hooks == ["0-001", "0-002", "0-001"]
    assert redactor.registry({"sessionId": "s-two"}) == {"sessionId": "0-002"}
    assert [redactor.name(name) for name in ("", "é", "\N{FULLWIDTH LATIN SMALL LETTER A}")] == ["3", "4", f"{WIDE}5"]


def test_long_texts_are_cut_and_what_is_nested_too_deep_is_left_out(redactor: Redactor) -> None:
    deep: Any = "secret"
    for _ in range(150):
        deep = [deep]

    masked = redactor.hook({"prompt": "a" * 100_000, "tool_input": {"edits": deep}, "list": ["a"] * 1_000})

    assert masked["prompt"] == "x" * MAX_TEXT_CHARS
    assert len(json.dumps(masked)) < 10_000
    assert "secret" not in json.dumps(masked)


@pytest.mark.parametrize("run", RUNS)
def test_masked_hooks_of_a_recording_lead_to_the_same_statuses(run: str, redactor: Redactor) -> None:
    def statuses(*, is_masked: bool) -> list[tuple[object, ...]]:
        log = Log()
        found: list[tuple[object, ...]] = []
        for event in recorded(run):
            body = json.loads(event.payload)
            body = redactor.hook(body) if is_masked else body
            session = str(body.pop("session_id"))
            log.add(hook(str(body.pop("hook_event_name")), event.received_at, session=session, **body))
            shown = log.state.session(session)
            if shown is not None:
                found.append((shown.status.name, shown.status.waiting_for, shown.tool, len(shown.subagents)))
        return found

    assert statuses(is_masked=True) == statuses(is_masked=False)


@pytest.mark.parametrize("secret", SECRETS, ids=repr)
@pytest.mark.parametrize(
    "field", ["prompt", "last_assistant_message", "message", "title", "cwd", "tool_name", "reason", "error", "x.y"]
)
def test_no_secret_stays_in_a_hook(redactor: Redactor, field: str, secret: str) -> None:
    body: dict[str, Any] = {
        "hook_event_name": "PermissionDenied",
        field: secret,
        "tool_input": {"command": f"echo {secret}", secret: 1, "edits": [{"old_string": secret, secret: secret}]},
        "tool_response": {"content": [secret, {"file": {"content": secret, "numLines": 4711}}]},
    }

    text = json.dumps(redactor.hook(body), ensure_ascii=False)

    if (field, secret) != ("tool_name", "Hildegard"):  # It looks like a tool.
        assert secret not in text
    assert "4711" not in text
    assert secret not in redactor.screen(f"● Read {secret}\n> {secret}")


# The others.


def test_of_the_registry_stay_its_words_and_times(redactor: Redactor) -> None:
    record: dict[str, Any] = {
        "pid": 26852,
        "sessionId": "8d584e2d",
        "cwd": "/home/jane/acme",
        "startedAt": 1795375503470,
        "procStart": "393119",
        "peerFeatures": ["notify_idle"],
        "version": "2.1.330",
        "kind": "interactive",
        "entrypoint": "sdk-cli",
        "tmux": "acme:@0.%0",
        "name": "work-0b",
        "status": "waiting",
        "waitingFor": "permission prompt",
        "statusUpdatedAt": 1795375503567,
        "jobId": 77,
    }

    assert redactor.registry(record) == record | {
        "sessionId": "00000001",
        "cwd": "/xxxx/xxxx/xxxx",
        "procStart": "000000",
        "peerFeatures": ["xxxxxx_xxxx"],
        "tmux": "xxxx:@0.%0",
        "name": "xxxx-0x",
        "jobId": 0,
    }


def test_an_explanation_keeps_its_rules(redactor: Redactor) -> None:
    explanation: dict[str, Any] = {
        "pane_id": "%3",
        "session_id": "s1",
        "status": {
            "name": "waiting",
            "error": "The ledger is gone",
            "disputed_by": [{"rule": "waiting: input needed"}],
        },
        "claims": [{"source": "screen", "rule": "claude/permission", "at": 5}, {"rule": "May Jane proceed?"}],
        "review_at": None,
    }

    assert redactor.explanation(explanation) == explanation | {
        "session_id": "01",
        "status": {
            "name": "waiting",
            "error": "The xxxxxx xx xxxx",
            "disputed_by": [{"rule": "waiting: input needed"}],
        },
        "claims": [{"source": "screen", "rule": "claude/permission", "at": 5}, {"rule": "Xxx Xxxx proceed?"}],
    }
