"""One page's life in a browser: a tab opened straight on it, a picture, its text, its variants, the tab closed."""

from __future__ import annotations

import base64
import contextlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from viscodex.core.errors import VisCodexError
from viscodex.sandbox.cdp import Connection, Message, RefusedError
from viscodex.sandbox.collect import png_size
from viscodex.sandbox.fonts import GENERIC_FONTS
from viscodex.sandbox.origin import ORIGIN, URL, Origin
from viscodex.sandbox.pages import Capture, TextBlock, View
from viscodex.sandbox.witness import PageEndedError, Witness, thrown

PEEPHOLE = {"width": 1, "height": 1}
"""The tab as it is composited until its first picture is taken: frames that nobody sees cost nothing.
The page is told of its real window (`_window`) and laid out for that."""
REASON_S = 0.5
"""How long after a refused command the event that explains it may arrive."""


@cache
def script(name: str) -> str:
    """A packaged script."""
    return (files("viscodex.sandbox") / "page_scripts" / f"{name}.js").read_text(encoding="utf-8")


@dataclass
class Visit:
    """A page being looked at. What has been found so far is in its fields, also after it raised."""

    connection: Connection
    context: str
    html: str
    view: View
    png: bytes = b""
    width: int = 0
    height: int = 0
    text_blocks: tuple[TextBlock, ...] = ()
    captures: list[Capture] = field(default_factory=list)
    _world: int = 0
    _seen: tuple[int, int] = (PEEPHOLE["width"], PEEPHOLE["height"])

    def __post_init__(self) -> None:
        self._deadline = time.monotonic() + self.view.limits.wall_s
        self._heard_before = self.connection.event_bytes
        self.origin = Origin(self.html, self.view.files)
        self.witness = Witness(self.origin, self._send)

    def run(self) -> None:
        """Open and look. Raises PageEndedError for what the page did, BrowserGoneError when the browser ended."""
        try:
            self._open()
            self._look()
        except TimeoutError:
            raise PageEndedError("timeout", f"not drawn within {self.view.limits.wall_s:g} s") from None
        except RefusedError as error:
            raise self._reason(error) from None

    def close(self, deadline: float) -> None:
        """Close the tab; TimeoutError when it does not."""
        if self.witness.session and not self.witness.closed:
            self.connection.post("Target.closeTarget", {"targetId": self.witness.target}, "")
            self.connection.wait_for(lambda: self.witness.closed, deadline)

    def check(self) -> None:
        """Raise when an event, or how much there is of them, has ended the visit."""
        if self.connection.event_bytes - self._heard_before > self.view.limits.received:
            self.witness.end("output_limit", "the page floods the console or the network")
        if self.witness.ending is not None:
            raise self.witness.ending

    def _open(self) -> None:
        opened = self._call("Target.createTarget", {"url": URL, "browserContextId": self.context, **PEEPHOLE}, "")
        self.witness.take(str(opened["targetId"]))
        self._wait(lambda: self.witness.target in self.witness.sessions)
        self.witness.session = self.witness.sessions[self.witness.target]
        # The tab waits for us before its first request.
        for domain in ("Network", "Page", "Runtime", "Log", "Inspector"):
            self._post(f"{domain}.enable", {})
        self._post("Network.setCacheDisabled", {"cacheDisabled": True})
        self._post("Emulation.setDeviceMetricsOverride", {**self._window(), "dontSetVisibleSize": True})
        self._post("Emulation.setFocusEmulationEnabled", {"enabled": True})
        self._post("Page.setFontFamilies", {"fontFamilies": GENERIC_FONTS})
        outside = f"({script('outside')})({self.view.width}, {self.view.height});"
        for source in (script("clock"), outside):
            self._post("Page.addScriptToEvaluateOnNewDocument", {"source": source})
        self._call("Storage.clearDataForOrigin", {"origin": ORIGIN, "storageTypes": "all"})
        self._call("Runtime.runIfWaitingForDebugger", {})
        self._wait(lambda: self.witness.loaded)
        world = self._call("Page.createIsolatedWorld", {"frameId": self.witness.target, "worldName": "viscodex"})
        self._world = int(world["executionContextId"])

    def _window(self) -> dict[str, Any]:
        """What the page takes for its window and screen; both alike, as in Playwright."""
        width, height = self.view.width, self.view.height
        screen = {"screenWidth": width, "screenHeight": height}
        return {"width": width, "height": height, **screen, "deviceScaleFactor": 1, "mobile": False}

    def _look(self) -> None:
        self.width, self.height = self._still()
        if self.view.capture:
            self.png = self._capture(self.width, self.height)
        if self.view.text_blocks:
            rows = json.loads(self._evaluate(script("text_blocks")))
            self.text_blocks = tuple(_text_block(row) for row in rows)
        for variant in self.view.variants:
            value = self._evaluate(variant.script)
            width, height = self._still()
            png = self._capture(width, height) if variant.capture and value is not False else b""
            self.captures.append(Capture(png, width, height, value))

    def _still(self) -> tuple[int, int]:
        """Hold what moves and measure the page, which must not be too large to be drawn."""
        size = self._evaluate(script("still"))
        width, height = int(size["width"]), int(size["height"])
        limits = self.view.limits
        if max(width, height) > limits.side or width * height > limits.pixels:
            self.width, self.height = width, height
            raise PageEndedError("too_large", f"the page is {width} × {height} pixels")
        if width <= 0 or height <= 0:
            raise PageEndedError("error", "the page has no size")
        return width, height

    def _capture(self, width: int, height: int) -> bytes:
        """A PNG of the whole page.

        Not by captureBeyondViewport, which lets the page see a window of 1 × 1 pixels for a moment, or not, as it
        happens, and costs a third more: the browser paints whole pages here (chromium.BLINK_SETTINGS). And not from
        the peephole, which captureScreenshot widens and narrows again by itself: of a page that has just changed, parts
        with layers of their own (a sidebar that scrolls) were missing from one picture in ten.
        """
        if (width, height) != self._seen:
            self._call("Emulation.setVisibleSize", {"width": width, "height": height})
            self._seen = (width, height)
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        settings = {"format": "png", "optimizeForSpeed": not self.view.compact, "captureBeyondViewport": False}
        png = base64.b64decode(self._call("Page.captureScreenshot", {**settings, "clip": clip}).get("data", ""))
        try:
            drawn = png_size(png)
        except VisCodexError as error:
            raise PageEndedError("crashed", f"not a picture: {error.problem}") from None
        if drawn != (width, height):
            raise PageEndedError("crashed", f"the picture is {drawn[0]} × {drawn[1]}, not {width} × {height}")
        return png

    def _evaluate(self, function: str) -> Any:
        """Call a JavaScript function in our own world of the page; its plain value."""
        how = {"contextId": self._world, "returnByValue": True, "awaitPromise": True}
        answer = self._call("Runtime.evaluate", {"expression": f"({function}\n)()", **how})
        if "exceptionDetails" in answer:
            raise PageEndedError("error", f"a script failed in the page: {thrown(answer['exceptionDetails'])}")
        return answer.get("result", {}).get("value")

    def _reason(self, error: RefusedError) -> PageEndedError:
        """Why the browser refused a command: usually an event that is still on its way tells."""
        with contextlib.suppress(TimeoutError):
            self.connection.wait_for(lambda: self.witness.ending is not None, time.monotonic() + REASON_S)
        return self.witness.ending or PageEndedError("error", str(error))

    def _call(self, method: str, params: Mapping[str, Any], session: str | None = None) -> Message:
        session = self.witness.session if session is None else session
        answer = self.connection.call(method, params, session, self._deadline)
        self.check()
        return answer

    def _post(self, method: str, params: Mapping[str, Any]) -> None:
        self._send(method, params, self.witness.session)

    def _send(self, method: str, params: Mapping[str, Any], session: str) -> None:
        self.connection.post(method, params, session)

    def _wait(self, condition: Callable[[], bool]) -> None:
        self.connection.wait_for(lambda: self.witness.ending is not None or condition(), self._deadline)
        self.check()


def _text_block(row: list[Any]) -> TextBlock:
    text, x, y, width, height, color, alpha, font_size, tag, visible = row
    return TextBlock(text, x, y, width, height, (color[0], color[1], color[2]), alpha, font_size, tag, visible)
