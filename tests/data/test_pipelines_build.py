"""Both pipelines through the real builder: a real browser, a real zygote, a scripted model on a loopback port."""

from __future__ import annotations

import io
import re

import PIL.Image
import PIL.ImageDraw
import pytest

from tests.data.chart.test_execution import GOOD
from tests.endpoint import Call, Endpoint, Says
from viscodex.data import chart, html
from viscodex.data.build import Order, build
from viscodex.data.recipe import DataRecipe
from viscodex.sandbox import chart_environment

PAGE = """<!DOCTYPE html><html lang="en"><head><title>x</title></head><body style="background:#{colour}">
<h1>{topic}</h1>{paragraphs}</body></html>"""


def seeds(folder, count):
    folder.mkdir()
    for number in range(count):
        picture = PIL.Image.new("RGB", (300, 200), "white")
        PIL.ImageDraw.Draw(picture).rectangle((10, 10, 40 + 30 * number, 150), fill="navy")
        picture.save(folder / f"{number}.png")
    return str(folder)


def scripts(folder):
    folder.mkdir()
    (folder / "good.py").write_text(GOOD)
    (folder / "again.py").write_text("# the same\n" + GOOD)
    (folder / "broken.py").write_text(
        GOOD.replace("ax.plot(x, y", "ax.bar(x, [9, 8, 2, 6, 7]").replace("ax.legend()", "1 / 0")
    )
    (folder / "reads.py").write_text("import matplotlib.pyplot as plt\nplt.plot(open('x').read())\n")
    return str(folder)


def answer(call: Call) -> Says:
    """Designs a page about its topic, writes scripts out again without their faults, gives marks."""
    if "Score: N" in call.text:
        return Says("Fine.\nScore: 5" if "chart" in call.text or len(call.pictures[0]) % 7 else "Dull.\nScore: 2")
    if topic := re.search(r"The new page is about: (.*)\.", call.text):
        place = int.from_bytes(topic[1].encode()[-2:]) % 97
        paragraphs = "".join(
            f"<p>{topic[1]} {place * n} {'words of its own ' * (n % 5 + 3)}</p>" for n in range(place % 9 + 8)
        )
        page = PAGE.format(colour=f"{150 + place}{150 + place}{150 + place}"[:6], topic=topic[1], paragraphs=paragraphs)
        return Says(f"```html\n{page}\n```", finish="length" if place % 5 == 0 else "stop")
    code = call.text.partition("```python\n")[2].partition("\n```")[0]
    mended = code.replace("1 / 0", "ax.grid()") if "division by zero" in call.text else code
    return Says(f"```python\n{mended}\n```")


@pytest.mark.slow
def test_with_a_model_the_same_bytes_whatever_the_workers(tmp_path):
    chart_environment.require()
    pages = html.Settings(screenshots=(seeds(tmp_path / "seeds", 4),), designs_per_seed=2, judge=True, css=("plain",))
    plots = chart.Settings(corpora=(scripts(tmp_path / "scripts"),))
    settings = (pages, plots)
    results = []
    with Endpoint(answer) as endpoint:
        for workers in (1, 2):
            recipe = DataRecipe(workers=workers, llm={"endpoint": endpoint.url, "model": "m"})
            pipelines = [html.pipeline(pages), chart.pipeline(plots)]
            order = Order(recipe, pipelines, [part.model_dump_json() for part in settings])
            results.append(build(order, tmp_path / f"out-{workers}"))
    for result in results:
        for category in ("html", "chart"):
            found = result["categories"][category]
            assert found["seen"] == found["kept"] + found["rejected"] + found["failed"]
            assert found["failed"] == 0
    html_found, chart_found = (results[0]["categories"][name] for name in ("html", "chart"))
    assert html_found["seen"] == 8 and html_found["kept"] >= 1
    assert chart_found["kept"] == 2  # good, and broken once it is mended; the rest is a duplicate, or reads a file
    reasons = {reason for line in chart_found["funnel"] for reason in line["rejected"]}
    assert reasons == {"duplicate", "file_use"}
    shards = [
        {name: value for name, value in result["checksums"].items() if name.startswith("data/")} for result in results
    ]
    assert shards[0] == shards[1] and len(shards[0]) == 2
    assert all(count % 2 == 0 for count in endpoint.counts.values())  # two builds, and neither asked twice


@pytest.mark.slow
def test_without_a_model_pages_and_scripts_are_their_own_responses(tmp_path):
    site = tmp_path / "site"
    site.mkdir()
    for number in range(3):
        body = "".join(f"<p>Part {number * n} of {n}: {'rye bread ' * (n + 3)}</p>" for n in range(20 + 10 * number))
        (site / f"{number}.html").write_text(f"<html><body><h1>Page {number}</h1>{body}</body></html>")
    (site / "short.html").write_text("<h1>Hi</h1>")
    pages = html.Settings(pages=({"path": str(site), "licence": "CC0-1.0"},))
    plots = chart.Settings(corpora=(scripts(tmp_path / "scripts"),))
    order = Order(
        DataRecipe(rules_only=True, workers=1),
        [html.pipeline(pages), chart.pipeline(plots)],
        [pages.model_dump_json(), plots.model_dump_json()],
    )
    found = build(order, tmp_path / "out")["categories"]
    assert (found["html"]["seen"], found["html"]["kept"]) == (4, 3)
    assert (found["chart"]["seen"], found["chart"]["kept"]) == (4, 1)
    assert found["html"]["licences"] == {"CC0-1.0": 3}
    assert "design" not in found["html"]["left_out"]  # a rule stands in for it
    assert set(found["chart"]["left_out"]) == {"rewrite", "repair-1", "repair-2", "repair-3", "aesthetics"}


def test_pictures_are_png(tmp_path):
    folder = seeds(tmp_path / "seeds", 1)
    (_, sample) = next(iter(html.pipeline(html.Settings(screenshots=(folder,))).drafts()))
    assert PIL.Image.open(io.BytesIO(sample.images[0].read())).format == "PNG"
