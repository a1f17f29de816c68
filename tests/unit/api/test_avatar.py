import hashlib
from typing import Any, Final
from xml.etree import ElementTree as ET

import pytest
from falcon.asgi import App
from falcon.testing import Result, TestClient
from hypothesis import given
from hypothesis import strategies as st

from services.api.avatar import CACHED, POLICY, AvatarResource, draw
from services.api.errors import add_error_handlers

MAX_BYTES: Final = 4_096
NAMESPACE: Final = "{http://www.w3.org/2000/svg}"
SHAPES: Final = {"svg", "g", "rect", "circle", "ellipse", "path"}
PLAIN: Final = {
    *("viewBox", "width", "height", "x", "y", "rx", "ry", "cx", "cy", "r", "d", "transform"),
    *("fill", "stroke", "stroke-width", "stroke-linecap"),
}
ANY_SEED = st.text(st.characters(), max_size=256)


def check(picture: str) -> None:
    """Nothing but plain shapes."""
    assert picture.isascii()
    assert len(picture) < MAX_BYTES
    for element in ET.fromstring(picture).iter():  # noqa: S314 - it is ours
        assert element.tag.removeprefix(NAMESPACE) in SHAPES
        assert element.attrib.keys() <= PLAIN
        assert not any("url" in value or ":" in value for value in element.attrib.values())
        assert not (element.text or "").strip()
        assert not (element.tail or "").strip()


@given(ANY_SEED)
def test_any_seed_makes_a_small_picture_of_plain_shapes(seed: str) -> None:
    check(draw(seed))
    assert draw(seed) == draw(seed)


def test_all_combinations_of_many_seeds_are_plain_and_small() -> None:
    for number in range(3_000):
        check(draw(str(number)))


@pytest.mark.parametrize(
    "seed", ["<script>alert(1)</script>", '"/><a href="x', "&amp;", "]]>", "\0", "\ud800", "p0123456789ab", "日本語"]
)
def test_nothing_of_the_seed_is_in_the_picture(seed: str) -> None:
    assert seed not in draw(seed)
    check(draw(seed))


@given(ANY_SEED)
def test_no_seed_shows_in_the_picture(seed: str) -> None:
    assert "zq" not in draw(f"zq{seed}zq")


def test_different_seeds_mostly_differ() -> None:
    assert len({draw(f"p{number}") for number in range(2_000)}) > 1_990


def test_a_seed_that_differs_in_one_character_has_another_picture() -> None:
    assert len({draw(seed) for seed in ("p1", "p2", "P1", "p1 ", "p11", "")}) == 6


def test_a_picture_stays_over_releases() -> None:
    assert hashlib.sha256(draw("p1").encode()).hexdigest()[:16] == "5786c30bd631ff49"


# Over HTTP.


@pytest.fixture
def client() -> TestClient:
    app: App[Any, Any] = App()
    add_error_handlers(app)
    app.add_route("/api/avatars/{seed}.svg", AvatarResource())
    return TestClient(app)


def get(client: TestClient, seed: str) -> Result:
    return client.simulate_get(f"/api/avatars/{seed}.svg")


def test_the_picture_comes_as_one_and_may_do_nothing(client: TestClient) -> None:
    answer = get(client, "p1")

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "image/svg+xml"
    assert answer.headers["Content-Security-Policy"] == POLICY
    assert answer.headers["Cache-Control"] == CACHED
    assert answer.text == draw("p1")


@pytest.mark.parametrize("seed", ["a", "a.b", "A:b-c_9", "x" * 128])
def test_an_id_is_a_seed(client: TestClient, seed: str) -> None:
    assert get(client, seed).text == draw(seed)


@pytest.mark.parametrize("path", ["%3Csvg%3E", "%E2%82%AC", "a%20b", "%C2%84", "x" * 129, "%22"])
def test_what_is_no_id_is_refused(client: TestClient, path: str) -> None:
    answer = get(client, path)

    assert answer.status_code == 422
    assert answer.json["error"]["message"].startswith("seed is wrong: it takes 1 to 128 letters")


def test_a_head_has_no_body(client: TestClient) -> None:
    answer = client.simulate_head("/api/avatars/p1.svg")

    assert answer.status_code == 200
    assert answer.headers["Content-Length"] == str(len(draw("p1")))
    assert answer.text == ""
