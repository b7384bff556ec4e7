"""What the playground's page stands on: its files and policies, looking, running, comparing."""

from __future__ import annotations

import base64
import io

import httpx2
import PIL.Image
import pytest

from viscodex.serve.limits import Limits
from viscodex.serve.playground import SAMPLES

from .conftest import error, png, uri
from .playing import CHART, fenced, shop

FILES = ("playground.css", "app.js", "api.js", "code.js", "frame.js", "panel.js", "picture.js", "icon.svg")


@pytest.fixture(scope="module")
def ask(served):
    """Posts JSON to a path below /playground/."""

    def post(path, body, on=served, **headers):
        return httpx2.post(f"{on.url.removesuffix('/v1')}/playground/{path}", json=body, headers=headers, timeout=90)

    return post


def test_the_page_takes_scripts_from_here_alone(served):
    page = served.get("/")
    policy = dict(part.strip().split(" ", 1) for part in page.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert policy["frame-src"].split()[0] == f"http://127.0.0.1:{served.port}/playground/preview/"
    for name in (*FILES, *(f"samples/{sample['name']}.png" for sample in SAMPLES)):
        assert served.get(f"/playground/{name}").status_code == 200, name
    assert error(served.get("/playground/../api.py"))["code"] == "not_found"


def test_what_is_served_is_told(served):
    about = served.get("/playground/about").json()
    assert (about["models"], about["needs_key"]) == (["vlm"], False)
    assert len(about["samples"]) == 3
    assert set(about["prompts"]) == {"html", "chart", "algorithm", "qa"}


def test_with_keys_the_page_opens_and_nothing_else_does(serve, ask):
    served = serve(keys=("secret",))
    assert served.get("/").status_code == served.get("/playground/app.js").status_code == 200
    assert served.get("/playground/about").status_code == 401
    for path in ("look", "run", "preview"):
        assert ask(path, {}, on=served).status_code == 401
    key = {"authorization": "Bearer secret"}
    path = ask("preview", {"code": "<p>1"}, on=served, **key).json()["path"]
    assert served.get(path).text == "<p>1"  # its address is the secret: frames send no keys


def test_it_can_be_left_out(serve):
    served = serve(plays=False)
    assert error(served.get("/"))["code"] == "not_found"
    assert httpx2.post(f"http://127.0.0.1:{served.port}/playground/run", json={}).status_code == 404
    assert served.get("/v1/models").status_code == 200


def test_pictures_are_looked_at(ask):
    found = [ask("look", {"picture": sample(one["name"])}).json() for one in SAMPLES]
    assert [(one["kind"], one["width"]) for one in found] == [("html", 1280), ("chart", 640), ("html", 360)]
    assert error(ask("look", {"picture": uri(b"no picture")}))["code"] == "invalid_image"
    assert error(ask("look", {"pictures": ""}))["code"] in ("unknown_parameter", "invalid_value")


def sample(name: str) -> str:
    from importlib import resources

    return uri(resources.files("viscodex.serve").joinpath("page", "samples", f"{name}.png").read_bytes())


def test_a_page_is_drawn_and_compared(ask):
    answer = fenced(shop("#2f4f3e"), "html")
    first = ask("run", {"kind": "html", "answer": answer, "picture": sample("page")}).json()
    assert (first["status"], first["code"]) == ("ok", shop("#2f4f3e"))
    picture = PIL.Image.open(io.BytesIO(base64.b64decode(first["picture"].partition(",")[2])))
    assert picture.size == (1280, 720)  # the window is that of the picture
    assert 0 < first["similarity"] < 0.9
    assert first["regions"]
    again = ask("run", {"kind": "html", "answer": answer, "picture": first["picture"]}).json()
    assert (again["similarity"], again["regions"]) == (1.0, [])


def test_a_chart_is_drawn_and_errors_are_words(ask):
    done = ask("run", {"kind": "chart", "answer": fenced(CHART, "python")}).json()
    assert (done["status"], done["similarity"]) == ("ok", None)
    assert done["picture"].startswith("data:image/png;base64,")
    wrong = ask("run", {"kind": "chart", "answer": fenced("import nothing_of_this_name", "python")}).json()
    assert wrong["status"] == "error"
    assert "nothing_of_this_name" in wrong["reason"]
    assert wrong["code"] == "import nothing_of_this_name"


REACHES = """import socket
try:
    socket.create_connection(("127.0.0.1", PORT), 2)
    print("out")
except OSError:
    print("in")"""


def test_a_program_runs_without_network(served, ask):
    code = REACHES.replace("PORT", str(served.port))
    done = ask("run", {"kind": "algorithm", "answer": fenced(code, "python")}).json()
    assert (done["status"], done["output"]) == ("ok", "in\n")


def test_what_is_not_run(ask):
    assert ask("run", {"kind": "qa", "answer": "Four."}).json()["status"] == "not_run"
    assert ask("run", {"kind": "html", "answer": "no page", "runs": False}).json()["status"] == "not_run"
    assert ask("run", {"kind": "html", "answer": "I cannot."}).json()["status"] == "no_code"
    assert error(ask("run", {"kind": "poem", "answer": ""}))["param"] == "kind"


def test_runs_take_a_place_among_the_requests(serve, ask):
    served = serve(limits=Limits(requests=1, body_s=2))
    with served.raw(
        "POST /playground/run HTTP/1.1\nhost: localhost\ncontent-type: application/json\ncontent-length: 9"
    ):
        served.until(lambda: served.get("/health").json()["requests"] == 1)
        assert error(ask("run", {"kind": "qa", "answer": ""}, on=served))["code"] == "too_many_requests"
    served.until_idle()


def test_a_machine_that_cannot_run_says_so(ask, monkeypatch):
    from viscodex.core.errors import VisCodexError
    from viscodex.serve import playground

    def run(*_):
        raise VisCodexError("there is no Chromium to draw pages with", hint="apt install chromium-headless-shell")

    monkeypatch.setattr(playground, "run", run)
    response = ask("run", {"kind": "html", "answer": "<html></html>"})
    assert (response.status_code, error(response)["code"]) == (503, "cannot_run")
    assert "apt install chromium" in error(response)["message"]


def test_pictures_above_the_limits_are_refused(serve, ask):
    served = serve(limits=Limits(pixels=1000, body=100_000))
    large = uri(png(0, 100, 100))
    assert (
        error(ask("run", {"kind": "html", "answer": "<html>", "picture": large}, on=served))["code"]
        == "image_too_large"
    )
    assert ask("preview", {"code": "x" * 200_000}, on=served).status_code == 413
