from services.contract.entities import StatusName
from services.core.session_state import SessionState


def test_a_new_session_knows_nothing_and_shares_nothing() -> None:
    one, other = SessionState(), SessionState()

    assert one.verdict.status.name is StatusName.UNKNOWN
    assert one.timeline is not other.timeline
    assert not one.is_active
