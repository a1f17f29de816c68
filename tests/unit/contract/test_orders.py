import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.contract import codec
from services.contract.codec import DecodeError
from services.contract.orders import AnyOrder, Attend, LookSoon, Order
from tests.unit.contract.samples import all_subclasses, any_of

orders = st.sampled_from(AnyOrder.__args__).flatmap(any_of)
few = settings(max_examples=40)


def test_the_poller_understands_every_order() -> None:
    assert set(all_subclasses(Order)) == set(AnyOrder.__args__)


def test_no_two_orders_share_a_tag() -> None:
    tags = [kind.__struct_config__.tag for kind in AnyOrder.__args__]

    assert len(set(tags)) == len(tags)


@few
@given(orders)
def test_every_order_comes_back_as_it_went(order: AnyOrder) -> None:
    assert codec.decode_order(codec.encode(order)) == order


@few
@given(st.binary())
def test_random_bytes_are_a_decode_error_or_an_order(noise: bytes) -> None:
    try:
        assert isinstance(codec.decode_order(noise), Order)
    except DecodeError:
        return


@few
@given(orders, st.data())
def test_a_truncated_order_is_a_decode_error(order: AnyOrder, data: st.DataObject) -> None:
    body = codec.encode(order)
    cut = data.draw(st.integers(0, len(body) - 1))

    with pytest.raises(DecodeError):
        codec.decode_order(body[:cut])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xc1",
        b"\x80",
        b"\x81\xa4type\xa5sleep",
        b"\x81\xa4type\xa9do_action",
        b"\x82\xa4type\xa9look_soon\xa5panes\x91\x07",
        b"\x82\xa4type\xa9look_soon\xa5panes\x91\xa1\xff",
        b"\x82\xa4type\xa6attend\xa5extra" + b"\x91" * 100_000 + b"\xc0",
    ],
    ids=["nothing", "no MessagePack", "no type", "unknown type", "no fields", "wrong type", "no UTF-8", "endless"],
)
def test_what_is_no_order_is_a_decode_error(body: bytes) -> None:
    with pytest.raises(DecodeError):
        codec.decode_order(body)


def test_an_unknown_field_is_ignored() -> None:
    assert codec.decode_order(b"\x82\xa4type\xa6attend\xa5later\x01") == Attend()


def test_a_request_is_no_order() -> None:
    with pytest.raises(DecodeError):
        codec.decode_request(codec.encode(LookSoon(panes=("%1",))))
