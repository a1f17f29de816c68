"""`POST /event`: one hook call, answered once it is on disk."""

from falcon.asgi import Request, Response

from services.api.body import check_is_json, read_body
from services.api.envelope import answer_data
from services.api.hook_call import read_hook_call
from services.api.intake import Intake
from services.contract.events import MAX_BODY_BYTES
from services.process.clock import new_id, now_ms


class EventResource:
    """Where hook calls come in."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    async def on_post(self, req: Request, resp: Response) -> None:
        """Keep one event."""
        check_is_json(req, may_be_unnamed=True)
        body = await read_body(req, MAX_BODY_BYTES, "a hook call")
        received_at = now_ms()
        event = read_hook_call(body, req.get_header, lambda: new_id(received_at), received_at)
        seq = await self._intake.keep(event)
        if seq is None:
            answer_data(resp, b'{"queued":true}', 202)
        else:
            answer_data(resp, b'{"seq":%d}' % seq)
