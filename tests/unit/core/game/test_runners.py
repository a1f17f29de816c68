from random import Random
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.game.runners import MAX_CHARS, MAX_DELIMITER_CHARS, MAX_NESTED, passes_tests

PASSED = [
    "pytest",
    "pytest -q tests/unit",
    "python -m pytest",
    "python3.12 -W error -m pytest -x",
    "python -m unittest discover",
    ".venv/bin/pytest -n 4",
    "/usr/bin/env python3 -m pytest",
    "cd shop && pytest",
    "source .venv/bin/activate && pytest && echo fine",
    "git add . ; pytest",
    "cd x || exit 1; pytest",
    "server & sleep 1; pytest",
    "pytest;",
    "pytest\n",
    "(cd web && npm test)",
    "CI=1 DEBUG='a b' npm test",
    "npm t",
    "npm run test:unit -- --coverage",
    "npm --prefix web test",
    "pnpm -r test",
    "pnpm --filter web test",
    "pnpm exec vitest run",
    "yarn test",
    "yarn workspace web test",
    "yarn jest",
    "bun test",
    "npx vitest run",
    "npx playwright test",
    "jest --ci > out.txt 2>&1",
    "go test ./...",
    "go test -run 'TestX|TestY' ./...",
    "cargo test",
    "cargo +nightly test --all",
    "cargo nextest run",
    "make test",
    "make -C web check",
    "make -j 4 clean test",
    "make test-integration",
    "mvn -q clean verify",
    "./mvnw test",
    "./gradlew :app:test",
    "gradle testDebugUnitTest",
    "bundle exec rspec spec/models",
    "bin/rails test",
    "rake spec",
    "vendor/bin/phpunit --filter X",
    "php artisan test",
    "ctest --output-on-failure",
    "dotnet test",
    "deno test -A",
    "mix test",
    "tox -e py312",
    "nox -s tests",
    "uv run pytest",
    "uv run --extra dev python -m pytest",
    "poetry run pytest",
    "timeout 60 pytest",
    "timeout -k 5 60s pytest",
    "time pytest",
    "sudo -u ci pytest",
    "coverage run -m pytest",
    "python -m coverage run --branch -m pytest",
    "python manage.py test",
    "# all of them\npytest",
    "pytest \\\n  -q",
    "pytest &&\n  echo fine",
    "cat > x.py <<'EOF'\nimport os | true\nEOF\npytest x.py",
    "cd $(git rev-parse --show-toplevel) && pytest",
    "set -o pipefail; pytest | tail -5",
    "set -euo pipefail\npytest\necho fine",
    "'pytest' \"-q\"",
]
NOT = [
    "",
    "ls",
    "echo pytest",
    "echo 'pytest && make test'",
    "grep -r pytest .",
    "cat pytest.ini",
    "pip install pytest",
    "uv add pytest",
    "npm install jest",
    "npm install test",
    "cargo add test",
    "cargo build --test x",
    "which pytest",
    "man pytest",
    "git commit -m 'run pytest'",
    "git checkout test",
    "test -f x",
    "pytest --version",
    "pytest --help",
    "pytest -h",
    "pytest --collect-only -q",
    "python -m pytest --co",
    "ls -1 && python3 -m pytest --version || true",
    "pytest || true",
    "pytest || echo failed",
    "pytest; true",
    "pytest; echo $?",
    "pytest\necho done",
    "pytest | tail -5",
    "pytest 2>&1 | tee log",
    "(pytest && ls) | tail",
    "(pytest; true)",
    "(pytest) || true",
    "pytest &",
    "pytest & wait",
    "! pytest",
    "if pytest; then echo fine; fi",
    "for d in a b; do pytest $d; done",
    "while ! pytest; do sleep 1; done",
    "f() { pytest; }",
    "f() (pytest)",
    "echo $(pytest)",
    "echo `pytest`",
    'echo "$(pytest)"',
    "diff <(pytest) expected",
    "cat <<EOF\npytest\nEOF",
    "cat <<EOF > run.sh\npytest\nEOF",
    "set -e; pytest && ls; echo fine",
    "set -e; set +e; pytest; echo fine",
    "pytest; set -e; ls",
    "make -C test all",
    "make -n test",
    "make test-clean",
    "make check-format",
    "make",
    "npm run",
    "npm run build",
    "npm run test:watch",
    "mvn verify -DskipTests",
    "go test -c ./...",
    "go build ./test",
    "cargo test --no-run",
    "cargo nextest list",
    "python -c 'import pytest'",
    "python pytest_helper.py",
    "python -m",
    "python",
    "tox -l",
    "ctest -N",
    "vitest list",
    "timeout 60",
    "env A=1",
    "# pytest",
    "pytest '",
    'pytest "$((1 + 2))"x$((1))',
    "true" + " <<a" * 9 + "\npytest",
    "pytest " + "x" * MAX_CHARS,
]


@pytest.mark.parametrize("command", PASSED, ids=repr)
def test_exit_code_0_says_that_tests_passed(command: str) -> None:
    assert passes_tests(command)


@pytest.mark.parametrize("command", NOT, ids=lambda command: repr(command[:40]))
def test_exit_code_0_says_nothing_of_tests(command: str) -> None:
    assert not passes_tests(command)


@given(
    st.lists(st.sampled_from([*" \n;&|()<>$`'\"\\#=-", "pytest", "<<", "EOF", "make test", "||", "&&"]), max_size=40)
)
def test_no_command_is_too_odd_to_read(parts: list[str]) -> None:
    passes_tests("".join(parts))


PARTS: Final = [*"A \t\n\r\\'\"`$()<>|&;#=-x1", "pytest", "make ", "test:", "run ", "env ", "sudo ", "coverage ", "-m "]
PARTS.extend(
    ["python ", "npm x ", "-e ", "1>", "EOF", "<<A", "<<'A'", "<<", "$(", "||", "&&", "# ", "\n ", "\\\n", "[ "]
)


def long_command(seed: int) -> str:
    """A command of the most characters: one part often, then another one often, between some others."""
    random = Random(seed)  # noqa: S311
    part, other = ("".join(random.choices(PARTS, k=random.randint(1, 3))) for _ in range(2))
    before, after = ("".join(random.choices(PARTS, k=random.randint(0, 4))) for _ in range(2))
    command = "pytest " + before + part * random.randint(0, MAX_CHARS // len(part))
    return (command[: MAX_CHARS - 50] + other * MAX_CHARS)[: MAX_CHARS - len(after)] + after


LONGEST: Final = [
    *map(long_command, range(200)),
    "pytest <<" + "A" * 1_900 + "\n" * 2_000,
    "pytest <<" + "A" * 1_900 + " " * 2_000 + "\n",
    ("pytest <<" + "A" * 240 + "\n" * 240) * 8,
    ("pytest <<" + "A" * 64 + "\n" * 400) * 8,
    "pytest <<A" + ("\n" + " " * 60) * 60,
    "npm x " * 660 + "jest",
    "python " + "-m coverage run " * 240 + "-m pytest",
]


def test_any_long_command_is_read_to_its_end() -> None:
    """One that takes for ever would meet the time limit of the tests."""
    assert {passes_tests(command) for command in LONGEST} == {True, False}


def test_what_is_said_of_a_command_does_not_depend_on_the_stack() -> None:
    assert passes_tests("npm x " * MAX_NESTED + "jest")
    assert not passes_tests("npm x " * (MAX_NESTED + 1) + "jest")
    assert not passes_tests("npm x " * 600 + "jest")
    assert passes_tests("python " + "-m coverage run " * 240 + "-m pytest")


@pytest.mark.parametrize(("chars", "passes"), [(MAX_DELIMITER_CHARS, True), (MAX_DELIMITER_CHARS + 1, False)])
def test_a_heredoc_is_known_by_its_whole_delimiter(chars: int, passes: bool) -> None:
    word = "A" * chars

    assert passes_tests(f"cat <<{word} && pytest\nit's\nA\n{word}") is passes


@given(st.sampled_from(PASSED))
def test_what_follows_hides_the_exit_code(command: str) -> None:
    assert not passes_tests(f"({command}\n) || true")
