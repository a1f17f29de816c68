import subprocess
import sys
from pathlib import Path

from services.cli.demo.orphans import Children
from tests.waiting import wait_until

PARENT = "import subprocess, time; subprocess.Popen(['sleep', '1000'], start_new_session=True); time.sleep(1000)"


def test_ends_the_children_that_a_killed_process_left() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT]) as parent, subprocess.Popen(["sleep", "1000"]) as stranger:
        children = Children(parent.pid)

        def found() -> bool:
            children.look()
            return any(line.endswith("sleep 1000") for line in children._known.values())

        wait_until(found, what="its child")
        (pid,) = children._known
        parent.kill()
        parent.wait()
        children.look()
        children.end()

        wait_until(lambda: not Path(f"/proc/{pid}").exists(), what="its end")
        assert stranger.poll() is None
        stranger.kill()


def test_a_process_that_got_the_pid_of_a_child_is_none() -> None:
    with subprocess.Popen(["sleep", "1000"]) as stranger:
        children = Children(0)
        children._known = {stranger.pid: "Mon Jan  1 00:00:00 2024 sleep 1000"}
        children.end()

        assert stranger.poll() is None
        stranger.kill()
