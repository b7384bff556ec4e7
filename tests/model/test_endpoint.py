"""The endpoint as a generator, over the real client and a loopback server."""

from __future__ import annotations

import io
import shlex

import PIL.Image
import pytest
from tests.endpoint import Endpoint as Server
from tests.endpoint import Hang, Says, Status

from viscodex.core.sample import Image, Sample
from viscodex.model import vllm
from viscodex.model.endpoint import Endpoint, encoded
from viscodex.model.generate import Sampling
from viscodex.runner.cache import Cache
from viscodex.runner.service import Service
from viscodex.runner.threaded import ThreadedClient

PROGRAM = "Here:\n```python\nprint(1)\n```\nDone."


@pytest.fixture
def at(tmp_path):
    """`at(server)`: an endpoint generator for a server."""
    opened = []

    def make(server, params=None, **settings):
        cache = Cache(tmp_path / "llm.sqlite")
        service = Service(**{"url": server.url, "model": "served-vlm", "tries": 1, "timeout_s": 5} | settings)
        client = ThreadedClient(service, cache)
        opened.extend([client, cache])
        return Endpoint(client, params=params)

    yield make
    for thing in opened:
        thing.close()


def saved(picture, kind="PNG", **options):
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return Image(data=file.getvalue())


def sample(*prompt, name="s", kind="chart"):
    return Sample(id=name, kind=kind, prompt=prompt)


def test_a_prompt_travels_in_reading_order(at, encoded):
    first, second = encoded(1), encoded(2)
    with Server(PROGRAM) as server:
        (completion,) = at(server).generate([sample("A", first, "B", second)], Sampling(max_new_tokens=77))
    assert server.calls[0].parts == ["A", first.data, "B", second.data]
    body = {key: value for key, value in server.calls[0].body.items() if key != "messages"}
    assert body == {"model": "served-vlm", "temperature": 0.0, "max_tokens": 77}
    assert (completion.text, completion.code, completion.finish) == (PROGRAM, "print(1)", "stop")
    assert (completion.usage.prompt_tokens, completion.usage.completion_tokens) == (10, 5)
    assert completion.generator == "endpoint/served-vlm"


def test_settings_in_the_words_of_the_protocol(at):
    sampling = Sampling(temperature=0.7, top_p=0.9, seed=3, stop=("END",), n=3)
    with Server() as server:
        found = list(at(server, params={"top_k": 20, "top_p": None}).generate([sample("a"), sample("b")], sampling))
    assert sorted((one.sample_id, one.index) for one in found) == [
        ("s", 0),
        ("s", 0),
        ("s", 1),
        ("s", 1),
        ("s", 2),
        ("s", 2),
    ]
    bodies = [call.body for call in server.calls]
    assert len(bodies) == 6
    assert len({body["seed"] for body in bodies}) == 3  # per index; these two samples share an id
    assert all((body["temperature"], body["stop"], body["top_k"]) == (0.7, ["END"], 20) for body in bodies)
    assert all("top_p" not in body and 0 <= body["seed"] < 2**31 for body in bodies)


def test_answers_do_not_depend_on_who_else_is_asked(at):
    samples = [sample(f"q{n}", name=f"{n}") for n in range(8)]
    with Server(lambda call: Says(f"{call.text} {call.body['seed']}")) as server:
        together = {one.sample_id: one.text for one in at(server).generate(samples, Sampling(temperature=1.0))}
    with Server(lambda call: Says(f"{call.text} {call.body['seed']}")) as other:
        (alone,) = at(other).generate(samples[5:6], Sampling(temperature=1.0))
    assert together["5"] == alone.text


def test_two_samples_with_one_prompt_both_get_their_answer(at):
    with Server() as server:
        found = list(at(server).generate([sample("q", name="a"), sample("q", name="b")], Sampling()))
    assert sorted(one.sample_id for one in found) == ["a", "b"]
    assert len(server.calls) == 1


def test_a_cut_answer_says_so(at):
    with Server(lambda call: Says("```python\nprint(", finish="length")) as server:
        (completion,) = at(server).generate([sample("q")], Sampling())
    assert (completion.finish, completion.code) == ("length", "print(")


def test_one_bad_sample_or_call_costs_no_other(at):
    samples = [
        sample("fine", name="fine"),
        sample("missing", Image(path="/nowhere/x.png"), name="missing"),
        sample("torn", Image(data=b"\x89PNG not a picture"), name="torn"),
        sample(name="empty"),
        sample("refused", name="refused"),
        sample("hangs", name="hangs"),
    ]
    answers = {"fine": Says("ok"), "refused": Status(400), "hangs": Hang(30)}
    with Server(lambda call: answers[call.text]) as server:
        found = {one.sample_id: one for one in at(server, timeout_s=0.5).generate(samples, Sampling())}
    assert set(found) == {one.id for one in samples}
    assert found.pop("fine").text == "ok"
    assert all(one.finish == "error" and not one.text and one.reason for one in found.values())
    assert found["refused"].reason.startswith("refused: the service answers 400")
    assert found["hangs"].reason == "timeout: no reply in 0.5 s"


def test_nothing_to_ask_asks_nothing(at):
    with Server() as server:
        assert list(at(server).generate([], Sampling())) == []
        (only,) = at(server).generate([sample()], Sampling())
    assert only.finish == "error" and not server.calls


def test_a_stream_comes_in_pieces(at):
    with Server(lambda call: Says("print(1)\nprint(2)", pieces=["print", "(1)\n", "print(2)"])) as server:
        stream = at(server).stream(sample("q"), Sampling())
        assert list(stream) == ["print", "(1)\n", "print(2)"]
    assert stream.completion.code == "print(1)\nprint(2)"
    assert stream.completion.finish == "stop"


def test_a_stream_that_breaks_off_finishes_by_error(at):
    with Server(lambda call: Says("a b", breaks_off=True)) as server:
        stream = at(server).stream(sample("q"), Sampling())
        assert "".join(stream).startswith("a")
        empty = at(server).stream(sample(), Sampling())
        assert list(empty) == []
    assert stream.completion.finish == empty.completion.finish == "error"
    assert stream.completion.text == "" and stream.completion.reason == "reply: the stream broke off"


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_plain_picture_is_sent_as_it_is(noise, kind):
    image = saved(noise(), kind)
    assert encoded(image) == image.data


ROTATED = PIL.Image.Exif()
ROTATED[0x0112] = 6


@pytest.mark.parametrize(
    ("mode", "kind", "options"),
    [
        ("RGBA", "PNG", {}),
        ("LA", "PNG", {}),
        ("P", "PNG", {"transparency": 0}),
        ("RGB", "JPEG", {"exif": ROTATED}),
        ("CMYK", "JPEG", {}),
        ("P", "GIF", {}),
        ("RGB", "BMP", {}),
        ("RGB", "TIFF", {}),
        ("RGB", "WEBP", {"lossless": True}),
    ],
)
def test_others_are_sent_as_a_local_model_sees_them(noise, mode, kind, options):
    picture = noise().convert(mode)
    if mode == "RGBA":
        picture.putalpha(100)
    image = saved(picture, kind, **options)
    sent = PIL.Image.open(io.BytesIO(encoded(image)))
    assert (sent.format, sent.mode) == ("PNG", "RGB")
    assert sent.tobytes() == image.load().tobytes()


def test_the_command_line_of_vllm():
    serving = vllm.Serving(port=8123, max_pixels=1003520, min_pixels=3136, gpus=2, max_sequences=64, images=2)
    assert shlex.join(vllm.command("models/my model", serving)) == (
        "vllm serve 'models/my model' --served-model-name 'my model' --host 127.0.0.1 --port 8123 "
        "--dtype auto --seed 0 --generation-config vllm --max-model-len 16384 "
        """--limit-mm-per-prompt '{"image":2,"video":0}' """
        """--mm-processor-kwargs '{"min_pixels":3136,"max_pixels":1003520}' """
        "--tensor-parallel-size 2 --gpu-memory-utilization 0.9 --max-num-seqs 64"
    )
    assert "--mm-processor-kwargs" not in vllm.command("org/model")
    assert vllm.command("org/model", name="m")[4] == "m"
    assert vllm.url(serving) == "http://127.0.0.1:8123/v1"
