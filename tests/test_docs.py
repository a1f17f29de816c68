"""What a program can say is in the documents, and what the documents point to is there."""

import re
from pathlib import Path

import pytest

from services.cli.setup.hook_entries import HOOK_EVENTS
from services.contract.commands import AnyClientMessage, CloseCode
from services.contract.errors import ErrorCode
from services.contract.settings import PREFIX, Folders, Settings, read_settings
from services.contract.updates import MESSAGES

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"^```.*?^```$|`[^`\n]*`", re.MULTILINE | re.DOTALL)
ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:|//")


@pytest.fixture
def settings_document() -> str:
    return (ROOT / "docs/settings.md").read_text(encoding="utf-8")


def protocol_document() -> str:
    path = ROOT / "docs/protocol.md"
    assert path.exists(), "docs/protocol.md is not written"
    return path.read_text(encoding="utf-8")


def row_of(document: str, name: str) -> list[str]:
    """The cells of the one table row that begins with this name."""
    rows = [line for line in document.splitlines() if line.startswith(f"| `{name}` |")]
    assert len(rows) == 1, f"{name} has {len(rows)} rows"
    return [cell.strip() for cell in rows[0].strip("|").split("|")]


def anchors_of(document: str) -> set[str]:
    """The names by which a page's headings are linked."""
    headings = re.findall(r"^#+ (.+)$", CODE.sub(lambda found: found[0].strip("`"), document), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", [*Settings.__struct_fields__, "config"])
def test_every_setting_is_described(settings_document: str, name: str) -> None:
    cells = row_of(settings_document, PREFIX + name.upper())

    assert len(cells) == 4
    assert all(cells), "a cell is empty"


def test_no_setting_is_described_that_is_none(settings_document: str) -> None:
    described = set(re.findall(rf"^\| `{PREFIX}(\w+)`", settings_document, re.MULTILINE))

    assert described == {name.upper() for name in Settings.__struct_fields__} | {"CONFIG"}


def test_the_described_default_is_the_default(settings_document: str) -> None:
    folders = Folders(data=Path("/d"), runtime=Path("/r"), config=Path("/c"), home=Path("/h"))
    settings = read_settings({}, {}, folders)

    for name in Settings.__struct_fields__:
        default = getattr(settings, name)
        if isinstance(default, int | float | str) and default:
            text = f"{default:g}" if isinstance(default, float) else str(default)
            assert row_of(settings_document, PREFIX + name.upper())[1] == f"`{text}`"


def test_every_message_is_in_the_protocol() -> None:
    document = protocol_document()

    assert not [kind.type for kind in MESSAGES if f"`{kind.type}`" not in document]


def test_every_client_message_is_in_the_protocol() -> None:
    document = protocol_document()
    tags = [kind.__struct_config__.tag for kind in AnyClientMessage.__args__]

    assert not [tag for tag in tags if f"`{tag}`" not in document]


def test_every_close_code_is_in_the_protocol() -> None:
    document = protocol_document()

    assert not [code for code in CloseCode if not re.search(rf"\b{code.value}\b", document)]


def test_every_error_code_is_in_the_protocol() -> None:
    document = protocol_document()

    assert not [code for code in ErrorCode if f"`{code}`" not in document]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    broken = []
    for link in LINK.findall(CODE.sub("", text)):
        if ELSEWHERE.match(link):
            continue
        place, _, anchor = link.partition("#")
        target = document.parent / place if place else document
        if not target.exists() or (anchor and anchor not in anchors_of(target.read_text(encoding="utf-8"))):
            broken.append(link)

    assert not broken


def test_every_hook_event_is_listed() -> None:
    listed = re.search(
        r"^The events: (.*?)\.$", (ROOT / "docs/hooks.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )

    assert listed is not None
    assert tuple(re.findall(r"`(\w+)`", listed[1])) == HOOK_EVENTS
