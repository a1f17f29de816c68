from services.cli.demo.recordings import find_recordings, read_recording


def test_the_recordings_of_this_source_tree_are_found_and_read() -> None:
    folder = find_recordings()
    recording = read_recording(folder, "bash_yes")

    assert (folder / "README.md").is_file()
    assert [call.name for call in recording.calls][:2] == ["SessionStart", "UserPromptSubmit"]
    assert [record.status for record in recording.records] == ["", "", "idle", "busy", "waiting", "busy", "idle", ""]
    assert recording.records[0].text == ""
    assert recording.screens[-1].t > recording.screens[0].t
    assert len({call.session_id for call in recording.calls}) == 1


def test_a_line_without_a_call_is_passed_over() -> None:
    assert all(call.name for call in read_recording(find_recordings(), "remote_allow").calls)
