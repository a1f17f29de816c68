"""Good answers: what was asked for, in the one envelope. `errors` makes the others."""

import falcon
from falcon.asgi import Response


def answer_data(resp: Response, data: bytes, status: int = 200) -> None:
    """Make the response this data, which is JSON text."""
    resp.status = status
    resp.content_type = falcon.MEDIA_JSON
    resp.data = b'{"success":true,"data":' + data + b"}"
