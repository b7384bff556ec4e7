"""Stages are done once, again when what goes into them changes, and only then."""

from __future__ import annotations

import json

import pytest

from viscodex.core.errors import UsageError
from viscodex.core.stages import Stage, pending, run_stages


@pytest.fixture
def chain(tmp_path):
    """`chain(settings)`: three stages in a row that count how often they ran, and what they wrote."""
    ran: list[str] = []

    def stage(name, settings, needs):
        def run():
            ran.append(name)
            assert not (tmp_path / f"{name}.txt").exists()
            (tmp_path / f"{name}.txt").write_text(json.dumps(settings))
            return {"settings": settings}

        return Stage(name, run, (f"{name}.txt",), settings, needs)

    def build(**settings):
        names = ("first", "second", "third")
        return [
            stage(name, {"value": settings.get(name, 0)}, names[place - 1 : place]) for place, name in enumerate(names)
        ]

    return build, ran


def test_what_is_done_is_not_done_again(chain, tmp_path):
    build, ran = chain
    first = run_stages(tmp_path, build())
    assert ran == ["first", "second", "third"]
    assert run_stages(tmp_path, build()) == first
    assert ran == ["first", "second", "third"]
    assert list(pending(tmp_path, build())) == []


def test_another_setting_makes_a_stage_and_all_that_need_it_anew(chain, tmp_path):
    build, ran = chain
    run_stages(tmp_path, build())
    ran.clear()
    assert list(pending(tmp_path, build(second=1))) == ["second", "third"]
    run_stages(tmp_path, build(second=1))
    assert ran == ["second", "third"]
    assert json.loads((tmp_path / "second.txt").read_text()) == {"value": 1}


def test_a_stage_that_fails_is_begun_and_goes_on_with_what_it_left(tmp_path):
    tries = []

    def run():
        tries.append((tmp_path / "half").exists())
        (tmp_path / "half").mkdir(exist_ok=True)
        if len(tries) < 2:
            raise KeyboardInterrupt

    stages = [Stage("long", run, ("half",))]
    with pytest.raises(KeyboardInterrupt):
        run_stages(tmp_path, stages)
    assert list(pending(tmp_path, stages)) == ["long"]
    run_stages(tmp_path, stages)
    assert tries == [False, True]
    assert list(pending(tmp_path, stages)) == []


def test_a_stage_begun_with_other_settings_leaves_nothing_behind(tmp_path):
    def run():
        (tmp_path / "half").mkdir()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_stages(tmp_path, [Stage("long", run, ("half",), {"steps": 1})])
    done = run_stages(tmp_path, [Stage("long", lambda: {"was": (tmp_path / "half").exists()}, ("half",), {"steps": 2})])
    assert done["long"]["facts"] == {"was": False}


def test_only_the_named_stages_run(chain, tmp_path):
    build, ran = chain
    run_stages(tmp_path, build(), ("second",))
    assert ran == ["second"]
    with pytest.raises(UsageError, match="no stage"):
        run_stages(tmp_path, build(), ("secnd",))
