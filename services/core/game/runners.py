"""Whether a shell command runs tests, and its exit code 0 says that they passed. Pure.

Doubt means no: what is piped on, followed by another command, excused by `||` or in the background does not count.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final

MAX_CHARS: Final = 4_000
"""A longer command is a program of its own, and counts as none that runs tests."""
MAX_HEREDOCS: Final = 8
MAX_DELIMITER_CHARS: Final = 64
"""Of a heredoc; one with a longer one counts as none."""
COMMANDS: Final = 256
"""Of the last ones, it is remembered what they are: an agent runs the same few over and over."""
MAX_NESTED: Final = 8
"""Package managers that run one another; the answer is not to depend on the room that the stack has."""

Token = tuple[str, str]
"""`word` or `operator`, and its text."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


RUNNERS: Final = _words(
    "ava bats behave busted ctest gotestsum jasmine jest mocha nose2 nosetests nox pest phpunit prove py.test pytest "
    "rspec stestr tox trial unittest vitest"
)
"""Programs, and modules of Python, that do nothing but run tests."""
_COMMANDS: Final = {
    "cargo": _words("test t"),
    "cypress": _words("run"),
    "karma": _words("start"),
    **dict.fromkeys(
        _words(
            "artisan bazel cabal composer dart deno django django-admin dotnet flutter go hatch manage.py meson mix ng "
            "playwright rails stack swift"
        ),
        _words("test"),
    ),
}
"""Programs that do much, and their first word when they run tests."""
_GOALS: Final = {
    **dict.fromkeys(_words("ant gmake gradle gradlew just make ninja task"), _words("check")),
    **dict.fromkeys(_words("mvn mvnw"), _words("verify")),
    **dict.fromkeys(_words("lein rake sbt"), _words("spec")),
}
"""Programs that take goals, of which one runs tests: this, or one that is called test."""
_GOAL_VALUED: Final = _words("-C -I -f -j -l -pl --directory --file --jobs")
_SCRIPTS: Final = _words("bun npm pnpm yarn")
_PYTHON: Final = re.compile(r"python(?:\d+(?:\.\d+)*)?|pypy3?|py")
_TEST: Final = re.compile(
    r"(?:integration-?)?tests?(?![A-Za-z]*(?:clean|data|deps))"
    r"(?:[:_-](?!.*(?:build|clean|data|deps|down|env|image|install|list|prepare|server|setup|start|stop|watch)).*)?"
)
"""A goal or a script that runs tests, by its name."""
_GRADLE_TEST: Final = re.compile(r"test[A-Z]\w*|\w+Test")

_IDLE: Final = _words(
    "--co --collect-only --dry-run --fixtures --help --just-print --list --list-sessions --list-tests --listTests "
    "--listenvs --markers --no-run --notest --setup-plan --show-only --version -DskipTests -Dmaven.test.skip "
    "-Dmaven.test.skip=true -h"
)
"""With one of these a runner tells something, and runs nothing."""
_IDLE_OF: Final = {
    "ctest": _words("-N"),
    "go": _words("-c -list -n"),
    "gmake": _words("-n"),
    "make": _words("-n"),
    "nox": _words("-l"),
    "pytest": _words("-V"),
    "tox": _words("-l list config"),
    "vitest": _words("list init"),
}

_CARRIERS: Final = {
    "bundle": "exec",
    **dict.fromkeys(_words("hatch pdm pipenv pixi poetry rye uv"), "run"),
    **dict.fromkeys(_words("bunx command env exec nice npx php stdbuf sudo time timeout uvx xvfb-run"), ""),
}
"""Programs that run the program named after them, and after this word where there is one."""
_VALUED: Final = _words(
    "-C -F -k -n -u --cwd --dir --directory --env-file --extra --filter --from --group --manifest-path --only-group "
    "--package --prefix --project --python --signal --with --with-requirements"
)
"""Options that take the next word."""
_DURATION: Final = re.compile(r"\d+(?:\.\d+)?[smhd]?")
_ASSIGNMENT: Final = re.compile(r"[A-Za-z_]\w*\+?=")
_ERREXIT: Final = re.compile(r"-[a-z]*e[a-z]*")

_HINTS: Final = (
    *("test", "check", "jest", "spec", "verify", "cargo", "tox", "nox", "npm", "mocha", "unit", "bats", "ava"),
    *("behave", "busted", "cypress", "jasmine", "karma", "nose2", "pest", "prove", "trial"),
)
"""No command without any of these runs tests: most commands end here."""
_HEREDOC: Final = re.compile(
    rf"(?<!<)<<-?[ \t]*+(['\"]?)(\w{{1,{MAX_DELIMITER_CHARS}}}+)(?!\w)\1([^\n]*+)\n(?:.*?\n)?[ \t]*+\2[ \t]*+(?=\n|\Z)",
    re.DOTALL,
)
_TOKEN: Final = re.compile(
    r"""
    (?P<blank>(?:[ \t\r]|\\\r?\n)+)
  | (?P<comment>\#[^\n]*)
  | (?P<redirect>(?:\d*(?:>>|>\||<>|[<>])&?|&>>?)[ \t]*)
  | (?P<operator>&&|\|\||;;|\|&|[;&|\n()])
  | (?P<word>(?:[^\s;&|()<>'"`\\$]+|\\.|'[^']*'|"(?:[^"\\]|\\.)*"|\$\([^()]*\)|`[^`]*`|\$(?!\())+)
    """,
    re.VERBOSE | re.DOTALL,
)
_QUOTED: Final = re.compile(r"'([^']*)'|\"((?:[^\"\\]|\\.)*)\"|\\(.)", re.DOTALL)
_GOES_ON: Final = _words("&& || | |&")


@lru_cache(maxsize=COMMANDS)
def passes_tests(command: str) -> bool:
    """Whether a command that ended with exit code 0 has run tests, and they passed."""
    if len(command) > MAX_CHARS or not any(hint in command for hint in _HINTS):
        return False
    tokens = _tokens(command)
    return tokens is not None and any(_runs_tests(words) for words in _sure_commands(tokens))


def _tokens(command: str) -> list[Token] | None:
    """The words and operators, without redirections and comments; None when they cannot be told with certainty."""
    if "<<" in command:
        if command.count("<<") > MAX_HEREDOCS:
            return None
        command = _HEREDOC.sub(r" \3", command)
    tokens: list[Token] = []
    position, is_target = 0, False
    while position < len(command):
        match = _TOKEN.match(command, position)
        if match is None:
            return None
        kind, text, position = match.lastgroup or "", match[0], match.end()
        if is_target:
            if kind != "word":
                return None
            is_target = False
        elif kind == "redirect":
            is_target = True
        elif kind == "word" or (kind == "operator" and not (text == "\n" and tokens and tokens[-1][1] in _GOES_ON)):
            if text == ")" and tokens[-1:] == [("operator", "(")]:  # A function is defined here, and not yet run.
                return None
            tokens.append((kind, text))
    return tokens


def _sure_commands(tokens: Sequence[Token]) -> list[Sequence[str]]:
    """The simple commands that have run and succeeded, for all that the exit code 0 of the whole says.

    That is of the last list, and under `set -e` the last one of each before. A group counts like what is in it.
    """
    sure: list[Sequence[str]] = []
    has_groups = ("operator", "(") in tokens
    is_strict = is_pipefail = False
    for one, end in _lists(tokens):
        commands = _sure_of_list(one, is_pipefail=is_pipefail)
        kept = sure if is_strict and not has_groups else []
        sure = [*kept, *([] if end == "&" else commands)]
        if len(commands) == 1 and commands[0][0] == "set":
            options = commands[0][1:]
            is_strict = is_strict or any(_ERREXIT.fullmatch(option) for option in options)
            is_strict = is_strict and not any(option.startswith("+") for option in options)
            is_pipefail = is_pipefail or "pipefail" in options
        elif end is not None and len(commands) > 1:
            sure = [*kept, *sure[-1:]] if is_strict and end != "&" else sure
    return sure


def _lists(tokens: Sequence[Token]) -> Iterator[tuple[Sequence[Token], str | None]]:
    """The lists that are not empty, each with what ends it; None for the last one."""
    lists: list[tuple[list[Token], str]] = [([], "")]
    for kind, text in tokens:
        if kind == "operator" and text in {";", ";;", "&", "\n"}:
            if lists[-1][0]:
                lists[-1] = (lists[-1][0], text)
                lists.append(([], ""))
        else:
            lists[-1][0].append((kind, text))
    filled = [one for one in lists if one[0]]
    for number, (one, end) in enumerate(filled, 1):
        is_last = number == len(filled) and end != "&"
        yield one, None if is_last else end


def _sure_of_list(tokens: Sequence[Token], *, is_pipefail: bool) -> list[Sequence[str]]:
    """The commands of one list that have succeeded when the list has."""
    sure: list[Sequence[str]] = []
    words: list[str] = []
    before = ""
    for kind, text in (*tokens, ("operator", "&&")):
        if kind == "word":
            words.append(text)
        else:
            is_pipe = text in {"|", "|&"}
            if text == "||" or (is_pipe and before == ")"):
                return []
            if words and (not is_pipe or is_pipefail):
                sure.append(words)
            words = []
        before = text
    return sure


def _runs_tests(words: Sequence[str], nested: int = 0) -> bool:
    """Whether a simple command runs tests."""
    plain = _carried([_unquoted(word) for word in words])
    if not plain:
        return False
    program, given = plain[0].rsplit("/", 1)[-1], plain[1:]
    if _PYTHON.fullmatch(program):
        program, given = _module(given)
    if any(word in _IDLE or word in _IDLE_OF.get(program, ()) for word in given):
        return False
    return program in RUNNERS or _asks_for_tests(program, given, nested)


def _unquoted(word: str) -> str:
    if "'" not in word and '"' not in word and "\\" not in word:
        return word
    return _QUOTED.sub(lambda match: match[1] or match[2] or match[3] or "", word)


def _carried(words: list[str]) -> list[str]:
    """The words from the program on that is run in the end."""
    while words:
        name = words[0].rsplit("/", 1)[-1]
        after = _CARRIERS.get(name)
        if _ASSIGNMENT.match(words[0]):
            words = words[1:]
        elif after is not None and (not after or words[1:2] == [after]):
            words = _after_options(words[2 if after else 1 :])
            if name == "timeout" and words and _DURATION.fullmatch(words[0]):
                words = words[1:]
        elif name == "coverage" and words[1:2] == ["run"] and "-m" in words:
            words = ["python", *words[words.index("-m") :]]
        else:
            break
    return words


def _after_options(words: list[str]) -> list[str]:
    while words and words[0].startswith("-"):
        words = words[2:] if words[0] in _VALUED else words[1:]
    return words


def _module(given: list[str]) -> tuple[str, list[str]]:
    """What Python runs, a module or a script, and what that is given."""
    rest = given
    while True:
        while rest and rest[0].startswith("-") and rest[0] not in {"-m", "-c"}:
            rest = rest[2:] if rest[0] in {"-W", "-X"} else rest[1:]
        if rest[:1] == ["-c"]:
            return "", []
        if rest[:1] == ["-m"]:
            rest = rest[1:]
        if rest[:2] != ["coverage", "run"] or "-m" not in rest:
            break
        rest = rest[rest.index("-m") :]
    return (rest[0].rsplit("/", 1)[-1], rest[1:]) if rest else ("", [])


def _asks_for_tests(program: str, given: list[str], nested: int) -> bool:
    if program in _GOALS:
        return any(_is_test_goal(program, goal) for goal in _goals(given))
    rest = _after_options([word for word in given if not word.startswith("+")])
    if program in _SCRIPTS:
        return _runs_script(program, rest, nested)
    if program == "cargo" and rest[:1] == ["nextest"]:
        return rest[1:2] in (["run"], ["r"])
    return bool(rest) and rest[0] in _COMMANDS.get(program, ())


def _goals(given: list[str]) -> list[str]:
    pairs = zip(["", *given], given, strict=False)
    return [word for before, word in pairs if not word.startswith("-") and before not in _GOAL_VALUED]


def _is_test_goal(program: str, goal: str) -> bool:
    is_gradle = program.startswith("gradle")
    name = goal.rsplit(":", 1)[-1] if is_gradle else goal
    if name in _GOALS[program] or _TEST.fullmatch(name):
        return True
    return is_gradle and _GRADLE_TEST.fullmatch(name) is not None


def _runs_script(program: str, rest: list[str], nested: int) -> bool:
    """Whether a package manager of JavaScript is to run a script of tests, or a runner itself."""
    if rest[:1] == ["workspace"]:
        rest = rest[2:]
    if rest[:1] in (["run"], ["run-script"], ["exec"], ["dlx"], ["x"]):
        rest = _after_options(rest[1:])
    elif rest[:1] in (["t"], ["tst"]):
        return program in {"npm", "pnpm"}
    if not rest:
        return False
    return _TEST.fullmatch(rest[0]) is not None or (nested < MAX_NESTED and _runs_tests(rest, nested + 1))
