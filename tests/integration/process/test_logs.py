import json
import subprocess
import sys

PROGRAM = """
import logging
from services.process.logs import start_logging

start_logging("core", "info")
logger = logging.getLogger("services.test")
logger.debug("unseen")
logger.info("first %s", "a\\nb", extra={"text": "c\\nd"})
logging.getLogger("websockets").info("chatty")
logging.getLogger("websockets").warning("heard")
try:
    1 / 0
except ZeroDivisionError:
    logger.exception("failed")
"""


def test_a_processs_log_is_one_json_object_a_line() -> None:
    ended = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)

    lines = [json.loads(line) for line in ended.stderr.splitlines()]
    assert [line["message"] for line in lines] == ["first a\nb", "heard", "failed"]
    assert [line["level"] for line in lines] == ["info", "warning", "error"]
    assert lines[0]["text"] == "c\nd"
    assert "ZeroDivisionError" in lines[2]["traceback"]
    assert ended.stdout == ""


def test_text_is_written_where_a_person_asked_for_it() -> None:
    program = PROGRAM.replace('start_logging("core", "info")', 'start_logging("core", "info", "text")')
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    first, second, *_ = ended.stderr.splitlines()
    assert first.endswith("info    first a\\nb text='c\\nd'")
    assert second.endswith("warning heard")
