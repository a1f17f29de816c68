"""Actions from request to answer: the audit row first, then the order to the poller, then what came of it."""

import logging
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from services.bus import Incoming, Server
from services.contract.actions import ACTIONS, AnyAction, Dismiss, DismissedData, Refresh, Report, Target, read_action
from services.contract.codec import UNREADABLE
from services.contract.entities import Ask, Session
from services.contract.errors import ErrorCode, Problem, QuestmuxError
from services.contract.orders import DoAction
from services.contract.requests import Listing, ReportAction, RunAction
from services.core.audit import KeptAction, Outcome, audit_key, outcome_again, outcome_of, record_of
from services.core.dispatcher import (
    MAX_ASKERS,
    NOTHING_DONE,
    Dispatcher,
    PendingAction,
    new_pending,
    refined,
    timed_out,
)
from services.core.keeper import Keeper
from services.core.own_events import new_dismissal
from services.core.poller_link import PollerLink
from services.core.report_desk import ReportDesk
from services.core.state import State
from services.core.store import Store, StoreError
from services.process.clock import now_ms

STOPPING: Final = Problem(code=ErrorCode.CORE_UNAVAILABLE, message="core ends; what was asked may still be done")

Pending = PendingAction[Incoming]
logger = logging.getLogger(__name__)


class ActionDesk:
    """Has actions done, and answers those who wait for them."""

    def __init__(
        self,
        *,
        store: Store,
        keeper: Keeper,
        server: Server,
        link: PollerLink,
        dispatcher: Dispatcher[Incoming],
        reports: ReportDesk,
        publish: Callable[[], None],
    ) -> None:
        self._store = store
        self._keeper = keeper
        self._server = server
        self._link = link
        self._dispatcher = dispatcher
        self._reports = reports
        self._publish = publish
        self.figures = dict.fromkeys(("actions_total", "actions_failed_total", "actions_timeout_total"), 0)

    @property
    def _state(self) -> State:
        return self._keeper.state

    def run(self, one: Incoming, request: RunAction) -> Listing | None:
        """Begin an action, or join the same one; None when its answer comes later.

        Raises:
            QuestmuxError: it cannot be done, or the answer of the same one was an error.
            StoreError: it was not kept, and not begun.
        """
        action = _read(request)
        pending = self._dispatcher.get(request.id)
        if pending is not None:
            _check_same(
                request,
                (request.action, request.target, request.fields),
                (pending.action, pending.target, pending.fields),
            )
            self._check_room()
            pending.askers.append(one)
            return None
        kept = self._store.action(request.id) if action.is_audited else None
        if kept is not None:
            _check_same(request, audit_key(record_of(request, action, 0)), audit_key(kept.record))
            if not _is_to_be_repeated(kept):
                return self._again(one, request, action, kept)
        if not _has_target(self._state, action, request.target):
            return self._refuse(request, action, is_new=kept is None)
        if isinstance(action, Dismiss | Report):
            return _answer(self._do_here(request, action))
        pending = self._new_pending(one, request, action)
        if action.is_audited and kept is None:
            with self._store.transaction():
                self._store.add_action(record_of(request, action, pending.ordered_at))
        self._order(pending, request)
        return None

    def _again(self, one: Incoming, request: RunAction, action: AnyAction, kept: KeptAction) -> Listing | None:
        """The same as an earlier one. Without a result it was ordered by a core that ended since: wait for it."""
        if kept.record.result is None:
            self._dispatcher.add(self._new_pending(one, request, action))
            return None
        again = outcome_again(kept)
        if again is None:
            raise QuestmuxError(ErrorCode.CONFLICT, "this was done already; its answer was too long to be kept")
        return _answer(again)

    def _refuse(self, request: RunAction, action: AnyAction, *, is_new: bool) -> Listing:
        """Answer that the target is not there; the audit has that too."""
        message = f"there is no {action.target} {request.target}"
        outcome = Outcome(problem=Problem(code=ErrorCode.NOT_FOUND, message=message))
        if action.is_audited and is_new:
            now = now_ms()
            with self._store.transaction():
                self._store.add_action(record_of(request, action, now))
                self._store.finish_action(request.id, outcome, now)
        self.figures["actions_total"] += 1
        self._count(outcome)
        return _answer(outcome)

    def _check_room(self) -> None:
        if self._dispatcher.is_full:
            raise QuestmuxError(ErrorCode.TOO_MANY_REQUESTS, f"{MAX_ASKERS} commands wait for tmux already")

    def _new_pending(self, one: Incoming, request: RunAction, action: AnyAction) -> Pending:
        self._check_room()
        server = self._state.server
        return new_pending(request, action, None if server is None else server.pid, now_ms(), one)

    def _order(self, pending: Pending, request: RunAction) -> None:
        self.figures["actions_total"] += 1
        order = DoAction(
            id=request.id,
            action=request.action,
            fields=request.fields,
            target=request.target,
            deadline_at=pending.deadline_at,
            server=self._state.server,
        )
        if self._link.order(order):
            self._dispatcher.add(pending)
        else:
            self._settle([(pending, Outcome(problem=NOTHING_DONE))])

    def _do_here(self, request: RunAction, action: Dismiss | Report) -> Outcome:
        """What core does by itself; all of it is kept at once."""
        now = now_ms()
        with self._store.transaction():
            self._store.add_action(record_of(request, action, now))
            match action:
                case Dismiss():
                    outcome = self._dismiss(request, now)
                case Report():
                    outcome = self._reports.keep(str(request.target), action.note, now)
            self._store.finish_action(request.id, outcome, now)
        self._publish()
        self.figures["actions_total"] += 1
        self._count(outcome)
        return outcome

    def _dismiss(self, request: RunAction, now: int) -> Outcome:
        session = self._session_in(request.target)
        if session is None or request.target is None:
            problem = Problem(code=ErrorCode.CONFLICT, message=f"no session in pane {request.target}")
            return Outcome(problem=problem)
        return self._keep_dismissal(request, session, request.target, now)

    def _keep_dismissal(self, request: RunAction, session: Session, pane_id: str, now: int) -> Outcome:
        is_news = session.status.unseen or session.status.error is not None
        session_at = self._state.clock_of(session.id, now)
        event = new_dismissal(request.id, request.who, session.id, pane_id, at=now, session_at=session_at)
        self._keeper.append([event], now)
        data = DismissedData(pane_id=pane_id, session_id=session.id, changed=is_news)
        return Outcome(data=msgspec.json.encode(data))

    # What comes of them.

    def report(self, request: ReportAction) -> None:
        """Take a result: who waits for it is answered; one that comes too late is only written down.

        Raises:
            StoreError: it was not kept.
        """
        outcome = outcome_of(request)
        pending = self._dispatcher.take(request.id)
        if pending is not None:
            self._settle([(pending, refined(pending, outcome, self._asks_in(pending.target)))])
            return
        logger.info("action's result came late", extra={"action_id": request.id, "result": outcome.result})
        with self._store.transaction():
            self._store.finish_action(request.id, outcome, now_ms())

    def expire(self) -> None:
        """Answer those whose time is over.

        Raises:
            StoreError: it was not kept.
        """
        expired = self._dispatcher.take_expired(now_ms())
        if expired:
            self._settle([(pending, timed_out(pending)) for pending in expired])

    def pause_s(self) -> float:
        """How long nothing expires."""
        due_at = self._dispatcher.due_at()
        return float("inf") if due_at is None else (due_at - now_ms()) / 1000

    def close(self) -> None:
        """Tell all who wait that core ends; their rows stay without a result until it comes."""
        for pending in self._dispatcher.take_all():
            self._tell(pending, Outcome(problem=STOPPING))

    def _settle(self, results: Sequence[tuple[Pending, Outcome]]) -> None:
        """Write results down, then tell them."""
        now = now_ms()
        audited = [(pending, outcome) for pending, outcome in results if pending.is_audited]
        try:
            if audited:
                with self._store.transaction():
                    for pending, outcome in audited:
                        self._store.finish_action(pending.id, outcome, now)
        except StoreError:
            for pending, _ in results:
                self._tell(pending, Outcome(problem=STOPPING))
            raise
        for pending, outcome in results:
            self._count(outcome)
            self._tell(pending, outcome)

    def _tell(self, pending: Pending, outcome: Outcome) -> None:
        for asker in pending.askers:
            if outcome.problem is None:
                self._server.reply(asker, Listing(data=outcome.data))
            else:
                self._server.fail(asker, outcome.problem)

    def _count(self, outcome: Outcome) -> None:
        if outcome.problem is not None:
            is_timeout = outcome.problem.code is ErrorCode.TMUX_TIMEOUT
            self.figures["actions_timeout_total" if is_timeout else "actions_failed_total"] += 1

    def _session_in(self, pane_id: str | None) -> Session | None:
        pane = None if pane_id is None else self._state.pane(pane_id)
        return None if pane is None or pane.session_id is None else self._state.session(pane.session_id)

    def _asks_in(self, pane_id: str | None) -> Ask | None:
        session = self._session_in(pane_id)
        return None if session is None else session.asks


def _read(request: RunAction) -> AnyAction:
    kind = ACTIONS.get(request.action)
    if kind is None:
        raise QuestmuxError(ErrorCode.INVALID_FIELD, f"action is wrong: there is no {request.action!r}")
    try:
        fields = msgspec.msgpack.decode(request.fields)
    except UNREADABLE as exc:
        raise QuestmuxError(ErrorCode.INVALID_FIELD, f"fields is wrong: {exc}") from exc
    return read_action(kind, fields)


def _answer(outcome: Outcome) -> Listing:
    if outcome.problem is not None:
        raise QuestmuxError(outcome.problem.code, outcome.problem.message)
    return Listing(data=outcome.data)


def _check_same(request: RunAction, asked: tuple[object, ...], known: tuple[object, ...]) -> None:
    """Refuse an id that another action has."""
    if asked != known:
        raise QuestmuxError(
            ErrorCode.CONFLICT, f"the id {request.id} is that of another command: {known[0]} {known[1] or ''}"
        )


def _has_target(state: State, action: AnyAction, target: str | None) -> bool:
    """Whether tmux shows what the action is to act on."""
    match action.target:
        case Target.PANE:
            return target is not None and state.has_pane(target)
        case Target.WINDOW:
            return target is not None and state.has_window(target)
        case Target.NOTHING:
            return True


def _is_to_be_repeated(kept: KeptAction) -> bool:
    """Whether doing it again changes nothing, and is the only way to its answer."""
    return kept.record.action == Refresh.name and kept.record.result is not None and outcome_again(kept) is None
