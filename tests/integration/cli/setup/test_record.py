from pathlib import Path

from services.cli.setup.record import Change, Record, digest, load, save


def test_what_was_remembered_is_read_back_for_this_user_alone(tmp_path: Path) -> None:
    record = Record({"/a": Change(written=digest(b"x"), before=b"\xff\x00"), "/b": Change(written="", before=None)})
    save(tmp_path, record)

    assert load(tmp_path) == record
    assert (tmp_path / "setup.json").stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [tmp_path / "setup.json"]


def test_what_cannot_be_read_is_nothing(tmp_path: Path) -> None:
    assert load(tmp_path) == Record()
    for torn in (b"", b"{", b'{"changes": 3}', b"\xff"):
        (tmp_path / "setup.json").write_bytes(torn)
        assert load(tmp_path) == Record()
