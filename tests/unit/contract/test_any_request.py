from services.contract.any_request import AnyRequest, type_of_reply
from services.contract.requests import Reply, Request
from tests.unit.contract.samples import all_subclasses


def test_every_request_has_one_reply_type() -> None:
    assert set(all_subclasses(Request)) == set(type_of_reply)
    assert set(type_of_reply.values()) == set(all_subclasses(Reply))


def test_the_server_understands_every_request() -> None:
    assert set(AnyRequest.__args__) == set(type_of_reply)


def test_no_two_requests_share_a_tag() -> None:
    tags = [kind.__struct_config__.tag for kind in type_of_reply]

    assert len(set(tags)) == len(tags)
