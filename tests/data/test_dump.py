"""Dumps as streams: every form of compression, every oddity of the schema, damage counted and never fatal."""

from __future__ import annotations

import bz2
import gzip
import io
import threading
import tracemalloc
from collections import Counter

import py7zr
import pytest

from tests.data import stackexchange as se
from viscodex.core.errors import VisCodexError
from viscodex.data.qa import dump as dumps
from viscodex.data.qa.dump import Dump, Malformed, Pair, Unpaired, Wanted
from viscodex.data.qa.post import MalformedError, licence_of, read_post, tags_of
from viscodex.data.qa.stream import open_stream

IMG = '<p>a</p><img src="https://i.sstatic.net/a.png">'


def question(number=1, accepted=2, body=IMG, **more):
    more = {"Score": 5, "ViewCount": 9, "Title": "T", "Tags": "<python><list>", "OwnerUserId": 7} | more
    return se.row(
        Id=number, PostTypeId=1, AcceptedAnswerId=accepted, CreationDate="2020-01-01T00:00:00", Body=body, **more
    )


def answer(number=2, parent=1, body="<pre><code>x</code></pre>", **more):
    return se.row(
        Id=number, PostTypeId=2, ParentId=parent, **({"Score": 3, "CreationDate": "2012-01-01", "Body": body} | more)
    )


@pytest.fixture
def read(tmp_path):
    def read(*rows, content=None, **wanted):
        path = tmp_path / "Posts.xml"
        path.write_bytes(content if content is not None else se.dump(*rows))
        dump = Dump(path, Wanted(**wanted))
        return list(dump.pairs()), dump.counts

    return read


def kinds(found):
    return [type(item).__name__ if not isinstance(item, Unpaired) else item.reason for item in found]


@pytest.mark.parametrize("form", ["xml", "gz", "bz2", "7z"])
def test_every_form_gives_the_same_pairs(tmp_path, form):
    plain = tmp_path / "Posts.xml"
    se.write_dump(plain, posts=600, pool=20)
    path = tmp_path / f"posts.{form}"
    if form == "7z":
        with py7zr.SevenZipFile(path, "w") as archive:
            archive.writestr(b"<badges/>", "site/Badges.xml")
            archive.write(plain, "site/Posts.xml")
    else:
        path.write_bytes({"xml": bytes, "gz": gzip.compress, "bz2": bz2.compress}[form](plain.read_bytes()))
    dump = Dump(path)
    assert list(dump.pairs()) == list(Dump(plain).pairs())


def test_what_a_generated_dump_holds_is_what_is_read(tmp_path):
    made = se.write_dump(tmp_path / "Posts.xml", posts=4000, pool=50)
    found = Counter(kinds(dump.pairs()) if (dump := Dump(tmp_path / "Posts.xml", Wanted(-9))) else [])
    counts = dump.counts
    assert counts.answers + counts.questions + counts.other_posts == pytest.approx(made.counts["posts"], abs=6)
    assert found["Malformed"] == counts.malformed == made.counts["malformed"]
    assert found["Pair"] == pytest.approx(made.counts["pictured_accepted"] - made.counts["answer_missing"], abs=1)
    assert found["answer_missing"] == pytest.approx(made.counts["answer_missing"], abs=1)
    assert sum(found.values()) == counts.questions_with_pictures + sum(
        1 for item in Dump(tmp_path / "Posts.xml", Wanted(-9)).pairs() if isinstance(item, Malformed)
    ) - damaged_questions(tmp_path / "Posts.xml")


def damaged_questions(path):
    """Lines that look like questions with pictures until they are parsed."""
    return path.read_bytes().count(b'AcceptedAnswerId="9" Score="1" Body="&lt;img src=1')


def test_the_same_dump_twice_is_the_same(tmp_path):
    se.write_dump(tmp_path / "a.xml", posts=500, pool=20)
    se.write_dump(tmp_path / "b.xml", posts=500, pool=20)
    assert (tmp_path / "a.xml").read_bytes() == (tmp_path / "b.xml").read_bytes()
    se.write_dump(tmp_path / "b.xml", posts=500, pool=20, seed=1)
    assert (tmp_path / "a.xml").read_bytes() != (tmp_path / "b.xml").read_bytes()


def test_a_pair(read):
    (pair,), counts = read(question(Title='A "<b>" & c', Tags="|c#|html|"), answer())
    assert pair.question.title == 'A "<b>" & c'
    assert pair.question.body == IMG
    assert pair.question.tags == ("c#", "html")
    assert (pair.question.licence, pair.answer.licence) == ("CC BY-SA 4.0", "CC BY-SA 3.0")
    assert (pair.question.owner, pair.answer.owner) == ("7", "")
    assert (counts.questions, counts.answers, counts.readings) == (1, 1, 1)


@pytest.mark.parametrize(
    ("rows", "expected", "readings"),
    [
        ([question(accepted=""), answer()], ["no_accepted_answer"], 1),
        ([question(Score=0), answer()], ["low_score"], 1),
        ([question(ViewCount=1), answer()], ["few_views"], 1),
        ([question()], ["answer_missing"], 1),
        ([question(body="no picture, &lt;img"), answer()], [], 1),
        ([answer(1, 2), question(2, 1)], ["Pair"], 2),
        ([question(5, 1), question(6, 1), answer(1, 5)], ["answer_taken", "Pair"], 1),
        ([question(5, 6), answer(6, 5), question(3, 4), answer(4, 3)], ["Pair", "Pair"], 1),
        ([question(), question(), answer()], ["Malformed", "Pair"], 1),
        ([question(), answer(Body="\x01")], ["Malformed", "answer_malformed"], 1),
        ([question(), answer(), answer()], ["Pair"], 1),
    ],
)
def test_who_is_paired(read, rows, expected, readings):
    found, counts = read(*rows, least_views=2)
    assert kinds(found) == expected
    assert counts.readings == readings


@pytest.mark.parametrize(
    "line",
    [
        b"rubbish\n",
        b'  <row Id="3" PostTypeId="1" Body="cut\n',
        b'  <row PostTypeId="1" Body="" />\n',
        b'  <row Id="3" Body="" />\n',
        b'  <row Id="x" PostTypeId="1" Body="" />\n',
        b'  <row Id="3" PostTypeId="1" AcceptedAnswerId="4" Score="1" Body="&lt;img&gt;&#0;" />\n',
        b'  <row Id="3" PostTypeId="1" AcceptedAnswerId="4" Score="1" Body="&lt;img&gt;\x00" />\n',
        b'  <row Id="3" PostTypeId="1" AcceptedAnswerId="4" Score="1" Body="&lt;img&gt;\xff" />\n',
        b'  <row Id="3" PostTypeId="1" AcceptedAnswerId="4" Score="1" Body="&lt;img&gt;&undefined;" />\n',
        b'  <row Id="3" PostTypeId="1" AcceptedAnswerId="4" Score="1" Body="&lt;img <b>" />\n',
        b'  <row Id="3" PostTypeId="1" AcceptedAnswerId="4" Score="1" Score="2" Body="&lt;img" />\n',
        b'  <row Id="3" PostTypeId="1" AcceptedAnswerId="4" Score="1" ParentId="x" Body="&lt;img" />\n',
        b'  <row Id="3" PostTypeId="1" AcceptedAnswerId="4" Score="1" Body="&lt;img' + b"x" * 10_000_001 + b'" />\n',
        b'  <row Id="3" PostTypeId="1" AcceptedAnswerId="4" Score="1" Body="' + b"&lt;img " * 700_000 + b'" />\n',
        b'<!DOCTYPE posts [<!ENTITY a "b">]>\n',
    ],
    ids=range(15),
)
def test_a_malformed_line_is_one_finding_and_its_neighbours_are_read(read, line):
    found, counts = read(question(), line, answer())
    assert sorted(kinds(found)) == ["Malformed", "Pair"]
    assert counts.malformed == 1
    assert [item.line for item in found if isinstance(item, Malformed)] == [4]


@pytest.mark.parametrize(
    "content",
    [
        se.dump(question(), answer()).replace(b"\n", b"\r\n"),
        se.dump(question(), answer()).removeprefix(b"\xef\xbb\xbf"),
        b"<posts>" + question().strip() + b"\n" + answer().strip(),
        question().replace(b'Id="1" PostTypeId="1" ', b"").replace(b" />", b' PostTypeId="1" Id="1"/>')
        + answer().lstrip(),
    ],
    ids=["crlf", "no-mark", "no-end", "other-order"],
)
def test_oddities_that_are_read(read, content):
    content = content.replace(b"<posts><row", b"<posts>\n<row")
    assert kinds(read(content=content)[0]) == ["Pair"]


def test_a_text_that_looks_like_attributes_is_text(read):
    body = IMG + ' PostTypeId="2" AcceptedAnswerId="99" Id="4"'
    (pair,), _ = read(question(body=body), answer())
    assert pair.question.body == body


@pytest.mark.parametrize("cut", [0.3, 0.9])
@pytest.mark.parametrize("form", ["gz", "bz2", "7z"])
def test_a_damaged_archive_is_an_error_that_names_it(tmp_path, form, cut):
    plain, path = tmp_path / "Posts.xml", tmp_path / f"posts.{form}"
    se.write_dump(plain, posts=300, pool=10)
    if form == "7z":
        with py7zr.SevenZipFile(path, "w") as archive:
            archive.write(plain, "Posts.xml")
        content = bytearray(path.read_bytes())
        content[int(len(content) * cut * 0.9)] ^= 255
    else:
        content = {"gz": gzip.compress, "bz2": bz2.compress}[form](plain.read_bytes())
        content = content[: int(len(content) * cut)]
    path.write_bytes(content)
    with pytest.raises(VisCodexError) as error:
        list(Dump(path).pairs())
    assert error.value.where == str(path)


def test_an_archive_without_posts_says_so(tmp_path):
    with py7zr.SevenZipFile(tmp_path / "a.7z", "w") as archive:
        archive.writestr(b"x", "Badges.xml")
    with pytest.raises(VisCodexError, match=r"no Posts\.xml"):
        list(Dump(tmp_path / "a.7z").pairs())


def test_no_such_dump(tmp_path):
    with pytest.raises(VisCodexError, match="cannot read the dump"):
        list(Dump(tmp_path / "none.xml").pairs())


def test_a_reader_that_stops_leaves_no_thread(tmp_path):
    plain = tmp_path / "Posts.xml"
    se.write_dump(plain, size=30_000_000)
    with py7zr.SevenZipFile(tmp_path / "a.7z", "w", filters=[{"id": py7zr.FILTER_COPY}]) as archive:
        archive.write(plain, "Posts.xml")
    before = threading.active_count()
    with open_stream(tmp_path / "a.7z") as stream:
        assert stream.readline().startswith(b"\xef\xbb\xbf<?xml")
    assert threading.active_count() == before


def test_memory_does_not_grow_with_the_dump(tmp_path):
    peaks = []
    for size in (4_000_000, 24_000_000):
        se.write_dump(tmp_path / "Posts.xml", size=size)
        tracemalloc.start()
        for _ in Dump(tmp_path / "Posts.xml").pairs():
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 2_000_000


def test_lines_that_are_too_long_are_one_finding_each(read, monkeypatch):
    monkeypatch.setattr(dumps, "LONGEST", 1000)
    rows = [question(), b"x" * 5000 + b"\n", b"y" * 1000 + b"\n", b"z" * 999 + b"\n", answer(), b"end" * 1000]
    found, _ = read(content=b"<posts>\n" + b"".join(rows))
    assert [(item.line, item.detail[:14]) for item in found if isinstance(item, Malformed)] == [
        (3, "not a row: xxx"),
        (4, "not a row: yyy"),
        (5, "not a row: zzz"),
        (7, "not a row: end"),
    ]
    assert kinds(found).count("Pair") == 1


def test_tags_and_licences():
    assert tags_of("<python><c#>") == tags_of("|python|c#|") == ("python", "c#")
    assert [licence_of(day) for day in ("2010-05-05T1", "2011-04-08", "2018-05-02", "")] == [
        "CC BY-SA 2.5",
        "CC BY-SA 3.0",
        "CC BY-SA 4.0",
        "CC BY-SA 4.0",
    ]


@pytest.mark.parametrize("line", [b"<row/>", b"", b"<a/>", b'<row Id="0" PostTypeId="1"/>', b"<row Id='1'/><row/>"])
def test_what_is_no_post(line):
    with pytest.raises(MalformedError):
        read_post(line)


def test_entities_are_never_expanded():
    with pytest.raises(MalformedError):
        read_post(b'<row Id="1" PostTypeId="1" Body="&a;"/>')
    bomb = b"".join(b'<!ENTITY %c "%s">' % (c, b"&%c;" % (c + 1) * 99) for c in range(97, 110))
    with pytest.raises(MalformedError):
        read_post(b'<!DOCTYPE row [%s<!ENTITY n "x">]><row Id="1" PostTypeId="1" Body="&a;"/>' % bomb)


def test_a_stream_is_read_as_it_comes(tmp_path):
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b"a\nb\n"))
    with open_stream(path) as stream:
        assert isinstance(stream, io.BufferedReader)
        assert list(stream) == [b"a\n", b"b\n"]


def test_pairs_are_whole(tmp_path):
    """Both posts of a pair belong together, whatever the order of the file."""
    se.write_dump(tmp_path / "Posts.xml", posts=3000, pool=30)
    for found in Dump(tmp_path / "Posts.xml").pairs():
        if isinstance(found, Pair):
            assert found.question.accepted == found.answer.id
            assert found.answer.parent == found.question.id
