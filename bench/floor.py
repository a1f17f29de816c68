"""What this machine takes for the bare primitives under a durable event: no figure of ours can be below their sum."""

import multiprocessing
import sqlite3
import statistics
import time
from pathlib import Path

import zmq

ROUND_TRIPS = 2_000
COMMITS = 500
ROW = "x" * 1_000


def round_trip_us(folder: Path) -> float:
    """The median of a ZeroMQ round trip over `ipc://` between two processes, microseconds."""
    address = f"ipc://{folder}/floor.sock"
    echo = multiprocessing.get_context("spawn").Process(target=_echo, args=(address,))
    echo.start()
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    socket = context.socket(zmq.DEALER)
    socket.connect(address)
    times: list[float] = []
    for number in range(ROUND_TRIPS):
        started = time.perf_counter()
        socket.send_multipart([b"question", b"%d" % number])
        socket.recv_multipart()
        times.append(time.perf_counter() - started)
    socket.send_multipart([b"end"])
    echo.join(10)
    context.destroy(linger=0)
    return statistics.median(times) * 1e6


def commit_us(folder: Path) -> float:
    """The median of a durable commit of one row of 1 kB, microseconds."""
    connection = sqlite3.connect(folder / "floor.db", isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "wal_autocheckpoint=0"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute("CREATE TABLE floor (seq INTEGER PRIMARY KEY, text TEXT)")
    times: list[float] = []
    for _ in range(COMMITS):
        started = time.perf_counter()
        connection.execute("BEGIN")
        connection.execute("INSERT INTO floor (text) VALUES (?)", (ROW,))
        connection.execute("COMMIT")
        times.append(time.perf_counter() - started)
    connection.close()
    return statistics.median(times) * 1e6


def _echo(address: str) -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    socket = context.socket(zmq.ROUTER)
    socket.bind(address)
    while (frames := socket.recv_multipart())[1] != b"end":
        socket.send_multipart(frames)
    context.destroy(linger=0)
