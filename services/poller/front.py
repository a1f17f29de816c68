"""Which panes a person has in front, and when that person last pressed a key there. Pure."""

from typing import Final

CLIENT_FORMAT: Final = "#{pane_id} #{client_activity} #{client_control_mode}"
LIST_CLIENTS: Final = ("list-clients", "-F", CLIENT_FORMAT)
CLIENT_FIELDS: Final = 3


def panes_in_front(output: str) -> dict[str, int]:
    """Of each pane that is the active one of a client's window, when a key was pressed in that client.

    In whole Unix seconds, from what tmux printed for `LIST_CLIENTS`. Programs in control mode are no persons.
    """
    seen: dict[str, int] = {}
    for line in output.splitlines():
        fields = line.split(" ")
        if len(fields) == CLIENT_FIELDS and fields[1].isdecimal() and fields[2] == "0":
            seen[fields[0]] = max(seen.get(fields[0], 0), int(fields[1]))
    return seen
