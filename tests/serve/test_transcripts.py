"""What three clients say to `viscodex serve` and hear, word for word, beside what was recorded: tests/golden/serve."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import shutil
import subprocess
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path

import openai
import pytest

from viscodex.core.sample import Image
from viscodex.model.chat import Chat, Turn
from viscodex.model.local import Local

from .conftest import png, uri

GOLDEN = Path(__file__).parent.parent / "golden" / "serve"
RECORDS = bool(os.environ.get("VISCODEX_RECORD"))
PAGE = "<html>\n<body><h1>Slow coffee</h1></body>\n</html>"
ANSWER = f"```html\n{PAGE}\n```"
PICTURE = png(1)
WORDS = "Write the page."
SYSTEM = "You write pages with Tailwind. Return the whole code in <html></html> tags, nothing else."
LOOKS_LIKE = "\nGenerate code for a web page that looks exactly like this.\n"
DATA = re.compile(r"data:([\w/]+);base64,([\w+/=]+)")


class Recorder:
    """ASGI in between: every exchange as JSON, without what changes from time to time."""

    def __init__(self, app):
        self.app = app
        self.exchanges = []

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        asked, status, heard, headers = bytearray(), 0, bytearray(), {}

        async def hear():
            message = await receive()
            asked.extend(message.get("body", b""))
            return message

        async def tell(message):
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers.update((name.decode(), value.decode()) for name, value in message["headers"])
            heard.extend(message.get("body", b""))
            await send(message)

        await self.app(scope, hear, tell)
        given = {name.decode(): value.decode() for name, value in scope["headers"]}
        kept = {name: given[name] for name in ("content-type", "accept") if name in given}
        if kept.get("content-type", "").startswith("multipart/"):
            sent, kept["content-type"] = fields(kept["content-type"], bytes(asked)), "multipart/form-data; boundary=…"
        else:
            sent = plain(bytes(asked))
        if "authorization" in given:
            kept["authorization"] = given["authorization"].partition(" ")[0] + " …"
        request = {"line": f"{scope['method']} {masked(scope['path'])}", "headers": kept, "body": sent}
        response = {"status": status, "content-type": headers["content-type"], "body": plain(bytes(heard))}
        self.exchanges.append({"request": request, "response": response})


def plain(body):
    """JSON, or the events of a stream; ids, times and pictures by what they are."""
    text = body.decode()
    if text.startswith("data: "):
        return [plain(event.removeprefix("data: ").encode()) for event in text.split("\n\n") if event]
    text = re.sub(r'("id":\s*)"chatcmpl-[0-9a-f]{24}"', r'\1"chatcmpl-…"', text)
    text = masked(text)
    text = re.sub(r'("created(?:_at)?":\s*)\d{10}\b', r"\g<1>0", text)
    text = DATA.sub(lambda match: f"data:{match[1]};base64,… sha256 {digest(match[2])}", text)
    try:
        return json.loads(text)
    except ValueError:
        return text


def fields(kind, body):
    """Those of a form, in order; files are their hashes."""
    message = BytesParser(EmailMessage).parsebytes(b"content-type: " + kind.encode() + b"\r\n\r\n" + body)
    return [field(part) for part in message.iter_parts()]


def field(part):
    data = part.get_payload(decode=True)
    value = data.decode() if part.get_filename() is None else f"… sha256 {hashlib.sha256(data).hexdigest()[:16]}"
    return {"content-disposition": part["content-disposition"], "content-type": part["content-type"], "body": value}


def masked(text):
    return re.sub(r"\bfile-[0-9a-f]{24}\b", "file-…", text)


def digest(data):
    return hashlib.sha256(data.encode()).hexdigest()[:16]


@pytest.fixture(scope="module")
def recorded(serve, taught):
    """`recorded(before, prompt)`: a server whose tiny model has learnt to answer this, and its recorder."""

    def start(before, prompt):
        sample = Chat(id="chat", kind="qa", before=before, prompt=prompt, response=ANSWER)
        recorders = []

        def record(app):
            recorders.append(Recorder(app))
            return recorders[0]

        served = serve(model=Local(taught(sample)), aliases=("gpt-4o-2024-05-13",), around=record)
        return served, recorders[0]

    return start


@pytest.fixture(scope="module")
def plainly(recorded):
    return recorded((), (Image(data=PICTURE), WORDS))


def compare(name, served, recorder, count):
    """So many exchanges with the golden transcript, or make it so: see its PROVENANCE.md."""
    served.until(lambda: len(recorder.exchanges) == count)  # the last may be noted after it was heard
    found, recorder.exchanges[:] = list(recorder.exchanges), []
    path = GOLDEN / f"{name}.json"
    if RECORDS:
        path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    assert found == json.loads(path.read_text())


def messages():
    picture = {"type": "image_url", "image_url": {"url": uri(PICTURE)}}
    return [{"role": "user", "content": [picture, {"type": "text", "text": WORDS}]}]


def test_the_official_python_client(plainly):
    served, recorder = plainly
    with openai.OpenAI(base_url=served.url, api_key="none", max_retries=0) as client:
        assert [model.id for model in client.models.list()] == ["vlm", "gpt-4o-2024-05-13"]
        asked = {"model": "vlm", "messages": messages(), "max_tokens": 200}
        whole = client.chat.completions.create(**asked)
        assert (whole.choices[0].message.content, whole.choices[0].finish_reason) == (ANSWER, "stop")
        stream = client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True})
        chunks = list(stream)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == ANSWER
        assert chunks[-1].usage == whole.usage
        with pytest.raises(openai.NotFoundError, match="no model 'vml' here; did you mean \"vlm\""):
            client.chat.completions.create(**asked | {"model": "vml"})
    compare("openai-python", served, recorder, 4)


def test_uploads_of_the_official_python_client(plainly, tmp_path):
    """Upload, look, ask with the id, delete, ask again."""
    served, recorder = plainly
    (tmp_path / "shot.png").write_bytes(PICTURE)
    with openai.OpenAI(base_url=served.url, api_key="none", max_retries=0) as client:
        with (tmp_path / "shot.png").open("rb") as file:
            sent = client.files.create(file=file, purpose="vision")
        assert (sent.filename, sent.bytes, sent.purpose, sent.object) == ("shot.png", len(PICTURE), "vision", "file")
        assert [one.id for one in client.files.list()] == [client.files.retrieve(sent.id).id] == [sent.id]
        picture = {"type": "image_file", "image_file": {"file_id": sent.id}}
        content = [picture, {"type": "text", "text": WORDS}]
        asked = {"model": "vlm", "messages": [{"role": "user", "content": content}], "max_tokens": 200}
        assert client.chat.completions.create(**asked).choices[0].message.content == ANSWER
        assert client.files.delete(sent.id).deleted
        with pytest.raises(openai.NotFoundError, match="no file 'file-"):
            client.chat.completions.create(**asked)
    compare("openai-python-files", served, recorder, 6)


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_curl(plainly, tmp_path):
    served, recorder = plainly
    for number, more in enumerate(({}, {"stream": True}), 1):
        (tmp_path / "body.json").write_text(json.dumps({"model": "vlm", "messages": messages(), **more}))
        words = ["curl", "-sS", "-N", "--fail", f"{served.url}/chat/completions"]
        words += ["-H", "Content-Type: application/json", "-d", f"@{tmp_path / 'body.json'}"]
        done = subprocess.run(words, capture_output=True, check=True)
        served.until(lambda number=number: len(recorder.exchanges) == number)
        assert plain(done.stdout) == recorder.exchanges[-1]["response"]["body"]
    compare("curl", served, recorder, 2)


def test_screenshot_to_code(recorded):
    """Its way of asking for code of a screenshot: another base URL, GPT's name, detail high, a stream."""
    served, recorder = recorded((Turn("system", (SYSTEM,)),), (Image(data=PICTURE), LOOKS_LIKE))
    picture = {"type": "image_url", "image_url": {"url": uri(PICTURE), "detail": "high"}}
    asked = [
        {"role": "system", "content": SYSTEM},
        {"role": "user", "content": [picture, {"type": "text", "text": LOOKS_LIKE}]},
    ]

    async def stream():
        client = openai.AsyncOpenAI(api_key="sk-any", base_url=served.url)
        settings = {"model": "gpt-4o-2024-05-13", "messages": asked, "stream": True, "timeout": 600}
        text = ""
        async for chunk in await client.chat.completions.create(**settings, temperature=0.0, max_tokens=4096):
            text += chunk.choices[0].delta.content or ""  # no look whether there is a choice
        await client.close()
        return text

    assert asyncio.run(stream()) == ANSWER
    compare("screenshot-to-code", served, recorder, 1)
