"""`make autobahn`: the Autobahn testsuite against our gateway's port, with an echo in the place of what it says.

The suite's `wstest` is a program for Python 2.7; docs/testing-websocket.md tells how to get it.
"""

import asyncio
import json
import os
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any, Final

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from services.contract.settings import Settings
from services.process.tokens import Tokens
from services.ws.gateway import Gateway
from services.ws.replica import Replica

CASES: Final = ("1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*")
"""All but limits (9) and compression (12, 13), which the gateway does not agree on."""
KNOWN: Final = {"7.1.5": "a close frame amid a message is answered with 1002"}
WITHIN_S: Final = 300
GOOD: Final = frozenset({"OK", "NON-STRICT", "INFORMATIONAL"})


class EchoGateway(Gateway):
    """Our gateway, with all its options, for clients that want their words back."""

    async def _serve_client(self, connection: ServerConnection) -> None:
        try:
            while True:
                await connection.send(await connection.recv())
        except ConnectionClosed:
            return


async def run_suite(wstest: str, folder: Path) -> dict[str, dict[str, Any]]:
    """What became of each case."""
    settings = Settings(data_dir=folder, runtime_dir=folder, claude_dir=folder, rules_dir=folder, ws_port=0)
    gateway = EchoGateway(settings, Tokens(full="none", hook="none"), Replica())
    await gateway.open()
    spec = {
        "outdir": str(folder / "reports"),
        "servers": [{"agent": "questmux", "url": f"ws://127.0.0.1:{gateway.port}"}],
        "cases": CASES,
        "exclude-cases": [],
        "exclude-agent-cases": {},
    }
    (folder / "spec.json").write_text(json.dumps(spec), encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        wstest, "--mode", "fuzzingclient", "--spec", str(folder / "spec.json"), stdout=asyncio.subprocess.DEVNULL
    )
    try:
        await asyncio.wait_for(process.wait(), WITHIN_S)
    finally:
        if process.returncode is None:
            process.kill()
        await gateway.drain()
    report = json.loads((folder / "reports" / "index.json").read_text(encoding="utf-8"))
    cases: dict[str, dict[str, Any]] = report["questmux"]
    return cases


def main() -> None:
    """Run all cases, print what is not plainly good, and end with 1 when a case failed that is not known to."""
    wstest = os.environ.get("WSTEST") or shutil.which("wstest")
    if wstest is None:
        sys.exit("wstest is not installed: see docs/testing-websocket.md, or set WSTEST to its path")
    with tempfile.TemporaryDirectory(prefix="qm-ab-") as name:
        cases = asyncio.run(run_suite(wstest, Path(name)))
    bad: list[str] = []
    for case, outcome in sorted(cases.items(), key=lambda item: [int(part) for part in item[0].split(".")]):
        said = (outcome["behavior"], outcome["behaviorClose"])
        if not set(said) <= GOOD:
            bad.append(case)
            print(f"{case}  {' / '.join(said)}  closed with {outcome['remoteCloseCode']}  {KNOWN.get(case, '')}")
    print(f"{len(cases)} cases: " + ", ".join(f"{n} {what}" for what, n in outcomes(cases).most_common()))
    sys.exit(not set(bad) <= set(KNOWN))


def outcomes(cases: dict[str, dict[str, Any]]) -> Counter[str]:
    """How many cases ended in which way."""
    return Counter(str(outcome["behavior"]) for outcome in cases.values())


if __name__ == "__main__":
    main()
