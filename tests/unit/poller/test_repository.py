import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contract import codec
from services.contract.game import ProjectKind
from services.contract.requests import ReportRepositories
from services.poller.repository import (
    HUNG,
    MAX_DIRTY,
    MAX_FILTERS,
    Config,
    Facts,
    Place,
    Status,
    branch_of,
    filters_off,
    git_folder_in,
    has_filter,
    languages_of,
    make_reading,
    name_of,
    problem_in,
    read_config,
    read_status,
    spellings,
    without_credentials,
    worktree_in,
)

HEADERS = b"# branch.oid 1234\0# branch.head main\0# branch.upstream origin/main\0# branch.ab +2 -1\0"
MODES = b"N... 100644 100644 100644 aaaa bbbb"


def test_reads_a_status() -> None:
    output = HEADERS + b"1 .M %b a b\n\0001 M. %b staged\0u UU %b c\0? new\0! ignored\0" % (MODES, MODES, MODES)

    assert read_status(output) == Status(branch="main", dirty=4, ahead=2, behind=1, modified=(b"a b\n",))


def test_a_rename_is_one_change_and_its_old_name_is_no_line() -> None:
    output = HEADERS + b"2 R. %b R100 new\0? old\0? other\0" % MODES

    assert read_status(output).dirty == 2


@pytest.mark.parametrize(
    ("headers", "branch"),
    [(b"# branch.oid (initial)\0# branch.head main\0", "main"), (b"# branch.head (detached)\0", None), (b"", None)],
    ids=["no commits", "detached", "nothing"],
)
def test_without_a_branch_to_follow_it_is_neither_ahead_nor_behind(headers: bytes, branch: str | None) -> None:
    assert read_status(headers) == Status(branch=branch, dirty=0, ahead=None, behind=None, modified=())


def test_distances_that_were_not_counted_are_unknown() -> None:
    status = read_status(b"# branch.ab +? -?\0")

    assert (status.ahead, status.behind) == (None, None)


def test_of_output_that_was_cut_the_last_part_does_not_count() -> None:
    status = read_status(b"# branch.head main\0001 .M %b a\0? b\0? c" % MODES, is_cut=True)

    assert (status.branch, status.dirty, status.modified) == ("main", 2, ())


def test_what_is_dirty_is_counted_up_to_a_limit() -> None:
    assert read_status(b"? x\0" * (MAX_DIRTY + 5)).dirty == MAX_DIRTY


@given(st.binary(max_size=60))
def test_any_output_is_read_and_can_be_told(noise: bytes) -> None:
    status, config = read_status(HEADERS + noise), read_config(noise)
    facts = Facts(branch=status.branch, dirty=status.dirty, remote=config.remote)
    reading = make_reading(Place(folder="/a", path="/a", worktree=noise), facts)
    report = ReportRepositories(at=1, repositories=(reading,))

    assert codec.decode_request(codec.encode(report)) == report


def test_reads_settings() -> None:
    output = (
        b"core.bare\nfalse\0remote.origin.url\nhttps://a:b@h/x\0remote.origin.url\nother\0alone\0"
        b"filter.a.b.clean\nx\ny\0filter.a.b.required\ntrue\0filter.C.process\nz\0filter.d.other\nz\0"
    )

    assert read_config(output) == Config(remote="https://h/x", filters=("a.b", "C"))
    assert read_config(b"") == Config(remote=None, filters=())


def test_filters_are_switched_off_by_name() -> None:
    assert filters_off(()) == ()
    words = ("-c", "filter.a b.clean=", "-c", "filter.a b.process=", "-c", "filter.a b.required=false")
    assert filters_off(["a b"]) == words


@pytest.mark.parametrize("names", [["a=b"], ["a\nb"], ["a"] * (MAX_FILTERS + 1)], ids=["equals", "newline", "many"])
def test_filters_that_cannot_be_named_are_not_switched_off(names: list[str]) -> None:
    assert filters_off(names) is None


def test_a_file_s_filter_counts_when_it_is_one_of_these() -> None:
    output = b"a\0filter\0unspecified\0b\0filter\0lfs\0"

    assert has_filter(output, ["lfs"])
    assert not has_filter(output, ["other", "a", "filter"])
    assert not has_filter(b"", ["lfs"])


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://example.org/a/b.git", "https://example.org/a/b.git"),
        ("https://me:secret@example.org/a/b.git", "https://example.org/a/b.git"),
        ("https://token@example.org:8443/a@b", "https://example.org:8443/a@b"),
        ("https://me:se@cret@example.org/a", "https://example.org/a"),
        ("https://me:se/cret@example.org/a", "https://example.org/a"),
        ("https://[::1]:80/a@b", "https://[::1]:80/a@b"),
        ("https://example.org/a?token=secret", "https://example.org/a"),
        ("https://example.org/a#secret", "https://example.org/a"),
        ("https://me:secret@example.org?token=secret", "https://example.org"),
        ("ssh://git@example.org/a", "ssh://example.org/a"),
        ("git@example.org:a/b.git", "example.org:a/b.git"),
        ("me:secret@example.org:a/b.git", "example.org:a/b.git"),
        ("example.org:a@b/c", "b/c"),
        ("/srv/git/me:x@y", "/srv/git/me:x@y"),
        ("../other", "../other"),
        ("file:///srv/a", "file:///srv/a"),
        ("codecommit::https://me:secret@h/a", "codecommit::https://h/a"),
        ("ext::sh -c 'secret'", None),
        ("https://h/a\nb\x1b[0m", "https://h/a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}[0m"),
        ("", None),
    ],
    ids=repr,
)
def test_no_credentials_are_told(url: str, told: str | None) -> None:
    assert without_credentials(url) == told


secrets = st.text("abcXYZ019:@%-._~!", min_size=1, max_size=8).map(lambda text: f"SECRET{text}SECRET")


@given(
    st.sampled_from(["https://{}@h/p", "https://me:{}@h/p", "ssh://me:{}@h/p", "https://h/p?a={}", "me:{}@h:p"]),
    secrets,
)
def test_a_secret_is_never_told(shape: str, secret: str) -> None:
    assert "SECRET" not in (without_credentials(shape.format(secret)) or "")


def test_languages_are_told_by_files() -> None:
    names = ["setup.py", "pyproject.toml", "package.json", "App.csproj", "README", "x.sln", "Dockerfile"]

    assert languages_of(names) == ("docker", "dotnet", "node", "python")
    assert languages_of([]) == ()


@pytest.mark.parametrize(
    ("errors", "problem"),
    [
        (b"fatal: detected dubious ownership in repository at '/x'\n", "owned by another user"),
        (b"fatal: unsafe repository ('/x' is owned by someone else)\n", "owned by another user"),
        (b"fatal: not a git repository\n", "git could not read it"),
        (b"", "git could not read it"),
    ],
    ids=["now", "before 2.37", "other", "nothing"],
)
def test_why_git_failed_is_read(errors: bytes, problem: str) -> None:
    assert problem_in(errors) == problem


def test_small_files_of_git_are_read() -> None:
    assert git_folder_in(b"gitdir: /a\nb/.git\r\n") == b"/a\nb/.git"
    assert git_folder_in(b"rubbish") is None
    assert worktree_in(b"[core]\n\tbare = false\n\tworktree = ../../../lib\n") == b"../../../lib"
    assert worktree_in(b"[core]\n") is None
    assert branch_of(b"refs/heads/a/b\n") == "a/b"
    assert branch_of(b"refs/tags/a\n") is None


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (b"/a/game", "game"),
        (b"/a/game.git", "game"),
        (b"/a/game/.bare", "game"),
        (b"/a/game/.git", "game"),
        (b"/", "/"),
        (b"/a/\xff", "\N{REPLACEMENT CHARACTER}"),
    ],
    ids=repr,
)
def test_a_project_is_called_after_its_folder(path: bytes, name: str) -> None:
    assert name_of(path) == name


def test_odd_bytes_are_found_again_in_what_tmux_told() -> None:
    assert spellings("/a") == (b"/a",)
    assert spellings("/\\xff") == (b"/\\xff", b"/\xff")
    assert spellings("/\udcff") == (b"/\xff",)


def test_a_place_s_own_problem_comes_first() -> None:
    place = Place(folder="/a", path="/a", kind=ProjectKind.REPOSITORY, problem=HUNG)

    assert make_reading(place, None).problem == HUNG
    assert place.at is None
