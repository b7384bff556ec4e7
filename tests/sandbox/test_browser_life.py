"""Browsers that are killed, abandoned, forked, shared; and what they hold on to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from viscodex.sandbox import browser
from viscodex.sandbox.browser import Browser, render_page
from viscodex.sandbox.pages import View


@pytest.fixture(scope="module", autouse=True)
def own_browsers():
    yield
    browser.close_browsers()


def exists(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_browser_that_dies_under_a_page_is_replaced_and_the_page_drawn():
    with Browser() as fragile:
        fragile.start()
        victim = fragile._running
        threading.Timer(0.5, victim.boxed.end).start()
        page = fragile.render(
            "x<script>const end = performance.now() + 1500; while (performance.now() < end);</script>"
        )
        assert page.ok and fragile._running is not victim


def test_a_page_that_kills_the_browser_twice_is_told_of():
    with Browser() as fragile:
        begin = fragile._begin

        def begin_doomed() -> None:
            begin()
            threading.Timer(0.5, fragile._running.boxed.end).start()

        fragile._begin = begin_doomed
        page = fragile.render("<script>const end = performance.now() + 5000; while (performance.now() < end);</script>")
        assert page.status == "crashed" and page.detail
        fragile._begin = begin
        assert fragile.render("x").ok


def test_a_dead_browser_is_noticed_between_pages():
    with Browser() as fragile:
        assert fragile.render("x").ok
        fragile._running.boxed.end()
        assert fragile._running.boxed.ended(5)
        assert fragile.render("x").ok


def test_close_leaves_no_process():
    once = Browser()
    assert once.render("x").ok and once.processes() > 3
    launcher = once._running.boxed.launcher
    once.close()
    assert not exists(launcher) and once.processes() == 0
    assert once.render("x").ok  # and it can be used again
    once.close()


HARNESS = """
import os, sys, time
from viscodex.sandbox.browser import browsers, render_page
assert render_page("x").ok
print(browsers()[0]._running.boxed.launcher, flush=True)
if sys.argv[1] == "busy":
    render_page("<script>for(;;);</script>")
elif sys.argv[1] == "idle":
    time.sleep(60)
"""


@pytest.mark.parametrize("end", ["idle", "busy", "exit"])
def test_no_browser_outlives_its_harness(end):
    harness = subprocess.Popen([sys.executable, "-c", HARNESS, end], stdout=subprocess.PIPE)
    launcher = int(harness.stdout.readline())
    if end != "exit":
        assert exists(launcher)
        time.sleep(0.3)
        harness.send_signal(signal.SIGKILL)
    harness.wait(30)
    deadline = time.monotonic() + 5
    while exists(launcher) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not exists(launcher)


def test_a_forked_child_has_its_own():
    assert render_page("parent").ok
    before = browser.browsers()[0]._running
    child = os.fork()
    if child == 0:
        status = 1
        try:
            drawn = render_page("child")
            status = 0 if drawn.ok and browser.browsers()[0]._running is not before else 2
            browser.close_browsers()
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert render_page("parent").ok and browser.browsers()[0]._running is before


def test_threads_share_a_browser_and_one_that_ends_takes_it_along_unnoticed():
    with Browser() as shared:
        found: list[str] = []
        for _ in range(3):
            thread = threading.Thread(target=lambda: found.append(shared.render("x").status))
            thread.start()
            thread.join()
        threads = [threading.Thread(target=lambda: found.append(shared.render("x").status)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == ["ok"] * 7 and shared.render("x").ok


def test_inside_a_running_event_loop():
    import asyncio

    async def main() -> str:
        return render_page("x").status

    assert asyncio.run(main()) == "ok"


@pytest.mark.slow
def test_memory_stays_flat():
    """Within one browser's life; across lives it is given back by itself."""
    page = "<h1>Hello</h1>" + "<p style='background:linear-gradient(red,blue)'>text " * 60 + "<img src=rick.jpg>"
    with Browser() as steady:
        sizes = []
        for number in range(110):
            assert steady.render(page, View(text_blocks=False)).ok
            if number % 10 == 9:
                sizes.append(steady.memory())
        early, late = sorted(sizes[1:6])[2], sorted(sizes[-5:])[2]
        assert late < 1.25 * early, [size >> 20 for size in sizes]
