"""The qa pipeline: one test per reason, with and without a model, and from a dump to a built data set."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from contextlib import contextmanager

import pytest

from tests.data import stackexchange as se
from tests.data.test_dump import answer, question
from tests.data.test_fetch import png
from tests.endpoint import Endpoint, Says
from viscodex.core.errors import VisCodexError
from viscodex.core.sample import Image, Sample
from viscodex.data import qa
from viscodex.data.client import ClientAsker
from viscodex.data.pipeline import Ask, Work
from viscodex.data.qa.needed import by_rule, judge_need
from viscodex.data.qa.refine import BEFORE, Refine, refine_by_rules, tidied, unwrapped
from viscodex.runner.cache import Cache
from viscodex.runner.llm import Client
from viscodex.runner.service import Service
from viscodex.runner.stage import Keep, Reject

IMG = '<img src="https://i.sstatic.net/a.png">'
CODE = '<pre><code>print("a  `b`")\n</code></pre>'


@pytest.fixture
def settings(tmp_path):
    def make(*rows, **more):
        (tmp_path / "Posts.xml").write_bytes(se.dump(*rows))
        (tmp_path / "pictures").mkdir(exist_ok=True)
        (tmp_path / "pictures" / "a.png").write_bytes(png())
        pictures = qa.PictureSettings(folder=str(tmp_path / "pictures"), cache=str(tmp_path / "cache"))
        return qa.Settings(dump=str(tmp_path / "Posts.xml"), **({"pictures": pictures, "run_code": False} | more))

    return make


def through(settings):
    """The drafts through all stages by rules: id → the sample, or the stage and the reason."""
    pipeline = qa.pipeline(settings)
    found = {}
    for row_id, row in pipeline.drafts():
        found[row_id] = ("drafts", row.reason) if isinstance(row, Reject) else row
    for stage in pipeline.stages:
        work = stage.otherwise if isinstance(stage, Ask) else stage
        assert isinstance(work, Work)
        resource = work.open() if work.open else None
        for row_id, row in found.items():
            if isinstance(row, Sample):
                result = work.work(resource, row)
                found[row_id] = result.row if isinstance(result, Keep) else (stage.name, result.reason)
    return found


def test_a_row(settings):
    body = f"<p>Why, as shown:</p>\n<p>{IMG}</p>\n<p>and <code>x</code></p>"
    rows = (
        question(body=body, Tags="<python>", Title="How?", OwnerUserId=5),
        answer(body=f"<p>Because.</p>\n{CODE}", OwnerDisplayName="Ann"),
    )
    (sample,) = through(settings(*rows, retrieved="2026-11-01")).values()
    assert sample.id == "qa-stackoverflow-1"
    assert sample.prompt == ("How?\n\nWhy, as shown:\n\n", Image(data=png()), "\n\nand `x`")
    assert sample.response == 'Because.\n\n```python\nprint("a  `b`")\n```'
    assert sample.source.url == "https://stackoverflow.com/q/1"
    assert sample.source.licence == "CC BY-SA 4.0 and CC BY-SA 3.0"
    assert sample.source.author == "https://stackoverflow.com/users/5 and Ann"
    assert sample.source.retrieved == "2026-11-01"
    assert sample.checks["origin"] == {
        "name": "stackoverflow.com",
        "id": "1",
        "attribution": '"How?" by https://stackoverflow.com/users/5, https://stackoverflow.com/q/1, CC BY-SA 4.0; '
        "answer by Ann, https://stackoverflow.com/a/2, CC BY-SA 3.0; converted to Markdown",
    }
    assert sample.checks["language"] == "python"
    assert sample.checks["python_parses"] is True
    assert BEFORE not in sample.checks


@pytest.mark.parametrize(
    ("asked", "answered", "expected"),
    [
        ({"accepted": ""}, {}, ("drafts", "no_accepted_answer")),
        ({"Score": 0}, {}, ("drafts", "low_score")),
        ({"ViewCount": 1}, {}, ("drafts", "few_views")),
        ({"accepted": 9}, {}, ("drafts", "answer_missing")),
        ({}, {"Score": 0}, ("drafts", "low_answer_score")),
        ({}, {"parent": 7}, ("drafts", "answer_elsewhere")),
        ({"body": f"<pre><code>{'a' * 400_000}</code></pre>{IMG}"}, {}, ("markdown", "body_too_long")),
        ({"body": "<div>" * 150 + IMG}, {}, ("markdown", "body_too_deep")),
        ({"body": f"<!-- {IMG} -->"}, {}, ("markdown", "no_picture")),
        ({"body": IMG * 9}, {}, ("markdown", "many_pictures")),
        ({}, {"body": '<p>See <a href="https://a.b">this page</a>.</p>'}, ("markdown", "link_only")),
        ({}, {"body": '<a href="https://a.b">it</a><pre><code>pip install x</code></pre>'}, ("markdown", "link_only")),
        ({}, {"body": "<p>Just add a colon after the name of the function there.</p>"}, ("markdown", "no_code")),
        ({"Tags": "<c#>"}, {}, ("markdown", "other_language")),
        ({"body": f"<p>&lt;image&gt;</p>{IMG}"}, {}, ("markdown", "image_marker")),
        (
            {},
            {"body": "<p>a</p><pre><code>x = '&lt;image&gt;' + 'and more of it'</code></pre>"},
            ("markdown", "image_marker"),
        ),
        ({"body": '<img src="http://evil.example/a.png">'}, {}, ("pictures", "picture_address")),
        ({"body": '<img src="https://i.sstatic.net/b.png">'}, {}, ("pictures", "picture_missing")),
        ({"body": '<img src="https://i.sstatic.net/s.png">'}, {}, ("pictures", "picture_small")),
        ({"body": '<img src="https://i.sstatic.net/u.png">'}, {}, ("pictures", "picture_unreadable")),
        ({"body": '<img src="https://i.sstatic.net/l.png">'}, {}, ("pictures", "picture_large")),
        ({"body": f"<p>My list is empty.</p>{IMG}"}, {}, ("picture_needed", "picture_not_needed")),
    ],
)
def test_reasons(settings, tmp_path, asked, answered, expected):
    rows = question(**({"body": f"<p>See below:</p>{IMG}"} | asked)), answer(**({"body": CODE} | answered))
    made = settings(*rows, least_views=2)
    (tmp_path / "pictures" / "s.png").write_bytes(png(31))
    (tmp_path / "pictures" / "u.png").write_bytes(b"no picture")
    (tmp_path / "pictures" / "l.png").write_bytes(b"x" * 10_000_001)
    assert through(made)["qa-stackoverflow-1"] == expected


def test_a_malformed_line_is_a_reject_with_an_id(settings):
    found = through(settings(question(), b"rubbish\n", answer(body=CODE)))
    assert found["qa-stackoverflow-line-4"] == ("drafts", "malformed_row")
    assert len(found) == 2


def test_drafts_come_again_the_same(settings):
    pipeline = qa.pipeline(settings(question(), answer(), question(5, 6), answer(6, 5)))
    assert list(pipeline.drafts()) == list(pipeline.drafts())
    assert len(list(qa.pipeline(settings(question(), answer(), question(5, 6), answer(6, 5), limit=1)).drafts())) == 1


def test_settings_have_a_sentence_each():
    for model in (qa.Settings, qa.PictureSettings):
        assert all(field.description for field in model.model_fields.values())


@pytest.mark.parametrize(
    ("prompt", "needed"),
    [
        (("See the screenshot.", Image(path="a")), True),
        (("I get:", Image(path="a")), True),
        (("It should look like", Image(path="a")), True),
        (("My list is empty.", Image(path="a")), False),
        ((Image(path="a"), "What is wrong with this image?"), True),
        (("```\nscreenshot = 1\n```\nWhy?", Image(path="a")), False),
    ],
)
def test_the_rule_for_pictures(prompt, needed):
    assert by_rule(prompt)[0] is needed


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Hi!\n\nUse `x`.\n\nHope this helps!", "Use `x`."),
        ("**EDIT:** use y", "use y"),
        ("Update: use y", "use y"),
        ("Update the list first.", "Update the list first."),
        ("```\nThanks\n\n\nHi\n```\nCheers, Bob", "```\nThanks\n\n\nHi\n```"),
        ("````\n```\nThanks\n````", "````\n```\nThanks\n````"),
        ("1.\n\n```\nx\n```\n\n---\n\n| a |\n| --- |", "1.\n\n```\nx\n```\n\n---\n\n| a |\n| --- |"),
        ("Thanks", ""),
    ],
)
def test_tidying_leaves_code_alone(before, after):
    assert tidied(before) == after


def test_a_fence_around_the_whole_reply_is_taken_away():
    assert unwrapped("```markdown\na\n\n```python\nx\n```\n```") == "a\n\n```python\nx\n```"
    assert unwrapped("```python\nx\n```") == "```python\nx\n```"


def test_what_was_changed_is_told_to_the_author():
    origin = {"name": "n", "id": "1", "attribution": "by Ann"}
    sample = row("Hi!\n\nUse it.").model_copy(update={"checks": {"origin": origin}})
    assert refine_by_rules(None, sample).row.checks["origin"]["attribution"] == "by Ann, remarks to the site left out"
    sample = row("Use it.").model_copy(update={"checks": {"origin": origin}})
    assert refine_by_rules(None, sample).row == sample
    assert origin["attribution"] == "by Ann"


# With a model


@contextmanager
def asked(tmp_path, reply):
    with Endpoint(reply) as endpoint:
        yield endpoint, Service(url=endpoint.url, model="m")


def ask(service, tmp_path, work, sample):
    async def go():
        with Cache(tmp_path / "replies.sqlite") as cache:
            async with Client(service, cache, ledger="t") as client:
                return await work(ClientAsker(client), sample)

    return asyncio.run(go())


def row(response="Use\n\n```python\nx = 1\n```"):
    return Sample(id="q", kind="qa", prompt=("Why?", Image(data=png()), "so"), response=response, checks={"tags": ""})


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        ('{"needed": true, "reason": "a chart"}', "kept"),
        ('```json\n{"needed": false, "reason": "only text"}\n```', "picture_not_needed"),
    ],
)
def test_a_model_judges_the_need(tmp_path, reply, verdict):
    with asked(tmp_path, reply) as (endpoint, service):
        result = ask(service, tmp_path, judge_need, row())
        assert endpoint.calls[0].pictures == [png()]
        assert "Why?" in endpoint.calls[0].text
    assert (result.reason if isinstance(result, Reject) else "kept") == verdict
    if isinstance(result, Keep):
        assert result.row.checks["picture_needed"] == "a chart"


def test_a_verdict_that_cannot_be_read_is_asked_for_again_and_then_an_error(tmp_path):
    with asked(tmp_path, "maybe") as (endpoint, service), pytest.raises(VisCodexError, match="no verdict"):
        ask(service, tmp_path, judge_need, row())
    assert len(endpoint.calls) == 2
    with Endpoint("maybe") as endpoint:
        endpoint.then(Says("maybe"), Says('{"needed": true, "reason": "r"}'))
        service = Service(url=endpoint.url, model="n")
        assert isinstance(ask(service, tmp_path, judge_need, row()), Keep)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Says("Use this.\n\n```python\nx = 2\n```"), ""),
        (Says("<think>hm</think>\nUse this.\n\n```python\nx = 2\n```\n"), ""),
        (Says("Use this.\n\n```js\nx = 2\n```"), "refine_lost_code"),
        (Says("Use ```python\nx", finish="length"), "refine_cut_off"),
        (Says("  "), "refine_empty"),
        (Says("Just do it."), "refine_lost_code"),
    ],
)
def test_a_model_refines_the_answer(tmp_path, reply, reason):
    with asked(tmp_path, lambda call: reply) as (endpoint, service):
        result = ask(service, tmp_path, Refine(("python",)), row())
        assert "ANSWER BEGINS" in endpoint.calls[0].text
    if isinstance(result, Reject):
        assert result.reason == reason
    else:
        assert not reason
        assert result.row.response == "Use this.\n\n```python\nx = 2\n```"
        assert result.row.checks["generator"]["prompt_version"] == "qa-refine-1"
        assert result.row.checks[BEFORE] == row().response


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ("x = 1", "x = 2", ""),
        ("x = 1", "x = = 2", "refined_code_broken"),
        ("x = = 1", "x = = 2", ""),
        ("x = 1", "raise SystemExit(1)", "refined_code_fails"),
        ("import nothing_like_it", "x = y", ""),
        ("x = 1", "while True: pass", "refined_code_fails"),
    ],
)
def test_what_ran_must_still_run(before, after, reason):
    from viscodex.data.qa.code import CheckCode

    sample = row(f"```python\n{after}\n```")
    sample = sample.model_copy(update={"checks": {BEFORE: f"```python\n{before}\n```"}})
    result = CheckCode(run_s=1.0)(None, sample)
    assert (result.reason if isinstance(result, Reject) else "") == reason


def test_html_must_keep_its_tags():
    from viscodex.data.qa.code import CheckCode

    sample = row("```html\nnothing\n```").model_copy(update={"checks": {BEFORE: "```html\n<p>a</p>\n```"}})
    assert CheckCode(0.0)(None, sample).reason == "refined_code_broken"
    sample = row("```html\n<b>a</b>\n```")
    assert CheckCode(0.0)(None, sample).row.checks["html_has_tags"] is True


@pytest.mark.slow
def test_from_a_dump_to_a_data_set(tmp_path):
    """The real builder, with a model that answers; each question is asked once, and every row is accounted for."""
    from viscodex.core.row import read_samples
    from viscodex.data.build import Order, build
    from viscodex.data.recipe import DataRecipe

    se.write_dump(tmp_path / "Posts.xml", posts=900, pool=40)
    se.write_pictures(tmp_path / "pictures")
    pictures = qa.PictureSettings(folder=str(tmp_path / "pictures"), cache=str(tmp_path / "cache"))
    settings = qa.Settings(dump=str(tmp_path / "Posts.xml"), pictures=pictures, run_code=False)

    def reply(call):
        if "ANSWER BEGINS" in call.text:
            return Says("Like this.\n\n" + call.text.partition("ANSWER BEGINS\n")[2].partition("\nANSWER ENDS")[0])
        return Says(json.dumps({"needed": len(call.text) % 4 != 0, "reason": "r"}))

    with Endpoint(reply) as endpoint:
        recipe = DataRecipe.parse({"llm": {"endpoint": endpoint.url, "model": "m"}, "workers": 1}, where="t")
        facts = build(Order(recipe, [qa.pipeline(settings)], [settings.model_dump_json()]), tmp_path / "out")
        assert max(endpoint.counts.values()) == 1
    counts = facts["categories"]["qa"]
    assert counts["seen"] == counts["kept"] + counts["rejected"] + counts["failed"]
    assert counts["failed"] == 0
    funnel = {stage["stage"]: stage for stage in counts["funnel"]}
    assert funnel["picture_needed"]["rejected"].keys() == {"picture_not_needed"}
    samples = list(read_samples(tmp_path / "out"))
    assert len(samples) == counts["kept"] > 3
    assert all(sample.response.startswith("Like this.") and sample.images for sample in samples)
    attribution = (tmp_path / "out" / "ATTRIBUTION.md").read_text()
    assert all(sample.source.url in attribution for sample in samples)
    assert Counter(sample.checks["generator"]["prompt_version"] for sample in samples) == {"qa-refine-1": len(samples)}
