"""Draw web pages that a model wrote: a persistent Chromium in a box, without network, files, or a way out.

What a page cannot do, each with a test in tests/sandbox/test_browser_attacks.py: reach the network, the host's services
or files; outlive its time, memory or its tab; hand anything to the next page; open windows, dialogs, downloads; go
elsewhere. What is not covered: bugs of the kernel, and a page that takes Chromium over may forge the picture and
everything else that is told of it and of the pages after it, until the browser is replaced.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

from viscodex.core.errors import VisCodexError
from viscodex.sandbox import chromium
from viscodex.sandbox.backends import Backend
from viscodex.sandbox.cdp import BrowserGoneError, Connection, RefusedError
from viscodex.sandbox.chromium import Chromium, Running
from viscodex.sandbox.fonts import font_set
from viscodex.sandbox.limits import Limits
from viscodex.sandbox.pages import Environment, Page, Status, View
from viscodex.sandbox.visit import Visit
from viscodex.sandbox.watchdog import Watchdog
from viscodex.sandbox.witness import PageEndedError

PAGES_PER_BROWSER = 200
"""Then it is replaced: whatever has grown in it is given back."""
START_S = 30.0
START_TRIES = 3
CLOSING_S = 5.0
"""How long a tab may take to close before the browser is replaced."""
HARMLESS: tuple[Status, ...] = ("too_large", "navigated", "error")
"""Endings after which the tab is closed and the browser goes on; after any other it is replaced."""


class Browser:
    """One Chromium, started at the first page, replaced when worn or when a page broke it. Threads take turns."""

    def __init__(
        self, *, executable: Chromium | None = None, backend: Backend | None = None, limits: Limits = chromium.LIMITS
    ) -> None:
        self._executable = executable
        self._backend = backend
        self._limits = limits
        self._lock = threading.RLock()
        self._running: Running | None = None
        self._owner = os.getpid()
        self._pages = 0
        _open_browsers.add(self)

    def start(self) -> Environment:
        """Start it if it does not run. It dies with the calling thread, and is then started again by the next page."""
        with self._lock:
            if self._running is not None and (self._running.boxed.ended() or self._pages >= PAGES_PER_BROWSER):
                self.close()
            if self._running is None:
                self._begin()
            return self.environment

    def render(self, html: str, view: View = View()) -> Page:
        """Look at a page. Never raises for what the page does; see `Page.status`.

        A page during which the browser dies is given a second, fresh one: it may not have been the page's fault.
        """
        began = time.monotonic()
        with self._lock:
            for _ in range(2):
                self.start()
                page = self._visit(html, view, began)
                if page.status != "crashed":
                    break
            return page

    def close(self) -> None:
        """End the browser. The next page starts another."""
        with self._lock:
            running, self._running = self._running, None
            if running is not None and self._owner == os.getpid():
                running.close()

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def processes(self) -> int:
        """How many processes it has now, the box's own two included."""
        return 0 if self._running is None else sum(1 for _ in self._running.boxed.processes())

    def memory(self) -> int:
        """Bytes that it has now, shared pages counted once."""
        return 0 if self._running is None else sum(use.proportional() for use in self._running.boxed.processes())

    # life

    def _begin(self) -> None:
        """Start it; one that dies before it has seen a page (Chromium does, once in thousands) is started again."""
        for tries_left in reversed(range(START_TRIES)):
            try:
                self._begin_once()
                break
            except VisCodexError as error:
                if not tries_left or not isinstance(error.__cause__, BrowserGoneError):
                    raise

    def _begin_once(self) -> None:
        self._owner, self._pages = os.getpid(), 0
        running = chromium.start(self._executable or chromium.find(), self._backend, self._limits)
        self._running = running
        self._watchdog = Watchdog(self._limits, running.boxed.processes, running.boxed.stored)
        self._connection = Connection(running.wire)
        self._until = time.monotonic() + START_S
        try:
            product = str(self._command("Browser.getVersion")["product"])
            self._context = str(self._command("Target.createBrowserContext")["browserContextId"])
            self._command("Browser.setDownloadBehavior", behavior="deny", browserContextId=self._context)
            # A tab that stays: it keeps the process of all tabs alive, and tells whether that still listens.
            tab = self._command("Target.createTarget", url="about:blank", browserContextId=self._context)["targetId"]
            self._anchor = str(self._command("Target.attachToTarget", targetId=tab, flatten=True)["sessionId"])
            self._command("Fetch.enable", patterns=[{"urlPattern": "*"}])
            self._command("Target.setAutoAttach", autoAttach=True, waitForDebuggerOnStart=True, flatten=True)
        except (BrowserGoneError, RefusedError, TimeoutError) as error:
            last = running.last_words()
            self.close()
            raise chromium.broken(error, last) from error
        self.environment = Environment(
            browser=product,
            executable=(self._executable or chromium.find()).path,
            fonts=font_set().packages,
            fonts_sha256=font_set().sha256,
            isolation=running.boxed.isolation,
        )

    def _command(self, method: str, **params: object) -> dict[str, object]:
        return self._connection.call(method, params, "", self._until)

    # pages

    def _visit(self, html: str, view: View, began: float) -> Page:
        visit = Visit(self._connection, self._context, html, view)
        self._pages += 1
        cpu_before = self._cpu()
        self._connection.on_event = visit.witness.hear
        self._connection.tick = lambda: self._check(visit, cpu_before)
        ended: PageEndedError | None = None
        try:
            visit.run()
        except PageEndedError as reason:
            ended = reason
        except BrowserGoneError as reason:
            ended = self._post_mortem(str(reason))
        cpu_s = self._cpu() - cpu_before
        self._leave(visit, ended)
        return Page(
            status=ended.status if ended else "ok",
            detail=ended.detail if ended else "",
            environment=self.environment,
            png=visit.png,
            width=visit.width,
            height=visit.height,
            text_blocks=visit.text_blocks,
            captures=tuple(visit.captures),
            console_errors=tuple(visit.witness.errors),
            blocked_urls=visit.origin.blocked(visit.witness.frames),
            dialogs=tuple(visit.witness.dialogs),
            cpu_s=cpu_s,
            wall_s=time.monotonic() - began,
        )

    def _check(self, visit: Visit, cpu_before: float) -> None:
        """Called while waiting for the page: whether it may go on."""
        excess = self._watchdog.look()
        if excess == "memory":
            raise PageEndedError("memory", f"the browser holds more than {self._limits.memory >> 20} MiB")
        if excess is not None:
            raise PageEndedError("output_limit", "the page fills the browser's files")
        if self._watchdog.cpu_s - cpu_before > visit.view.limits.cpu_s:
            raise PageEndedError("timeout", f"more than {visit.view.limits.cpu_s:g} CPU seconds")
        visit.check()

    def _leave(self, visit: Visit, ended: PageEndedError | None) -> None:
        """Close the page's tab, or the whole browser when it can no longer be trusted to do that."""
        self._connection.tick = lambda: None
        with contextlib.suppress(BrowserGoneError, RefusedError, TimeoutError):
            if ended is None or ended.status in HARMLESS:
                deadline = time.monotonic() + CLOSING_S
                visit.close(deadline)
                # A page's last handlers run after its tab is gone, and may be endless: the next page must not pay.
                self._connection.call("Runtime.evaluate", {"expression": "0"}, self._anchor, deadline)
                return
        self.close()

    def _post_mortem(self, reason: str) -> PageEndedError:
        """Why the browser died under a page."""
        assert self._running is not None
        group = self._running.boxed.cgroup
        if group is not None and group.out_of_memory():
            return PageEndedError("memory", f"the browser held more than {self._limits.memory >> 20} MiB")
        return PageEndedError("crashed", self._running.last_words() or reason)

    def _cpu(self) -> float:
        self._watchdog.look()
        return self._watchdog.cpu_s


_open_browsers: set[Browser] = set()
_own: list[Browser] = []
_own_lock = threading.Lock()


def browsers(count: int = 1) -> list[Browser]:
    """This process's own browsers, kept from call to call and closed at exit."""
    with _own_lock:
        while len(_own) < count:
            _own.append(Browser())
        return _own[:count]


def render_page(html: str, view: View = View()) -> Page:
    """Look at one page with this process's own browser."""
    return browsers()[0].render(html, view)


def render_pages(pages: Iterable[str], view: View = View(), *, parallel: int = 1) -> Iterator[Page]:
    """Look at many, in their order, with one browser or several; a few pages are drawn ahead of the reader."""
    if parallel == 1:
        yield from (render_page(html, view) for html in pages)
        return
    free: list[Browser] = browsers(parallel)
    for browser in free:
        browser.start()  # here, because a browser dies with the thread that started it

    def render(html: str) -> Page:
        browser = free.pop()
        try:
            return browser.render(html, view)
        finally:
            free.append(browser)

    free = list(free)
    source = iter(pages)
    with ThreadPoolExecutor(parallel, thread_name_prefix="pages") as pool:
        waiting: list[Future[Page]] = [pool.submit(render, html) for html in islice(source, 2 * parallel)]
        while waiting:
            page = waiting.pop(0).result()
            waiting += [pool.submit(render, html) for html in islice(source, 1)]
            yield page


@atexit.register
def close_browsers() -> None:
    """End every browser of this process."""
    for browser in list(_open_browsers):
        with contextlib.suppress(OSError):
            browser.close()


def _forget() -> None:
    """In a forked child: the browsers are the parent's."""
    global _own_lock
    _own_lock = threading.Lock()
    _own.clear()
    _open_browsers.clear()


os.register_at_fork(after_in_child=_forget)
