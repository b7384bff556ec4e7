"""Pages that want out, want more than their share, or want to be remembered; each ends in a typed result."""

from __future__ import annotations

import http.server
import os
import socket
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from viscodex.sandbox import browser
from viscodex.sandbox.browser import Browser, render_page
from viscodex.sandbox.pages import PageLimits, View

SHORT = View(limits=PageLimits(cpu_s=1.5, wall_s=20, received=4 << 20))


@pytest.fixture(scope="module", autouse=True)
def own_browsers():
    yield
    browser.close_browsers()


class Loopback:
    """A real HTTP server and a real UDP socket on 127.0.0.1, and what reached them."""

    def __init__(self) -> None:
        self.hits: list[str] = []
        hits = self.hits

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                hits.append(self.path)
                self.send_response(200)
                self.send_header("access-control-allow-origin", "*")
                self.end_headers()
                self.wfile.write(b"SECRET SERVICE")

            do_POST = do_OPTIONS = do_HEAD = do_GET  # noqa: N815

            def log_message(self, *_: object) -> None: ...

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", self.port))
        self.udp.setblocking(False)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def packets(self) -> int:
        try:
            return len(self.udp.recv(2048))
        except BlockingIOError:
            return 0

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.udp.close()


@pytest.fixture
def loopback() -> Iterator[Loopback]:
    service = Loopback()
    try:
        assert urllib.request.urlopen(f"http://127.0.0.1:{service.port}/control").read() == b"SECRET SERVICE"
        assert service.hits == ["/control"]  # it can be reached, and counts
        service.hits.clear()
        yield service
    finally:
        service.close()


WAYS_OUT = """<head><link rel=stylesheet href="HOST/css"><link rel=preload as=font href="HOST/preload" crossorigin>
<link rel=prefetch href="HOST/prefetch"><link rel=icon href="HOST/icon"><link rel=manifest href="HOST/manifest">
<link rel=preconnect href="HOST"><link rel=dns-prefetch href="HOST">
<style>@import "HOST/import"; @font-face { font-family: f; src: url(HOST/font) } body { font-family: f;
background: url(HOST/background) }</style><script src="HOST/script"></script>
<script type=module src="HOST/module"></script></head>
<body>text<img src="HOST/img"><img srcset="HOST/srcset 1x"><iframe src="HOST/iframe"></iframe>
<iframe srcdoc='<img src="HOST/srcdoc">'></iframe><object data="HOST/object"></object><embed src="HOST/embed">
<video src="HOST/video" poster="HOST/poster"></video><audio src="HOST/audio" preload=auto></audio>
<svg><image href="HOST/svg"/></svg><input type=image src="HOST/input">
<form action="HOST/form" method=post target=frame><input name=a></form><iframe name=frame></iframe>
<a href="HOST/download" download id=a></a><a href="HOST/ping" ping="HOST/pinged" id=b target=_blank></a><script>
const quietly = (f) => { try { const p = f(); if (p && p.catch) p.catch(() => 0) } catch {} };
quietly(() => fetch("HOST/fetch")); quietly(() => fetch("HOST/keepalive", {keepalive: true, method: "POST"}));
quietly(() => { const x = new XMLHttpRequest(); x.open("GET", "HOST/xhr"); x.send() });
quietly(() => navigator.sendBeacon("HOST/beacon", "x")); quietly(() => new EventSource("HOST/events"));
quietly(() => new WebSocket("HOST/socket".replace("http", "ws")));
quietly(() => new WebTransport("HOST/transport".replace("http", "https")));
quietly(() => new Worker(URL.createObjectURL(new Blob(["fetch('HOST/worker'); importScripts('HOST/import-script')"]))));
quietly(() => new SharedWorker(URL.createObjectURL(new Blob(["fetch('HOST/shared')"]))));
quietly(() => navigator.serviceWorker.register("HOST/service"));
quietly(() => import("HOST/dynamic")); quietly(() => window.open("HOST/popup"));
quietly(() => document.forms[0].submit()); quietly(() => b.click());
quietly(() => { const r = new RTCPeerConnection({iceServers: [{urls: "stun:ADDRESS"}]}); r.createDataChannel("x");
  r.createOffer().then(o => r.setLocalDescription(o)) });
addEventListener("pagehide", () => navigator.sendBeacon("HOST/goodbye"));
onload = () => { a.click(); location = "HOST/location" };
</script>"""
HEARD = "css import font background script module img srcset iframe srcdoc object embed video poster svg input form "
HEARD += "fetch keepalive xhr beacon events socket worker import-script dynamic popup"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "0.0.0.0"])
def test_nothing_on_this_machine_can_be_reached(loopback, host):
    address = f"{host}:{loopback.port}"
    page = render_page(WAYS_OUT.replace("HOST", f"http://{address}").replace("ADDRESS", address))
    assert page.ok and page.text_blocks[0].text == "text"
    blocked = {url.rpartition("/")[2] for url in page.blocked_urls}
    assert set(HEARD.split()) <= blocked, set(HEARD.split()) - blocked
    assert loopback.hits == [] and loopback.packets() == 0


def test_nor_without_interception(loopback, tmp_path):
    """The origin is the first wall. Here it is taken away: the box's own walls must hold."""
    secret = tmp_path / "secret.html"
    secret.write_text("SECRET FILE")
    for folder in (secret, *secret.parents):
        if folder.owner() == "root" and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o5)
    with Browser() as bare:
        bare.start()
        call, until = bare._connection.call, time.monotonic() + 30
        call("Fetch.disable", {}, "", until)
        call("Target.setAutoAttach", {"autoAttach": False, "waitForDebuggerOnStart": False, "flatten": True}, "", until)
        services = [f"http://127.0.0.1:{loopback.port}/", f"http://localhost:{loopback.port}/"]
        secrets = ["/etc/shadow", "/root/", "/home/", f"/proc/{os.getpid()}/environ"]
        for url in (*services, secret.as_uri(), *(f"file://{path}" for path in secrets)):
            target = call("Target.createTarget", {"url": "about:blank"}, "", until)["targetId"]
            session = call("Target.attachToTarget", {"targetId": target, "flatten": True}, "", until)["sessionId"]
            answer = call("Page.navigate", {"url": url}, session, until)
            assert answer.get("errorText", "").startswith("net::ERR_"), (url, answer)
        own = call("Page.navigate", {"url": "file:///etc/passwd"}, session, until)
        assert "errorText" not in own  # a file that the box has can be read: it is the walls that refuse the others
    assert loopback.hits == []


def test_local_files_are_not_read(tmp_path):
    secret = tmp_path / "secret.js"
    secret.write_text("document.title = 'SECRET FILE'; /* SECRET FILE */")
    for folder in (secret, *secret.parents):
        if folder.owner() == "root" and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o5)
    url = secret.as_uri()
    page = render_page(
        f'text<iframe src="{url}"></iframe><script src="{url}"></script><img src="{url}"><object data="{url}"></object>'
        f'<link rel=stylesheet href="{url}"><embed src="file:///etc/passwd"><a id=a href="{url}"></a><script>'
        f'fetch("{url}").then(r => r.text()).then(t => document.body.append(t)).catch(() => 0);'
        f'try {{ const x = new XMLHttpRequest(); x.open("GET", "{url}", false); x.send(); '
        f"document.body.append(x.response) }} catch {{}} document.body.append(document.title);"
        f'onload = () => {{ a.click(); location = "{url}" }}</script>'
    )
    assert page.ok
    assert [block.text for block in page.text_blocks] == ["text"]
    assert url in page.blocked_urls and "file:///etc/passwd" in page.blocked_urls


ENDINGS = {
    "endless script": ("<p>x<script>for(;;);</script>", "timeout"),
    "endless after load": ("x<script>onload = () => setTimeout(() => { for(;;); })</script>", "timeout"),
    "endless microtasks": ("x<script>const f = () => Promise.resolve().then(f); onload = f</script>", "timeout"),
    "catastrophic expression": ("<script>/^(a+)+$/.test('a'.repeat(60) + 'b')</script>", "timeout"),
    "endless alerts": ("<script>for(;;) alert(1)</script>", "timeout"),
    "endless prompts": ("<script>while (!prompt('name?'));</script>", "timeout"),
    "blur upon blur": (
        "<svg><filter id=f><feGaussianBlur stdDeviation=500 /></filter>"
        + "<g filter='url(#f)'>" * 40
        + "<rect width=2000 height=2000 /></svg>",
        "timeout",
    ),
    "60,000 px tall": ("<div style='height:60000px'>x", "too_large"),
    "200,000 px wide": ("<div style='width:200000px'>x", "too_large"),
    "20,000 px square": ("<div style='width:20000px;height:20000px'>x", "too_large"),
    "console flood": ("<script>const s = 'x'.repeat(1e6); for(;;) console.error(s)</script>", "output_limit"),
    "leaves at once": ("<script>location = 'http://example.com/'</script>x", "navigated"),
    "leaves for a blob": (
        "<script>onload = () => { location = URL.createObjectURL(new Blob(['<h1>'], {type: 'text/html'})) }</script>x",
        "navigated",
    ),
    "reloads at once": ("x<script>location.reload()</script>", "navigated"),
    "refreshes for ever": ("<meta http-equiv=refresh content=0>x", "ok"),
    "reloads for ever": ("x<script>onload = () => setInterval(() => location.reload(), 1)</script>", "ok"),
    "leaves for the browser's pages": ("x<script>onload = () => { location = 'chrome://crash' }</script>", "ok"),
    "frames itself": ("<iframe src='/'></iframe><iframe src='#'></iframe>x", "ok"),
    "many windows": ("x<script>for (let i = 0; i < 99; i++) open('http://pop.example/' + i)</script>", "ok"),
    "downloads": ("<a id=a download href='data:text/plain,hi'>x</a><script>a.click(); a.click()</script>", "ok"),
    "prints": ("x<script>print(); onload = () => print()</script>", "ok"),
    "endless worker": ("x<script>new Worker(URL.createObjectURL(new Blob(['for(;;);'])))</script>", "ok"),
    "endless recursion": ("x<script>(function f() { f() })()</script>", "ok"),
    "5,000 deep": ("<div>" * 5000 + "x", "ok"),
    "full screen, pointer, permissions": (
        "x<script>document.body.requestFullscreen().catch(() => 0); document.body.requestPointerLock();"
        "Notification.requestPermission(); navigator.geolocation.getCurrentPosition(() => 0);"
        "try { showOpenFilePicker() } catch {}</script>",
        "ok",
    ),
    "nothing": ("", "ok"),
}


@pytest.mark.parametrize("name", ENDINGS)
def test_every_page_ends_in_a_typed_result(name):
    html, status = ENDINGS[name]
    page = render_page(html, SHORT)
    assert (page.status, bool(page.png), bool(page.detail)) == (status, status == "ok", status != "ok"), page
    if status == "ok" and html:
        assert page.text_blocks[-1].text == "x"
    if status == "too_large":
        assert max(page.width, page.height) > 10_000


@pytest.mark.parametrize("hoard", ["bytes", "pictures"])
def test_a_page_that_hoards_memory_is_ended(hoard):
    script = {
        "bytes": "for(;;) all.push(new Uint8Array(5e7).fill(1))",
        "pictures": """for(;;) { const c = document.createElement("canvas"); c.width = c.height = 8000; all.push(c);
            const g = c.getContext("2d"); g.fillRect(0, 0, 8000, 8000); g.getImageData(0, 0, 1, 1) }""",
    }
    patient = View(limits=PageLimits(cpu_s=90, wall_s=240))  # filling what it may hold takes a slow machine long
    page = render_page(f"<body><script>const all = []; {script[hoard]}</script>", patient)
    assert page.status in ("memory", "crashed"), page
    assert render_page("x").ok


def test_dialogs_are_dismissed_and_told():
    page = render_page("<body><script>document.body.append(alert('a'), confirm('b'), prompt('c', 'd'))</script>")
    assert page.ok and page.dialogs == ("a", "b", "c")
    assert [block.text for block in page.text_blocks] == ["undefined", "false", "null"]


def test_a_page_finds_nothing_of_the_one_before():
    leave = """<body><script>
        name = localStorage.mark = sessionStorage.mark = "MARK"; document.cookie = "mark=MARK; max-age=9999";
        history.replaceState("MARK", ""); globalThis.mark = "MARK"; Object.prototype.mark = "MARK";
        const open = indexedDB.open("MARK", 1); open.onupgradeneeded = () => open.result.createObjectStore("MARK");
        new Image().src = "rick.jpg"; fetch("data.txt").then(r => r.text()).then(t => document.body.append(t));
        addEventListener("pagehide", () => { localStorage.mark = "MARK"; document.cookie = "late=MARK" });
        </script>left"""
    look = """<body><script>(async () => {
        const data = await (await fetch("data.txt")).text(), channel = new BroadcastChannel("x");
        const bases = (await indexedDB.databases()).map(base => base.name);
        document.body.append(JSON.stringify([name, document.cookie, {...localStorage}, {...sessionStorage},
            history.state, history.length, globalThis.mark ?? null, ({}).mark ?? null, bases, data, opener]))
        })()</script>"""
    first = render_page(leave, View(files={"data.txt": b"MARK"}))
    assert first.ok
    browser_before = browser.browsers()[0]._running
    page = render_page(look, View(files={"data.txt": b"fresh"}))
    assert page.text_blocks[-1].text == '["","",{},{},null,1,null,null,[],"fresh",null]'
    assert browser.browsers()[0]._running is browser_before  # not by being another browser


def test_last_handlers_without_end_are_not_the_next_ones_loss():
    assert render_page("<script>onpagehide = onunload = () => { for(;;); }</script>x").ok
    page = render_page("x", SHORT)
    assert page.ok and page.cpu_s < 1


def test_requests_of_the_page_before_are_not_this_ones():
    goodbye = "<script>onpagehide = () => navigator.sendBeacon('http://late.example/'); "
    goodbye += "setInterval(() => fetch('http://often.example/', {keepalive: true}), 1)</script>"
    for _ in range(3):
        assert "http://often.example/" in render_page(goodbye).blocked_urls
        assert render_page("quiet").blocked_urls == ()


def test_a_page_cannot_deceive_what_looks_at_it():
    """Replaced built-ins do not reach our scripts, and fields named like properties do not hide these."""
    page = render_page(
        "<script>Array.prototype.push = Array.prototype.flatMap = () => { throw 1 }; Math.max = () => 7;"
        "for (const n of ['createTreeWalker', 'createRange', 'getAnimations']) Document.prototype[n] = null;"
        "Range.prototype.getClientRects = () => []; Element.prototype.checkVisibility = () => false;"
        "Object.defineProperty(Element.prototype, 'scrollHeight', {get: () => 99999});"
        "getComputedStyle = Set = Map = Promise = null;</script>"
        "<form name=body></form><img name=documentElement><form name=fonts></form><form name=createTreeWalker></form>"
        "<form name=getAnimations></form><form name=activeElement></form><form><input name=style>"
        "<input name=attributes></form><p style='color:#010203'>seen</p>"
    )
    assert (page.status, page.width, page.height) == ("ok", 1280, 720), page.detail
    assert [(block.text, block.color, block.visible) for block in page.text_blocks] == [("seen", (1, 2, 3), True)]
