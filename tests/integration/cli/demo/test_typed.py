import os
from pathlib import Path

from services.cli.demo.typed import Typed


def test_tells_once_where_a_line_was_typed(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "typed")
    with Typed(tmp_path / "typed") as typed:
        assert typed.panes() == set()
        for _ in range(2):
            (tmp_path / "typed").write_text("%1\n%23\n")

        assert typed.panes() == {"%1", "%23"}
        assert typed.panes() == set()
