"""What the browser tells of a page while it is looked at: requests, errors, dialogs, windows, crashes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from viscodex.sandbox.cdp import Message
from viscodex.sandbox.origin import Origin, remember
from viscodex.sandbox.pages import Status

DIALOGS = 100
"""A page that opens more is in a loop."""

Post = Callable[[str, Mapping[str, Any], str], None]
"""Sends a command (method, parameters, session) without waiting for its answer."""


class PageEndedError(Exception):
    """The page's visit is over before its end; `status` and `detail` say why."""

    def __init__(self, status: Status, detail: str) -> None:
        super().__init__(detail)
        self.status: Status = status
        self.detail = detail


@dataclass
class Witness:
    """Hears every event while a page is visited, answers those that want an answer, and remembers."""

    origin: Origin
    post: Post
    target: str = ""
    """The page's tab, which is also the name of its main frame; "" until it is known."""
    session: str = ""
    sessions: dict[str, str] = field(default_factory=dict)
    """Tab → session, of every tab that appeared."""
    frames: set[str] = field(default_factory=set)
    loaded: bool = False
    closed: bool = False
    ending: PageEndedError | None = None
    """To be raised at the next opportunity: events are heard while something else is waited for."""
    errors: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)
    _documents: int = 0
    _dialogs: int = 0

    def take(self, target: str) -> None:
        """This tab is the page's."""
        self.target = self.origin.frame = target
        self.frames.add(target)

    def end(self, status: Status, detail: str) -> None:
        """The visit must end; the first reason counts."""
        self.ending = self.ending or PageEndedError(status, detail)

    def hear(self, event: Message) -> None:
        """Handle an event of the whole browser or of this page's session; those of a page before are late."""
        handler = _HANDLERS.get(str(event["method"]))
        if handler is not None and event.get("sessionId", "") in ("", self.session):
            handler(self, event.get("params") or {})

    def _request(self, params: Message) -> None:
        command, answer = self.origin.answer(params)
        self.post(command, answer, "")

    def _attached(self, params: Message) -> None:
        info = params["targetInfo"]
        self.sessions[info["targetId"]] = params["sessionId"]
        if self.target and info["targetId"] != self.target and info["type"] == "page":
            self.origin.refuse(str(info.get("url", "")))
            self.post("Target.closeTarget", {"targetId": info["targetId"]}, "")

    def _detached(self, params: Message) -> None:
        self.closed = self.closed or params.get("sessionId") == self.session

    def _crashed(self, params: Message) -> None:
        self.end("crashed", "the page's process has ended")

    def _frame(self, params: Message) -> None:
        self.frames.add(str(params.get("frameId", "")))

    def _navigated(self, params: Message) -> None:
        if not params["frame"].get("parentId"):
            self._documents += 1
            if self._documents > 1:
                self.end("navigated", f"the page went to {params['frame'].get('url', '')[:200]}")

    def _load(self, params: Message) -> None:
        self.loaded = True

    def _stop(self, params: Message) -> None:
        """Loading is over; without a load event before, because the page was leaving, and its rest was never read."""
        if params.get("frameId") == self.target and self._documents > 0 and not self.loaded:
            self.end("navigated", f"the page left before it was loaded, for {self.origin.last_refused}")

    def _elsewhere(self, params: Message) -> None:
        """A window or a socket: the browser allows neither, and tells."""
        self.origin.refuse(str(params.get("url", "")))

    def _dialog(self, params: Message) -> None:
        remember(self.dialogs, str(params.get("message", "")))
        self._dialogs += 1
        if self._dialogs > DIALOGS:
            self.end("timeout", f"more than {DIALOGS} dialogs")
        self.post("Page.handleJavaScriptDialog", {"accept": False}, self.session)

    def _exception(self, params: Message) -> None:
        remember(self.errors, thrown(params.get("exceptionDetails", {})))

    def _console(self, params: Message) -> None:
        if params.get("type") in ("error", "assert"):
            words = (argument.get("value", argument.get("description", "")) for argument in params.get("args", ()))
            remember(self.errors, " ".join(map(str, words)))

    def _log(self, params: Message) -> None:
        entry = params.get("entry", {})
        text = str(entry.get("text", ""))
        # failed requests are in the origin's list already
        if entry.get("level") == "error" and not self.origin.local_file(text) and entry.get("source") != "network":
            remember(self.errors, text)


_HANDLERS: dict[str, Callable[[Witness, Message], None]] = {
    "Fetch.requestPaused": Witness._request,
    "Target.attachedToTarget": Witness._attached,
    "Target.detachedFromTarget": Witness._detached,
    "Inspector.targetCrashed": Witness._crashed,
    "Page.frameAttached": Witness._frame,
    "Page.frameNavigated": Witness._navigated,
    "Page.loadEventFired": Witness._load,
    "Page.frameStoppedLoading": Witness._stop,
    "Page.windowOpen": Witness._elsewhere,
    "Page.javascriptDialogOpening": Witness._dialog,
    "Network.webSocketCreated": Witness._elsewhere,
    "Network.webTransportCreated": Witness._elsewhere,
    "Runtime.exceptionThrown": Witness._exception,
    "Runtime.consoleAPICalled": Witness._console,
    "Log.entryAdded": Witness._log,
}


def thrown(details: Mapping[str, Any]) -> str:
    """The first line of what a script threw."""
    exception = details.get("exception", {})
    text = str(exception.get("description") or exception.get("value") or details.get("text", ""))
    return text.partition("\n")[0]
