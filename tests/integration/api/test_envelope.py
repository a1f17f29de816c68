import json

import pytest
from falcon.asgi import Response

from services.api.envelope import answer_data


@pytest.mark.parametrize("status", [200, 201, 202])
def test_data_comes_in_the_envelope_with_its_status(status: int) -> None:
    resp = Response()

    answer_data(resp, b'{"pane_id":"%1"}', status)

    assert (resp.status_code, resp.content_type) == (status, "application/json")
    assert resp.data is not None
    assert json.loads(resp.data) == {"success": True, "data": {"pane_id": "%1"}}
