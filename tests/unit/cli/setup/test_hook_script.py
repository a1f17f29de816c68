import shlex
from pathlib import Path

from services.cli.setup.hook_script import headers_of, script_of
from services.contract.settings import Folders, read_settings

FOLDERS = Folders(data=Path("/it's my $data"), runtime=Path("/run/my place"), config=Path("/c"), home=Path("/h"))


def test_places_are_words_of_the_shell_whatever_is_in_them() -> None:
    settings = read_settings({}, {}, FOLDERS)

    script = script_of("socket=@SOCKET@\nspool=@SPOOL@\nheaders=@HEADERS@\nfull=@FULL@\n", settings)

    assert dict(shlex.split(line)[0].split("=", 1) for line in script.splitlines()) == {
        "socket": "/run/my place/api.sock",
        "spool": "/it's my $data/spool",
        "headers": "/it's my $data/hook-headers",
        "full": "50000",
    }


def test_the_token_is_in_the_headers_file_only() -> None:
    assert headers_of("secret") == "Authorization: Bearer secret\nContent-Type: application/json\n"
