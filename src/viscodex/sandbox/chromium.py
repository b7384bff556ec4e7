"""Which browser draws pages here, and how it is started inside a box.

Its debugging pipe is its only way to us. The box gives a program stdin and stdout; Chromium expects the pipe as
descriptors 3 and 4, so a line of shell moves them. Its own sandbox is off: the box is around the whole browser, and
its parts need no protection from each other, since all of them die with the page that misbehaved.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from viscodex.core.errors import VisCodexError
from viscodex.sandbox import backends
from viscodex.sandbox.backends import Backend
from viscodex.sandbox.boxed import Boxed, StartError, Streams
from viscodex.sandbox.cdp import Wire
from viscodex.sandbox.fonts import font_set
from viscodex.sandbox.identity import reachable
from viscodex.sandbox.jail import Jail, Mount
from viscodex.sandbox.limits import GIB, MIB, Limits
from viscodex.sandbox.output import Pipe

VARIABLE = "VISCODEX_CHROMIUM"
"""Environment variable that names another executable."""
# Debian's launchers read the host's settings; these are the programs behind them.
INSTALLED = (
    "/usr/lib/chromium/chromium-headless-shell",
    "/usr/lib/chromium/chromium",
    "/usr/lib/chromium-browser/chromium-browser",
    "/opt/google/chrome/chrome",
)
DOWNLOADED = (
    "chromium_headless_shell-*/chrome-*/headless_shell",
    "chromium_headless_shell-*/chrome-headless-shell-*/chrome-headless-shell",
    "chromium-*/chrome-*/chrome",
)

LIMITS = Limits(
    cpu_s=1e6,  # for the browser's whole life; pages have limits of their own
    memory=2 * GIB,
    address_space=None,
    processes=1000,
    file_size=1 * GIB,
    work_size=256 * MIB,
    tmp_size=1 * GIB,
    shm_size=64 * MIB,
    open_files=4096,
)

# Pictures that would load late load at once, those that move stand still; the whole page is painted, not only the
# window's part of it, so that a picture of all of it needs no resizing; a mouse is there, as for a reader.
BLINK_SETTINGS = (
    "lazyLoadEnabled=false,imageAnimationPolicy=2,mainFrameClipsContent=false,"
    "primaryHoverType=2,availableHoverTypes=2,primaryPointerType=4,availablePointerTypes=4"
)
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--in-process-gpu",  # one process less; without namespaces the GPU process would not start at all
    "--remote-debugging-pipe",
    "--no-startup-window",
    "--no-first-run",
    "--no-default-browser-check",
    "--lang=en-US",
    # quiet: no updates, reports, helpers
    "--disable-background-networking",
    "--disable-breakpad",
    "--disable-client-side-phishing-detection",
    "--disable-component-extensions-with-background-pages",
    "--disable-component-update",
    "--disable-crash-reporter",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-field-trial-config",
    "--log-level=3",
    "--disable-sync",
    "--metrics-recording-only",
    "--mute-audio",
    "--no-pings",
    "--no-service-autorun",
    "--password-store=basic",
    # pages neither open others nor outlive themselves
    "--block-new-web-contents",
    "--disable-back-forward-cache",
    "--disable-notifications",
    "--disable-shared-workers",
    "--disable-speech-api",
    # pages are drawn at once and alike
    f"--blink-settings={BLINK_SETTINGS}",
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-checker-imaging",
    "--disable-hang-monitor",
    "--disable-partial-raster",  # a changed page is drawn as if it had always been so, edges included
    "--disable-renderer-backgrounding",
    "--force-color-profile=srgb",
    "--hide-scrollbars",
    # one process for all pages: what isolates a page from the next is a new tab, an emptied store, an uncached load
    "--disable-site-isolation-trials",
    "--renderer-process-limit=1",
    "--disable-features=IsolateOrigins,site-per-process,HttpsUpgrades,MediaRouter,OptimizationHints,PaintHolding,"
    "Translate,WebRtcHideLocalIpsWithMdns",
    # shared memory in $TMPDIR, which every back end has
    "--disable-dev-shm-usage",
)
WITHOUT_NAMESPACES = ("--no-zygote",)  # the zygote looks into /proc
COMMAND = (
    'FONTCONFIG_FILE="$HOME/fonts.conf" exec "$0" "$@" --user-data-dir="$HOME/profile" 3<&0 4>&1 </dev/null >/dev/null'
)


@dataclass(frozen=True)
class Chromium:
    """An executable, and what must be shown inside for it to run."""

    path: str
    mounts: tuple[Mount, ...] = ()


@dataclass
class Running:
    """A started browser."""

    boxed: Boxed
    wire: Wire
    log: Pipe

    def close(self) -> None:
        """End every process of it, and give everything back."""
        self.boxed.close()
        self.wire.close()
        self.log.close()

    def last_words(self) -> str:
        """The end of what it wrote to stderr, for an error message."""
        self.log.read()
        lines = bytes(self.log.content).decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""


@cache
def find() -> Chromium:
    """The first of: $VISCODEX_CHROMIUM, the headless shell, Chromium, a browser that Playwright downloaded."""
    asked = os.environ.get(VARIABLE)
    for path in (asked,) if asked else candidates():
        if path and Path(path).is_file():
            if not reachable(path):
                continue  # in a private home: the box's user may not read it
            inside_usr = Path(path).resolve().is_relative_to("/usr")
            return Chromium(path, () if inside_usr else (Mount(str(Path(path).parent)),))
    raise VisCodexError(
        "there is no Chromium to draw pages with" + (f" at {asked}" if asked else ""),
        hint="apt install chromium-headless-shell, or playwright install chromium-headless-shell",
    )


def candidates() -> Iterator[str]:
    """Where browsers are, the preferred ones first."""
    yield from INSTALLED
    root = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or "~/.cache/ms-playwright").expanduser()
    for pattern in DOWNLOADED:
        yield from (str(path) for path in sorted(root.glob(pattern), reverse=True))


def start(chromium: Chromium, backend: Backend | None = None, limits: Limits = LIMITS) -> Running:
    """Start a browser in a box. It dies with the calling thread, by the kernel's hand."""
    backend = backend or backends.best()
    flags = FLAGS if backend == "bwrap" else FLAGS + WITHOUT_NAMESPACES
    log = Pipe(64 << 10)
    os.set_blocking(log.writer, False)  # a chatty browser loses lines instead of waiting for us
    commands_out, commands_in = os.pipe()
    events_out, events_in = os.pipe()
    try:
        boxed = backends.start(
            backend,
            Jail(limits=limits, mounts=chromium.mounts),
            ["/bin/sh", "-c", COMMAND, chromium.path, *flags],
            Streams(commands_out, events_in, log.writer),
            {"fonts.conf": font_set().config.encode()},
        )
    except StartError as error:
        os.close(commands_in)
        os.close(events_out)
        log.read()
        log.close()
        raise VisCodexError(f"the browser's box did not start: {error}", where=chromium.path) from error
    finally:
        os.close(commands_out)
        os.close(events_in)
    log.close_writer()
    return Running(boxed, Wire(events_out, commands_in), log)


def broken(error: Exception, last_words: str) -> VisCodexError:
    """The error of a browser that started and did not answer."""
    return VisCodexError(
        f"the browser does not answer: {last_words or error or 'it took too long'}",
        where=find().path,
        hint="viscodex doctor",
    )
