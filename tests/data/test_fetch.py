"""Pictures by address: a real server on a loopback port that lies, redirects, drips and stops; and a local folder."""

from __future__ import annotations

import io
import threading
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import PIL.Image
import pytest

from viscodex.core.sample import Image, Sample
from viscodex.data.qa import PictureSettings, addresses
from viscodex.data.qa.fetch import Fetcher, NoPictureError, UnreachableError
from viscodex.data.qa.pace import Pace
from viscodex.data.qa.pictures import check, take_pictures
from viscodex.runner.stage import Keep, Reject


def png(width=40, height=40, form="PNG"):
    file = io.BytesIO()
    PIL.Image.new("RGB", (width, height), "red").save(file, form)
    return file.getvalue()


class Server(ThreadingHTTPServer):
    """Answers a path with what a test has put there, and counts."""

    def __init__(self) -> None:
        ThreadingHTTPServer.__init__(self, ("127.0.0.1", 0), Handler)
        self.answers: dict[str, Callable[[Handler], None]] = {}
        self.asked: Counter[str] = Counter()
        self.over = threading.Event()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *args):
        return

    def do_GET(self):
        self.server.asked[self.path] += 1
        self.server.answers[self.path](self)


def says(body, status=200, **headers):
    def answer(handler):
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        if "content_length" not in headers:
            handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


@pytest.fixture
def server():
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.over.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def fetcher(server, tmp_path):
    def make(**settings):
        more = {
            "hosts": (server.host,),
            "online": True,
            "per_second": 1000.0,
            "timeout_s": 5.0,
            "cache": str(tmp_path / "c"),
        }
        return Fetcher.open(PictureSettings(**(more | settings)))

    made = []
    yield lambda **settings: made.append(make(**settings)) or made[-1]
    for one in made:
        one.close()


def refusal(fetcher, url):
    with pytest.raises(NoPictureError) as error:
        fetcher.get([url])
    return error.value.reason


def test_a_picture_is_fetched_once(server, fetcher):
    server.answers["/a.png"] = says(png())
    url = f"http://{server.host}/a.png"
    assert fetcher().get([url]) == fetcher().get([url]) == png()
    assert fetcher(online=False).get([url]) == png()
    assert server.asked == {"/a.png": 1}


def test_what_is_gone_is_remembered(server, fetcher):
    server.answers["/a.png"] = says(b"no", 404)
    for _ in range(2):
        assert refusal(fetcher(), f"http://{server.host}/a.png") == "picture_missing"
    assert server.asked == {"/a.png": 1}


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_may_pass_is_no_verdict(server, fetcher, status):
    server.answers["/a.png"] = says(b"later", status)
    with pytest.raises(UnreachableError):
        fetcher().get([f"http://{server.host}/a.png"])
    server.answers["/a.png"] = says(png())
    assert fetcher().get([f"http://{server.host}/a.png"]) == png()


def test_a_host_that_is_not_there_is_no_verdict(fetcher):
    with pytest.raises(UnreachableError):
        fetcher(hosts=("127.0.0.1:9",)).get(["http://127.0.0.1:9/a.png"])


def test_the_next_address_is_tried(server, fetcher):
    server.answers |= {"/big.png": says(b"", 404), "/small.png": says(png())}
    assert fetcher().get([f"http://{server.host}/{name}.png" for name in ("big", "small")]) == png()


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/a.png",
        "file:///etc/passwd",
        "ftp://HOST/a.png",
        "http://HOST@example.org/a.png",
        "http://user:word@HOST/a.png",
        "http://HOST.example.org/a.png",
        "http://example.org#@HOST/a.png",
        "http://HOST\\@example.org/a.png",
        "http://HOST /a.png",
        "//HOST/a.png",
        "a.png",
        "http://[::1",
        "http://127.0.0.1:1/a.png",
        "data:image/png;base64,AAAA",
        "",
    ],
)
def test_only_the_hosts_on_the_list_are_asked(server, fetcher, url):
    assert refusal(fetcher(), url.replace("HOST", server.host)) == "picture_address"
    assert not server.asked


def test_redirects_are_checked_like_addresses(server, fetcher):
    server.answers |= {
        "/good": says(b"", 302, location="/a.png"),
        "/bad": says(b"", 301, location="http://localhost:1/a.png"),
        "/file": says(b"", 302, location="file:///etc/passwd"),
        "/round": says(b"", 302, location="/round"),
        "/a.png": says(png()),
    }
    base = f"http://{server.host}"
    assert fetcher().get([f"{base}/good"]) == png()
    assert [refusal(fetcher(), base + path) for path in ("/bad", "/file", "/round")] == ["picture_address"] * 3
    assert server.asked["/round"] == 5


def test_large_files_are_not_read_to_their_end(server, fetcher):
    def endless(handler):
        handler.send_response(200)
        handler.end_headers()
        try:
            for _ in range(10_000):
                handler.wfile.write(b"x" * 100_000)
        except OSError:
            server.answers["told"] = None

    server.answers["/a.png"] = endless
    assert refusal(fetcher(largest_bytes=1_000_000), f"http://{server.host}/a.png") == "picture_large"


def test_a_compressed_answer_is_not_unpacked(server, fetcher):
    server.answers["/a.png"] = says(b"\x1f\x8b" + b"x" * 100, content_encoding="gzip")
    assert refusal(fetcher(), f"http://{server.host}/a.png") == "picture_unreadable"


def test_a_drip_ends_in_time(server, fetcher):
    def drip(handler):
        handler.send_response(200)
        handler.end_headers()
        while not server.over.wait(0.05):
            handler.wfile.write(b"x")
            handler.wfile.flush()

    server.answers["/a.png"] = drip
    started = time.monotonic()
    with pytest.raises(UnreachableError):
        fetcher(timeout_s=0.5).get([f"http://{server.host}/a.png"])
    assert time.monotonic() - started < 10


def test_the_pace_is_kept_by_all_who_share_it(tmp_path):
    started = time.monotonic()
    threads = [threading.Thread(target=lambda: [Pace(tmp_path / "p", 50.0).wait() for _ in range(5)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - started >= 19 / 50


@pytest.mark.parametrize("content", ["nan", "1e400", "x", "99999999999999"])
def test_a_pace_that_was_spoilt_does_not_stop_us(tmp_path, content):
    (tmp_path / "p").write_text(content)
    from viscodex.data.qa import pace

    assert pace.turn_of(content, 1000.0) <= 1060.0


def test_the_folder_is_looked_at_first_under_either_host(tmp_path):
    (tmp_path / "i.sstatic.net").mkdir()
    (tmp_path / "i.sstatic.net" / "a.png").write_bytes(png(50))
    (tmp_path / "b.png").write_bytes(png(60))
    fetcher = Fetcher.open(PictureSettings(folder=str(tmp_path), cache=str(tmp_path / "none")))
    assert fetcher.get(["https://i.stack.imgur.com/a.png"]) == png(50)
    assert fetcher.get(["https://i.sstatic.net/b.png?size=1"]) == png(60)
    assert refusal(fetcher, "https://i.sstatic.net/c.png") == "picture_missing"


def test_the_folder_is_never_left(tmp_path):
    (tmp_path / "secret.png").write_bytes(png())
    (tmp_path / "in").mkdir()
    for path in ("../secret.png", "%2e%2e/secret.png", "..%2fsecret.png", "a/../../secret.png"):
        for place in addresses.places(tmp_path / "in", f"https://i.sstatic.net/{path}"):
            assert (tmp_path / "in").resolve() in place.resolve().parents
    assert list(addresses.places(tmp_path, "https://i.sstatic.net/a%00.png")) == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (png(31, 500), "picture_small"),
        (png(500, 31), "picture_small"),
        (png(32, 32), ""),
        (png(form="JPEG"), ""),
        (png(form="WEBP"), ""),
        (png(form="GIF"), ""),
        (png(form="TIFF"), "picture_unreadable"),
        (png(1100, 1000), "picture_large"),
        (png(900, 900)[:200], "picture_unreadable"),
        (b"", "picture_unreadable"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "picture_unreadable"),
        (b"\x89PNG\r\n\x1a\n" + b"\x00\x00\x00\rIHDR" + b"\xff" * 8 + b"\x08\x02\x00\x00\x00", "picture_unreadable"),
    ],
)
def test_what_a_picture_must_be(content, reason):
    settings = PictureSettings(largest_pixels=1_000_000)
    try:
        check(content, settings)
        found = ""
    except NoPictureError as error:
        found = error.reason
        assert " at 0x" not in str(error)  # what is rejected is the same in every run, to the byte
    assert found == reason


def test_every_picture_of_a_question_must_be_there(tmp_path):
    (tmp_path / "a.png").write_bytes(png())
    fetcher = Fetcher.open(PictureSettings(folder=str(tmp_path), cache=str(tmp_path / "none")))
    url = "https://i.sstatic.net/{}.png"
    prompt = ("x", Image(path=url.format("gone") + "\n" + url.format("a")), "y", Image(path=url.format("a")))
    result = take_pictures(fetcher, Sample(id="q", kind="qa", prompt=prompt))
    assert isinstance(result, Keep)
    assert [part if isinstance(part, str) else part.data for part in result.row.prompt] == ["x", png(), "y", png()]
    result = take_pictures(fetcher, Sample(id="q", kind="qa", prompt=(*prompt, Image(path=url.format("gone")))))
    assert isinstance(result, Reject)
    assert result.reason == "picture_missing"
