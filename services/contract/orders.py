"""What core tells a poller to do, without being asked. Pure."""

from msgspec import Struct

from services.contract.entities import TmuxServer


class Order(Struct, frozen=True, kw_only=True, tag_field="type"):
    """One way: what comes of it is told by a request of the poller."""


class DoAction(Order, frozen=True, kw_only=True, tag="do_action"):
    """Do this once, unless its time is over; then send `ReportAction`."""

    id: str
    action: str
    """Its name in `contract.actions.ACTIONS`."""
    fields: bytes
    """Its fields, as MessagePack."""
    target: str | None
    deadline_at: int
    """Unix milliseconds."""
    server: TmuxServer | None
    """The life of the tmux server whose id the target is: in another one the same id is another thing."""


class Attend(Order, frozen=True, kw_only=True, tag="attend"):
    """Which panes deserve a closer look; replaces what was said before."""

    watched: tuple[str, ...] = ()
    """Somebody looks at them now."""
    working: tuple[str, ...] = ()
    """Their sessions work or wait."""


class LookSoon(Order, frozen=True, kw_only=True, tag="look_soon"):
    """Something happened in these panes: capture them now."""

    panes: tuple[str, ...]


class ReadFolders(Order, frozen=True, kw_only=True, tag="read_folders"):
    """Read what these folders are in, once, and tell it with `ReportRepositories` also when it is not news."""

    folders: tuple[str, ...]


AnyOrder = DoAction | Attend | LookSoon | ReadFolders
