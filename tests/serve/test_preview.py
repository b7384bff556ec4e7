"""A page in the preview reaches nothing: no network, not this machine, nor the page around it. In real Chromium."""

from __future__ import annotations

import json
import socket
import threading
import time
from pathlib import Path

import pytest

from tests.endpoint import Endpoint
from viscodex.serve.preview import KEPT, LIVE, STILL, Preview, Previews, guarded, headers
from viscodex.serve.upstream import Upstream

from .playing import browser, fenced, says

pytest.importorskip("playwright.sync_api", reason="drives the page: pip install playwright")

ATTACKS = Path(__file__).parent / "attacks"
RESOURCES, SCRIPTED, PEEKS = ((ATTACKS / f"{name}.html").read_text() for name in ("resources", "scripted", "peeks"))
RTC = """var c = new RTCPeerConnection({iceServers: [{urls: 'stun:@H'}]});
c.createDataChannel('x'); c.createOffer().then((o) => c.setLocalDescription(o))"""
MOVES = {
    "refresh": "<meta http-equiv=refresh content='0;url=@U/meta'>",
    "location": "<script>location = '@U/location'</script>",
    "our models": "<script>location = '@O/v1/models'</script>",
    "form": "<form id=f action=@U/form><input name=a></form><script>f.submit()</script>",
    "top": "<script>top.location = '@U/top'</script>",
    "window": "<script>open('@U/window')</script>",
    "link": "<a id=a href=@U/link>x</a><script>a.click()</script>",
    "link into a tab": "<a id=a href=@U/tab target=_blank>x</a><script>a.click()</script>",
    "javascript:": "<script>location = 'javascript:fetch(`@U/js`)'</script>",
}
SETTLE_MS = 1200


class Listener:
    """A port of the loopback; whoever comes, by TCP or UDP, is noted."""

    def __init__(self):
        self.tcp = socket.create_server(("127.0.0.1", 0))
        self.port = self.tcp.getsockname()[1]
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", self.port))
        self.met = []
        for listen in (self._take, self._hear):
            threading.Thread(target=listen, daemon=True).start()

    def _take(self):
        while True:
            try:
                connection, _ = self.tcp.accept()
            except OSError:
                return
            threading.Thread(target=self._read, args=(connection,), daemon=True).start()

    def _read(self, connection):
        with connection:
            connection.settimeout(1)
            try:
                self.met.append(("tcp", connection.recv(200)))
            except OSError:
                self.met.append(("tcp", b""))  # connected, and said nothing: reached all the same

    def _hear(self):
        while True:
            try:
                self.met.append(("udp", self.udp.recv(2000)))
            except OSError:
                return

    def close(self):
        self.tcp.close()
        self.udp.close()


@pytest.fixture(scope="module")
def listener():
    found = Listener()
    yield found
    found.close()


@pytest.fixture(scope="module")
def attacks(listener, serve):
    """The server, and `attack(html)`: what the model writes from now on, with the addresses filled in."""
    page = {"html": ""}
    with Endpoint(lambda call: says(fenced(page["html"], "html"))) as model:
        served = serve(engines=lambda metrics: [Upstream("vlm", model.url)])

        def attack(html):
            host = f"127.0.0.1:{listener.port}"
            places = {"@RTC": RTC, "@U": f"http://{host}", "@H": host, "@O": f"http://127.0.0.1:{served.port}"}
            for name, value in places.items():
                html = html.replace(name, value)
            page["html"] = f"<!doctype html><html><head><title>x</title></head><body>{html}</body></html>"
            return page["html"]

        yield served, attack


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("browser")) as found:
        yield found


@pytest.fixture
def preview(chromium, attacks, listener):
    """`preview(html, scripts=…)`: it is written by the model and shown in the playground; the page around it."""
    served, attack = attacks
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(20_000)

    def show(html, *, scripts):
        attack(html)
        page = context.new_page()
        page.goto(f"http://127.0.0.1:{served.port}/")
        page.evaluate("document.cookie = 'secret=1'; localStorage.setItem('secret', '1')")
        page.evaluate("self.heard = []; addEventListener('message', (event) => heard.push(event.data))")
        page.fill("#prompt", "write it")
        page.locator("#samples button").first.wait_for()
        page.get_by_label("Web page", exact=True).check()
        page.click("#write")
        page.locator(".panel [data-tab=preview][aria-selected=true]").wait_for()
        listener.met.clear()
        before = others(served)
        if scripts:
            page.check(".scripts")
        page.wait_for_timeout(SETTLE_MS)
        assert page.url == f"http://127.0.0.1:{served.port}/"
        assert others(served) == before, "the server was asked for something"
        return page

    yield show
    context.close()


def others(served):
    """Requests of the server that are none of the playground's own."""
    samples = [s for m in served.metrics.requests.collect() for s in m.samples if s.name.endswith("_total")]
    return sum(s.value for s in samples if s.labels["path"] == "/v1/models" or s.labels["status"] != "200")


def test_the_attacks_are_attacks(chromium, attacks, listener):
    """Without our policies the same pages do reach the listener: by HTTP, and by WebRTC."""
    _, attack = attacks
    page = chromium.new_page()
    for html, least in ((RESOURCES, 5), (SCRIPTED, 5)):
        listener.met.clear()
        page.goto("about:blank")
        page.set_content(attack(html), wait_until="commit")
        page.wait_for_timeout(SETTLE_MS)
        assert len(listener.met) >= least, listener.met
    assert {kind for kind, _ in listener.met} == {"tcp", "udp"}
    page.close()


@pytest.mark.parametrize("scripts", [False, True], ids=["still", "live"])
@pytest.mark.parametrize("html", [RESOURCES, SCRIPTED], ids=["resources", "scripted"])
def test_nothing_is_loaded(preview, listener, html, scripts):
    preview(html, scripts=scripts)
    assert listener.met == []


@pytest.mark.parametrize("scripts", [False, True], ids=["still", "live"])
@pytest.mark.parametrize("name", MOVES)
def test_it_goes_nowhere(preview, listener, name, scripts):
    page = preview(MOVES[name], scripts=scripts)
    assert listener.met == []
    assert len(page.context.pages) == 1


def test_a_live_page_sees_nothing_of_the_page_around_it(preview):
    (told,) = preview(PEEKS, scripts=True).evaluate("heard")
    found = json.loads(told)
    assert found.pop("origin") == "null"
    assert found.pop("innerHTML") == "set"  # what harms nobody works
    assert not [value for value in found.values() if value.startswith("saw")], found


def test_a_still_page_runs_nothing(preview):
    assert preview(PEEKS, scripts=False).evaluate("heard") == []


def test_an_address_opened_by_itself_runs_nothing(preview, chromium, attacks, listener):
    """The link "Open in a tab", also for a page that is live in its frame."""
    page = preview(MOVES["location"] + "<p>seen</p>", scripts=True)
    path = page.locator(".open").get_attribute("href")
    alone = chromium.new_page()
    alone.goto(f"http://127.0.0.1:{attacks[0].port}{path}")
    alone.wait_for_timeout(300)
    assert alone.locator("p").inner_text() == "seen"
    assert alone.url.endswith(path)
    assert listener.met == []
    alone.close()


def test_policies_by_what_is_asked_for():
    live, still = Preview(b"", is_live=True), Preview(b"", is_live=False)
    policy = "content-security-policy"
    assert headers(live, "iframe")[policy] == LIVE
    assert headers(live, "document")[policy] == headers(live, "")[policy] == headers(still, "iframe")[policy] == STILL
    assert "allow-same-origin" not in LIVE + STILL


@pytest.mark.parametrize(
    ("code", "start"),
    [
        ("<!DOCTYPE html><html>", "<!DOCTYPE html><script>"),
        ("\n<!-- a --> <!doctype HTML PUBLIC 'x'>\n<html>", "\n<!-- a --> <!doctype HTML PUBLIC 'x'><script>"),
        ("<p>quirks", "<script>"),
    ],
)
def test_the_guard_comes_first_and_leaves_the_mode_alone(code, start):
    assert guarded(code).startswith(start)


def test_old_previews_make_room():
    previews = Previews()
    paths = [previews.keep(f"<p>{number}", is_live=False) for number in range(KEPT + 5)]
    assert len(set(paths)) == KEPT + 5
    known = [previews.get(path.rpartition("/")[2]) for path in paths]
    assert known[:5] == [None] * 5
    assert all(known[5:])
    began = time.monotonic()
    for _ in range(5):
        previews.keep("x" * 10_000_000, is_live=False)
    assert sum(len(one.page) for one in previews._kept.values()) <= 32 << 20
    assert time.monotonic() - began < 5
