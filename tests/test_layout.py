"""The shape that STYLE asks for, held by a test."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted((ROOT / "services").rglob("*.py"))
UNTESTED = {"__init__.py", "__main__.py"}
MAX_FILE_LINES = 400
MAX_BODY_LINES = 45
Function = ast.FunctionDef | ast.AsyncFunctionDef


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def body_lines(function: Function) -> int:
    """The lines of a function below its signature and docstring."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


@pytest.fixture(params=MODULES, ids=name_of)
def module(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


@pytest.fixture
def tree(module: Path) -> ast.Module:
    return ast.parse(module.read_text(encoding="utf-8"))


@pytest.mark.parametrize("module", [path for path in MODULES if path.name not in UNTESTED], ids=name_of)
def test_every_module_has_its_test(module: Path) -> None:
    below = module.relative_to(ROOT / "services")
    places = [ROOT / "tests" / kind / below.parent / f"test_{below.name}" for kind in ("unit", "integration")]

    assert any(place.exists() for place in places), f"neither {name_of(places[0])} nor {name_of(places[1])}"


def test_no_file_is_too_long_to_read(module: Path) -> None:
    assert len(module.read_text(encoding="utf-8").splitlines()) <= MAX_FILE_LINES


def test_no_function_is_too_long_to_read(tree: ast.Module) -> None:
    long = {
        node.name: body_lines(node)
        for node in ast.walk(tree)
        if isinstance(node, Function) and body_lines(node) > MAX_BODY_LINES
    }

    assert not long


def test_no_function_changes_its_module(tree: ast.Module) -> None:
    changed = [name for node in ast.walk(tree) if isinstance(node, ast.Global) for name in node.names]

    assert not changed
