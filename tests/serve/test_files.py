"""Uploads: the answer is that to the picture itself; whoever misuses them gets a typed answer and leaves nothing."""

from __future__ import annotations

import gc
import io
import threading
import tracemalloc

import httpx2
import openai
import PIL.Image
import pytest

from viscodex.core.sample import Image
from viscodex.serve.faults import ApiError
from viscodex.serve.files import _upload
from viscodex.serve.limits import Limits
from viscodex.serve.uploads import Upload, Uploads

from .conftest import ask, error, png, uri
from .playing import browser
from .test_faults import BOMB, SVG, answer_of, bare_png

PICTURE = png(1)
TIGHT = Limits(body=200_000, pixels=40_000, pictures=2, files=3, file_bytes=3 * len(PICTURE), body_s=0.5)


def client_of(served, key="none"):
    return openai.OpenAI(base_url=served.url, api_key=key, max_retries=0)


@pytest.fixture(scope="module")
def client(served):
    with client_of(served) as found:
        yield found


@pytest.fixture(scope="module")
def tight(serve):
    return serve(limits=TIGHT)


def send(served, data=PICTURE, purpose="vision", name="a.png", **headers):
    """A form with these fields; None: without it."""
    fields = {} if purpose is None else {"purpose": purpose}
    files = {} if data is None else {"file": (name, data, "image/png")}
    return httpx2.post(f"{served.url}/files", data=fields, files=files, headers=headers, timeout=60)


def kept(served):
    return [one["id"] for one in served.get("/v1/files").json()["data"]]


def named(name, *, url=False):
    """A body that asks about an upload."""
    picture = (
        {"type": "image_url", "image_url": {"url": name}}
        if url
        else {"type": "image_file", "image_file": {"file_id": name, "detail": "high"}}
    )
    return ask() | {"messages": [{"role": "user", "content": [picture, {"type": "text", "text": "What is it?"}]}]}


@pytest.mark.parametrize("url", [False, True])
def test_an_upload_is_answered_as_the_picture_itself(client, tmp_path, url):
    (tmp_path / "shot.png").write_bytes(PICTURE)
    with (tmp_path / "shot.png").open("rb") as file:
        sent = client.files.create(file=file, purpose="vision")
    itself = client.chat.completions.create(**ask(uri(PICTURE), "What is it?"))
    by_name = client.chat.completions.create(**named(sent.id, url=url))
    other = client.chat.completions.create(**ask(uri(png(2)), "What is it?"))
    assert by_name.choices[0].message.content == itself.choices[0].message.content
    assert other.choices[0].message.content != itself.choices[0].message.content
    assert by_name.usage == itself.usage
    client.files.delete(sent.id)


def test_files_are_listed_in_pages_and_by_purpose(serve):
    with client_of(serve()) as client:
        sent = [client.files.create(file=(f"{number}.png", PICTURE), purpose="vision").id for number in range(3)]
        odd = client.files.create(file=("odd.png", PICTURE), purpose="user_data").id
        assert {one.id for one in client.files.list()} == {*sent, odd}
        assert [one.id for one in client.files.list(limit=1)] == [one.id for one in client.files.list()]
        assert [one.id for one in client.files.list(order="asc")] == [one.id for one in client.files.list()][::-1]
        assert [one.id for one in client.files.list(purpose="user_data")] == [odd]
        with pytest.raises(openai.BadRequestError, match="limit"):
            client.files.list(limit=0)
        with pytest.raises(openai.BadRequestError, match="go on from"):
            client.files.list(after="file-none")


@pytest.mark.parametrize(
    ("form", "status", "code", "param"),
    [
        ({"data": None}, 415, "unsupported_media_type", None),
        ({"purpose": None}, 400, "invalid_value", "purpose"),
        ({"purpose": "fine-tune"}, 400, "invalid_value", "purpose"),
        ({"data": b""}, 400, "invalid_image", "file"),
        ({"data": b"no picture"}, 400, "invalid_image", "file"),
        ({"data": SVG, "name": "a.svg"}, 400, "invalid_image", "file"),
        ({"data": png()[:-500]}, 400, "invalid_image", "file"),
        ({"data": bare_png(0, 0)}, 400, "invalid_image", "file"),
        ({"data": bare_png(8000, 5000)}, 400, "image_too_large", "file"),
        ({"data": BOMB}, 400, "image_too_large", "file"),
        ({"data": png(0, 199, 200)}, 413, "request_too_large", "file"),
        ({"data": b"\0" * 300_000}, 413, "request_too_large", None),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_no_upload_is_refused_and_not_kept(tight, form, status, code, param):
    response = send(tight, **form)
    found = error(response)
    assert (response.status_code, found["code"], found["param"]) == (status, code, param)
    assert kept(tight) == []


PART = b'--x\r\ncontent-disposition: form-data; name="%s"%s\r\n\r\n%s\r\n'
FILE = PART % (b"file", b'; filename="a.png"', PICTURE)
ODD = FILE.replace(b"\r\n\r\n", b"\r\ncontent-transfer-encoding: odd\r\n\r\n", 1)
PURPOSE = PART % (b"purpose", b"", b"vision")


@pytest.mark.parametrize(
    ("content", "code", "param"),
    [
        (b"", "invalid_value", "file"),
        (b"no form", "invalid_form", None),
        (PURPOSE + b"--x--\r\n", "invalid_value", "file"),
        (PURPOSE + FILE[:-900], "invalid_value", "file"),
        (PURPOSE + PART % (b"file", b"", b"text") + b"--x--\r\n", "invalid_value", "file"),
        (PURPOSE + FILE + FILE + b"--x--\r\n", "invalid_value", "file"),
        (PURPOSE + FILE + PART % (b"expires", b"", b"1") + b"--x--\r\n", "unknown_parameter", "expires"),
        (b"".join(PART % (b"%d" % number, b"", b"") for number in range(2000)) + b"--x--\r\n", "invalid_form", None),
        (b"--x\r\nx: " + b"y" * 100_000, "invalid_form", None),
        (b"--x\r\ncontent-disposition: form-data\r\n\r\n1\r\n--x--\r\n", "invalid_form", None),
        (PURPOSE + ODD + b"--x--\r\n", "invalid_form", None),
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
def test_forms_that_are_none(tight, content, code, param):
    headers = {"content-type": "multipart/form-data; boundary=x"}
    response = httpx2.post(f"{tight.url}/files", content=content, headers=headers)
    found = error(response)
    assert (response.status_code, found["code"], found["param"]) == (400, code, param)
    assert kept(tight) == []


def test_a_form_without_a_boundary(tight):
    response = httpx2.post(f"{tight.url}/files", content=FILE, headers={"content-type": "multipart/form-data"})
    assert (response.status_code, error(response)["code"]) == (400, "invalid_form")


def test_fifty_megabytes(served):
    response = send(served, b"\0" * 50_000_000)
    assert (response.status_code, error(response)["code"]) == (413, "request_too_large")


def test_a_client_that_stalls_or_leaves_in_the_middle(tight):
    head = "POST /v1/files HTTP/1.1\nhost: localhost\ncontent-type: multipart/form-data; boundary=x\n"
    head += "content-length: 9999"
    with tight.raw(head, PURPOSE) as connection:
        assert answer_of(connection).startswith(b"HTTP/1.1 408")
    tight.raw(head, PURPOSE).close()
    tight.until_idle()
    assert kept(tight) == [] and tight.metric("faults_total") == 0


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_an_unknown_id(served, method):
    for name in ("file-0123", "file-" + "x" * 2000, "..%2fetc"):
        response = httpx2.request(method, f"{served.url}/files/{name}")
        assert (response.status_code, error(response)["type"]) == (404, "invalid_request_error")


@pytest.mark.parametrize("url", [False, True])
def test_an_unknown_and_a_deleted_id_in_a_request(served, client, url):
    gone = client.files.create(file=("a.png", PICTURE), purpose="vision").id
    client.files.delete(gone)
    with pytest.raises(openai.NotFoundError):
        client.files.delete(gone)
    for name in ("file-0123", gone):
        response = served.post(named(name, url=url))
        place = "image_url.url" if url else "image_file.file_id"
        found = error(response)
        assert (response.status_code, found["code"]) == (404, "file_not_found")
        assert found["param"] == f"messages.0.content.0.{place}"


@pytest.mark.parametrize("inner", [{}, {"file_id": 7}, {"file_id": None}])
def test_a_part_that_names_no_file(served, inner):
    body = ask() | {"messages": [{"role": "user", "content": [{"type": "image_file", "image_file": inner}]}]}
    found = error(served.post(body))
    assert (found["code"], found["param"]) == ("invalid_value", "messages.0.content.0.image_file.file_id")


def test_uploads_count_as_pictures_of_a_request(tight):
    name = send(tight).json()["id"]
    part = {"type": "image_file", "image_file": {"file_id": name}}
    body = ask() | {"messages": [{"role": "user", "content": [part] * 3}]}
    assert error(tight.post(body))["code"] == "too_many_images"
    httpx2.delete(f"{tight.url}/files/{name}")


def test_the_longest_unused_makes_room(tight):
    first, second, third = (send(tight).json()["id"] for _ in range(3))
    assert tight.post(named(first)).status_code == 200
    fourth = send(tight).json()["id"]
    assert set(kept(tight)) == {first, third, fourth}
    assert error(tight.post(named(second)))["code"] == "file_not_found"
    for name in kept(tight):
        httpx2.delete(f"{tight.url}/files/{name}")
    assert kept(tight) == []


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1", "http://127.0.0.1:1", "file://"]
)
def test_pages_of_other_sites_may_not_upload(tight, origin):
    for response in (
        send(tight, origin=origin),
        httpx2.get(f"{tight.url}/files", headers={"origin": origin}),
        tight.post(ask("Sum."), headers={"origin": origin}),
    ):
        found = error(response)
        assert (response.status_code, found["code"], found["type"]) == (403, "foreign_origin", "permission_error")
    assert kept(tight) == []


def test_pages_of_ours_may(tight):
    for scheme in ("http", "https"):  # https: behind a proxy
        response = send(tight, origin=f"{scheme}://127.0.0.1:{tight.port}")
        assert response.status_code == 200
        httpx2.delete(f"{tight.url}/files/{response.json()['id']}")


UPLOAD = """async ([url, picture]) => {
  const form = new FormData();
  form.append("purpose", "vision");
  form.append("file", await (await fetch(picture)).blob(), "a.png");
  return (await fetch(url, { method: "POST", mode: "no-cors", body: form })).type;
}"""
SUBMIT = """async ([url]) => {
  const form = document.createElement("form");
  Object.assign(form, { action: url, method: "POST", enctype: "multipart/form-data" });
  const file = Object.assign(document.createElement("input"), { type: "file", name: "file" });
  const purpose = Object.assign(document.createElement("input"), { name: "purpose", value: "vision" });
  form.append(file, purpose);
  document.body.append(form);
  form.submit();
}"""


def test_a_browser_on_another_page_leaves_nothing(serve, tmp_path):
    """Chromium sends such forms without asking; from our own address the same one is kept."""
    pytest.importorskip("playwright.sync_api", reason="drives a page: pip install playwright")
    ours, other = serve(), serve()
    with browser(tmp_path) as chromium:
        page = chromium.new_page()
        for place, kinds in ((other, "opaque"), (ours, "basic")):
            page.goto(f"{place.url}/models")  # a page without a policy
            assert page.evaluate(UPLOAD, [f"{ours.url}/files", uri(PICTURE)]) == kinds
            assert len(kept(ours)) == (place is ours)
        page.goto(f"{other.url}/models")
        with page.expect_navigation() as sent:
            page.evaluate(SUBMIT, [f"{ours.url}/files"])
        assert (sent.value.status, sent.value.json()["error"]["code"]) == (403, "foreign_origin")


def test_with_keys_each_sees_their_own(serve):
    served = serve(keys=("ann", "bob"))
    assert send(served).status_code == served.get("/v1/files").status_code == 401
    with client_of(served, "ann") as ann, client_of(served, "bob") as bob:
        name = ann.files.create(file=("a.png", PICTURE), purpose="vision").id
        assert [one.id for one in ann.files.list()] == [name] and list(bob.files.list()) == []
        for forbidden in (
            lambda: bob.files.retrieve(name),
            lambda: bob.files.delete(name),
            lambda: bob.chat.completions.create(**named(name)),
        ):
            with pytest.raises(openai.NotFoundError):
                forbidden()
        assert ann.chat.completions.create(**named(name)).usage is not None


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def picture(size):
    return Upload("a.png", "vision", Image(data=b"x" * size))


def test_unused_ones_grow_old():
    clock = Clock()
    uploads = Uploads(Limits(file_s=10), clock)
    used, unused = picture(1), picture(1)
    uploads.keep(used)
    uploads.keep(unused)
    clock.now = 8
    uploads.get(used.id, b"")
    clock.now = 12
    assert uploads.of(b"") == [used]
    with pytest.raises(ApiError, match="no file"):
        uploads.get(unused.id, b"")
    clock.now = 19
    assert uploads.of(b"") == []


def test_however_many_come_together_they_stay_within_limits():
    limits = Limits(files=5, file_bytes=100)
    uploads = Uploads(limits)

    def work(seed):
        for number in range(300):
            one = picture(1 + (seed * 31 + number * 7) % 60)
            uploads.keep(one)
            found = uploads.of(b"")
            assert len(found) <= limits.files and sum(each.size for each in found) <= limits.file_bytes
            try:
                uploads.drop(one.id, b"")
            except ApiError as gone:
                assert gone.status == 404

    faults = []

    def run(seed):
        try:
            work(seed)
        except (AssertionError, ApiError, KeyError, RuntimeError) as fault:  # threads tell nobody
            faults.append(fault)

    threads = [threading.Thread(target=run, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == [] and uploads.of(b"") == [] and uploads._bytes == 0


@pytest.mark.parametrize("end", ["whole", "cut", "broken", "no picture"])
def test_what_came_is_freed_without_a_garbage_collector(end):
    """Cycles that hold megabytes live long in a process with millions of objects."""
    file = io.BytesIO()
    PIL.Image.new("RGB", (1000, 1000)).save(file, "BMP")
    data = file.getvalue() if end == "whole" else bytes(3_000_000)
    content = PURPOSE + PART % (b"file", b'; filename="a.bmp"', data)
    content += {"cut": b"", "broken": b"--x\r\n: \r\n"}.get(end, b"--x--\r\n")

    def upload():
        try:
            _upload(content, "multipart/form-data; boundary=x", b"", Limits())
        except ApiError as refused:
            assert end != "whole" and refused.status == 400
        else:
            assert end == "whole"

    upload()  # what is imported and kept once
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        for _ in range(4):
            upload()
        assert tracemalloc.get_traced_memory()[0] < 1_000_000
    finally:
        tracemalloc.stop()
        gc.enable()


def test_nothing_goes_to_the_disk(served, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a file on the disk")

    monkeypatch.setattr("python_multipart.multipart.File.flush_to_disk", refuse)
    file = io.BytesIO()
    PIL.Image.new("RGB", (1000, 1000)).save(file, "BMP")
    sent = send(served, file.getvalue(), name="a.bmp").json()
    assert sent["bytes"] == len(file.getvalue()) > 2_000_000
    httpx2.delete(f"{served.url}/files/{sent['id']}")
