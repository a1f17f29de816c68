"""RFC 6455 at the gateway's own port: what a client may send is answered, what it may not closes with the code for it.

The most telling cases of the Autobahn testsuite's groups 1 to 7 and 10; `make autobahn` runs them all.
"""

import asyncio
import itertools
import tempfile
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from services.contract.commands import MAX_CLIENT_MESSAGE_BYTES
from services.contract.settings import Settings
from services.process.tokens import Tokens
from services.ws.gateway import Gateway
from services.ws.replica import Replica
from tests.integration.ws.plain_client import HOOK_TOKEN, TOKEN
from tests.integration.ws.raw_client import (
    BINARY,
    CLOSE,
    CONTINUATION,
    FIN,
    NO_CODE,
    PING,
    PONG,
    TEXT,
    RawClient,
    close_frame,
    frame,
    handshake,
)

NOT_ALLOWED = 1002
NOT_UTF8 = 1007
KOSME = "κόσμε"
CALL = b'{"type":"ping","data":"there?"}'


async def serve(folder: Path, opened: Future[tuple[int, asyncio.AbstractEventLoop, asyncio.Event]]) -> None:
    settings = Settings(data_dir=folder, runtime_dir=folder, claude_dir=folder, rules_dir=folder, ws_port=0)
    gateway = Gateway(settings, Tokens(full=TOKEN, hook=HOOK_TOKEN), Replica())
    await gateway.open()
    stop = asyncio.Event()
    opened.set_result((gateway.port, asyncio.get_running_loop(), stop))
    await stop.wait()
    await gateway.drain()


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """One gateway for this file, in a thread of its own: what one test sends must not harm the next."""
    opened: Future[tuple[int, asyncio.AbstractEventLoop, asyncio.Event]] = Future()
    with tempfile.TemporaryDirectory(prefix="qm") as name, ThreadPoolExecutor(1) as pool:
        serving = pool.submit(asyncio.run, serve(Path(name), opened))
        number, loop, stop = opened.result(30)
        yield number
        loop.call_soon_threadsafe(stop.set)
        serving.result(30)


@pytest.fixture
async def client(port: int) -> AsyncIterator[RawClient]:
    """Let in."""
    raw = await RawClient.connect(port)
    await raw.let_in(handshake(port))
    await raw.message("connected")
    yield raw
    await raw.leave()


def message(size: int) -> bytes:
    """A `ping` of ours that has this many bytes."""
    return b'{"type":"ping","data":"' + b"x" * (size - 25) + b'"}'


async def still_there(client: RawClient) -> bool:
    client.send(frame(TEXT, CALL))
    return bool((await client.message("pong"))["echo"] == "there?")


# Framing.


@pytest.mark.parametrize("size", [125, 126, 127, 128, 65_535, MAX_CLIENT_MESSAGE_BYTES])
async def test_a_message_of_any_size_is_answered_in_the_shortest_frame(client: RawClient, size: int) -> None:
    client.send(frame(TEXT, message(size)))
    assert (await client.message("pong"))["echo"] == "x" * (size - 25)


async def test_an_empty_message_is_a_message(client: RawClient) -> None:
    client.send(frame(TEXT))
    assert (await client.message("error"))["code"] == "bad_request"
    assert await still_there(client)


async def test_a_frame_may_come_byte_by_byte(client: RawClient) -> None:
    for byte in frame(TEXT, message(200)):
        client.send(bytes([byte]))
        await client.drain()
    assert (await client.message("pong"))["echo"] == "x" * 175


async def test_many_frames_may_come_at_once(client: RawClient) -> None:
    client.send(frame(TEXT, CALL) * 10 + frame(PING, b"end"))
    assert await client.pong() == b"end"
    for _ in range(10):
        assert (await client.message("pong"))["echo"] == "there?"


async def test_the_mask_is_taken_off(client: RawClient) -> None:
    mask = b"\x37\xfa\x21\x3d"
    masked = bytes(byte ^ mask[n % 4] for n, byte in enumerate(CALL))
    client.send(bytes([FIN | TEXT, 0x80 | len(CALL)]) + mask + masked)
    assert (await client.message("pong"))["echo"] == "there?"


@pytest.mark.parametrize("opcode", [TEXT, BINARY, PING, PONG, CLOSE])
@pytest.mark.parametrize("reserved", range(1, 8))
async def test_a_reserved_bit_closes(client: RawClient, opcode: int, reserved: int) -> None:
    client.send(frame(opcode, reserved=reserved))
    assert await client.end() == NOT_ALLOWED


@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
@pytest.mark.parametrize("payload", [b"", b"x"])
async def test_a_reserved_opcode_closes(client: RawClient, opcode: int, payload: bytes) -> None:
    client.send(frame(opcode, payload))
    assert await client.end() == NOT_ALLOWED


@pytest.mark.parametrize("opcode", [TEXT, BINARY, PING, PONG, CLOSE])
async def test_a_frame_without_a_mask_closes(client: RawClient, opcode: int) -> None:
    client.send(frame(opcode, masked=False))
    assert await client.end() == NOT_ALLOWED


@pytest.mark.parametrize("size", [MAX_CLIENT_MESSAGE_BYTES + 1, 2**32, 2**63 - 1, 2**63])
async def test_a_size_over_the_limit_closes_before_it_comes(client: RawClient, size: int) -> None:
    client.send(frame(TEXT, size=size))
    assert await client.end() == 1009


# Pings.


@pytest.mark.parametrize("payload", [b"", b"hello", b"\x00\xff\xfe", b"x" * 125], ids=len)
async def test_a_ping_is_answered_with_its_bytes(client: RawClient, payload: bytes) -> None:
    client.send(frame(PING, payload))
    assert await client.pong() == payload


@pytest.mark.parametrize("opcode", [PING, PONG, CLOSE])
async def test_a_control_frame_of_126_bytes_closes(client: RawClient, opcode: int) -> None:
    client.send(frame(opcode, b"\x03\xe8" + b"x" * 124))
    assert await client.end() == NOT_ALLOWED


@pytest.mark.parametrize("opcode", [PING, PONG, CLOSE])
async def test_a_control_frame_in_pieces_closes(client: RawClient, opcode: int) -> None:
    client.send(frame(opcode, fin=False) + frame(CONTINUATION))
    assert await client.end() == NOT_ALLOWED


async def test_pings_are_answered_in_their_order(client: RawClient) -> None:
    client.send(b"".join(frame(PING, bytes([n])) for n in range(10)))
    assert [await client.pong() for _ in range(10)] == [bytes([n]) for n in range(10)]


async def test_a_pong_that_nobody_asked_for_changes_nothing(client: RawClient) -> None:
    client.send(frame(PONG) + frame(PONG, b"unasked"))
    assert await still_there(client)


# Fragments.


@pytest.mark.parametrize("cuts", [(0,), (1, 1), (5, 10), (0, 0, 31), tuple(range(1, 31))], ids=repr)
async def test_pieces_make_one_message(client: RawClient, cuts: tuple[int, ...]) -> None:
    edges = [0, *cuts, len(CALL)]
    pieces = [CALL[start:end] for start, end in itertools.pairwise(edges)]
    for n, piece in enumerate(pieces):
        client.send(frame(CONTINUATION if n else TEXT, piece, fin=n == len(pieces) - 1))
    assert (await client.message("pong"))["echo"] == "there?"


async def test_a_ping_amid_the_pieces_is_answered_at_once(client: RawClient) -> None:
    client.send(frame(TEXT, CALL[:9], fin=False) + frame(PING, b"amid"))
    assert await client.pong() == b"amid"
    client.send(frame(CONTINUATION, CALL[9:]))
    assert (await client.message("pong"))["echo"] == "there?"


@pytest.mark.parametrize("fin", [True, False])
@pytest.mark.parametrize("before", [b"", frame(TEXT, CALL)], ids=["first", "after a message"])
async def test_a_piece_of_nothing_closes(client: RawClient, before: bytes, *, fin: bool) -> None:
    client.send(before + frame(CONTINUATION, b"x", fin=fin))
    assert await client.end() == NOT_ALLOWED


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("fin", [True, False])
async def test_a_new_message_amid_another_closes(client: RawClient, opcode: int, *, fin: bool) -> None:
    client.send(frame(TEXT, b"x", fin=False) + frame(opcode, b"x", fin=fin))
    assert await client.end() == NOT_ALLOWED


# UTF-8.

CALL_IN_GREEK = f'{{"type":"ping","data":"{KOSME}"}}'.encode()


@pytest.mark.parametrize("text", [KOSME, "\U0010ffff", "\ufffe\uffff", "\U0001f600", "\x7f\x80\u07ff\u0800"], ids=ascii)
async def test_all_that_is_utf8_is_taken(client: RawClient, text: str) -> None:
    client.send(frame(TEXT, f'{{"type":"ping","data":"{text}"}}'.encode()))
    assert (await client.message("pong"))["echo"] == text


@pytest.mark.parametrize("cut", range(23, 33))
async def test_a_character_may_be_cut_in_two(client: RawClient, cut: int) -> None:
    client.send(frame(TEXT, CALL_IN_GREEK[:cut], fin=False) + frame(CONTINUATION, CALL_IN_GREEK[cut:]))
    assert (await client.message("pong"))["echo"] == KOSME


NO_UTF8 = [
    b"\xff",
    b"\x80",
    b"\xc3\x28",
    b"\xc0\x80",
    b"\xe0\x80\x80",
    b"\xf0\x80\x80\x80",
    b"\xed\xa0\x80",
    b"\xed\xbf\xbf",
    b"\xf4\x90\x80\x80",
    b"\xf8\x88\x80\x80\x80",
    b"\xce\xba\xe1\xbd",
    b"\xf0\x9f\x98",
]


@pytest.mark.parametrize("text", NO_UTF8, ids=repr)
async def test_what_is_not_utf8_closes(client: RawClient, text: bytes) -> None:
    client.send(frame(TEXT, text))
    assert await client.end() == NOT_UTF8


@pytest.mark.parametrize("text", NO_UTF8, ids=repr)
async def test_what_is_not_utf8_in_pieces_closes(client: RawClient, text: bytes) -> None:
    client.send(frame(TEXT, b"x" + text[:1], fin=False) + frame(CONTINUATION, text[1:]))
    assert await client.end() == NOT_UTF8


@pytest.mark.parametrize("text", NO_UTF8, ids=repr)
async def test_a_reason_that_is_not_utf8_closes(client: RawClient, text: bytes) -> None:
    client.send(close_frame(1000, text))
    assert await client.end() == NOT_UTF8


async def test_binary_need_not_be_utf8(client: RawClient) -> None:
    client.send(frame(BINARY, b"\xff"))
    assert (await client.message("error"))["code"] == "bad_request"
    assert await still_there(client)


# Closing.


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 3000, 3999, 4000, 4999])
@pytest.mark.parametrize("reason", [b"", b"x" * 123, KOSME.encode()], ids=len)
async def test_a_close_is_given_back(client: RawClient, code: int, reason: bytes) -> None:
    client.send(close_frame(code, reason))
    assert await client.frame() == (FIN | CLOSE, code.to_bytes(2, "big") + reason)
    assert await client.frame() is None


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535])
async def test_a_code_that_may_not_be_sent_closes_with_another(client: RawClient, code: int) -> None:
    client.send(close_frame(code))
    assert await client.end() == NOT_ALLOWED


async def test_a_close_without_a_code_is_given_back_without_one(client: RawClient) -> None:
    client.send(frame(CLOSE))
    assert await client.end() == NO_CODE


async def test_a_close_with_half_a_code_closes_with_another(client: RawClient) -> None:
    client.send(frame(CLOSE, b"\x03"))
    assert await client.end() == NOT_ALLOWED


async def test_what_comes_after_a_close_is_not_read(client: RawClient) -> None:
    client.send(close_frame(1000) + frame(PING, b"late") + frame(TEXT, CALL) + close_frame(1001))
    assert await client.frame() == (FIN | CLOSE, b"\x03\xe8")
    assert await client.frame() is None


async def test_a_close_amid_a_message_ends_the_connection(client: RawClient) -> None:
    client.send(frame(TEXT, b"x", fin=False) + close_frame(1000))
    assert await client.end() == NOT_ALLOWED
