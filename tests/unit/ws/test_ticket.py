import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ws.ticket import MAC_BYTES, MAX_CHARS, Ticket, TicketOffice

OFFICE = TicketOffice("the token")
TICKET = Ticket("epoch-1", 7, 9)


def test_a_ticket_is_read_by_any_gateway_of_the_installation_and_by_no_other() -> None:
    text = OFFICE.make(TICKET)

    assert TicketOffice("the token").read(text) == TICKET
    assert TicketOffice("another token").read(text) is None
    assert text.isascii()
    assert not set(text) & set("+/=&? ")


@given(st.text(max_size=100) | st.binary(max_size=90).map(lambda body: base64.urlsafe_b64encode(body).decode()))
def test_what_is_none_is_none(text: str) -> None:
    assert OFFICE.read(text) is None


@pytest.mark.parametrize("place", [0, MAC_BYTES - 1, MAC_BYTES, -1])
def test_a_changed_one_is_none(place: int) -> None:
    body = bytearray(base64.urlsafe_b64decode(OFFICE.make(TICKET) + "=="))
    body[place] ^= 1

    assert OFFICE.read(base64.urlsafe_b64encode(body).decode()) is None


def test_a_long_one_is_none_and_costs_nothing() -> None:
    assert OFFICE.read("A" * (MAX_CHARS + 1)) is None
