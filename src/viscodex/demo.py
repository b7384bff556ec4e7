"""`viscodex demo`: the whole of viscodex on this machine, offline, in a minute, told on one page.

The models here are tiny and random: every file, process and line of code is the real one, the skill is not there yet.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from viscodex.core import console
from viscodex.core.rundir import atomic_write

LAMBDA = 0.7
MODELS = {"vlm": "Qwen2.5-VL: sees and writes", "code": "Qwen2: writes code", "base": "Qwen2: where both began"}
NEW_TOKENS = 64


@dataclass
class Section:
    """A step of the demo as the page shows it: what was typed, what came out, pictures, links to pages beside it."""

    title: str
    text: str
    command: str = ""
    lines: list[str] = field(default_factory=list)
    header: tuple[str, ...] = ()
    rows: Sequence[tuple[str, ...]] = ()
    pictures: list[tuple[str, str]] = field(default_factory=list)
    links: list[tuple[str, str]] = field(default_factory=list)
    seconds: float = 0.0


Step = Callable[[Path], Section]


def run_demo(out: Path) -> Path:
    """Run every step, write OUT/index.html, and return its path. What an earlier run made is used again."""
    out.mkdir(parents=True, exist_ok=True)
    sections = []
    for number, step in enumerate(STEPS, 1):
        begun = time.monotonic()
        console.say(f"{number}/{len(STEPS)} {(step.__doc__ or '').partition(chr(10))[0]}")
        section = step(out)
        section.seconds = time.monotonic() - begun
        for line in section.lines:
            console.say(f"    {line}")
        sections.append(section)
    page = out / "index.html"
    atomic_write(page, render(sections))
    return page


def render(sections: list[Section]) -> str:
    """The page as HTML text."""
    import jinja2

    from viscodex.version import __version__

    loader = jinja2.PackageLoader("viscodex", "templates")
    environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    total = sum(section.seconds for section in sections)
    return environment.get_template("demo.html").render(sections=sections, version=__version__, total=total)


def look_over(out: Path) -> Section:
    """Look over this machine."""
    from viscodex.doctor import examine, is_ready

    findings = examine()
    rows = [(f.status, f.name, f.detail) for f in findings]
    missing = [f.name for f in findings if f.status == "missing"]
    state = "everything required is here" if is_ready(findings) else f"missing: {', '.join(missing)}"
    text = "What is installed, what is missing, and the command that brings it."
    return Section("Doctor", text, "viscodex doctor", [state], ("", "what", "found"), rows)


def make_models(out: Path) -> Section:
    """Write a tiny VLM, a tiny code LLM and their base."""
    from viscodex.checkpoint.reader import open_checkpoint
    from viscodex.model.tiny import write_trio

    folder = out / "tiny"
    if not folder.exists():
        write_trio(folder)
    rows = []
    for role, what in (
        ("vlm", "Qwen2.5-VL: sees and writes"),
        ("code", "Qwen2: writes code"),
        ("base", "Qwen2: where both began"),
    ):
        checkpoint = open_checkpoint(folder / role)
        rows.append((role, what, f"{len(checkpoint.tensors)} tensors", f"{checkpoint.nbytes / 1e3:,.0f} kB"))
    text = (
        "Three real checkpoints of the paper's kind, far smaller: sharded safetensors, tokenizer, image processor, "
        "chat template. Their weights are random."
    )
    return Section("Three tiny models", text, "viscodex tiny demo/tiny", header=("role", "model", "", ""), rows=rows)


def inspect_models(out: Path) -> Section:
    """Compare what tuning did to the VLM and to the code LLM."""
    from viscodex.merge.inspect import inspect
    from viscodex.merge.page import as_facts, render

    tiny = out / "tiny"
    found = inspect(str(tiny / "vlm"), str(tiny / "code"), str(tiny / "base"))
    values = found.as_json()
    facts = as_facts({**{role: Path(path).name for role, path in values["models"].items()}, **values["all"]})
    atomic_write(out / "inspect.html", render("Two task vectors, layer by layer", facts, found.maps()))
    rows = [(name, facts[name]) for name in values["all"]]
    text = "A task vector is what tuning added to the base. Where two of them point apart, merging costs something."
    links = [("inspect.html", "heat maps, layer by layer")]
    command = "viscodex merge inspect demo/tiny/vlm demo/tiny/code --base demo/tiny/base --html demo/inspect.html"
    return Section("Inspect", text, command, header=("over all tensors", ""), rows=rows, links=links)


def merge_models(out: Path) -> Section:
    """Merge them: λ of the VLM, 1 − λ of the code LLM, vision untouched."""
    from viscodex.core.rundir import read_json, remove_tree
    from viscodex.merge.job import merge_to_folder
    from viscodex.merge.plan import plan_merge
    from viscodex.merge.recipe import MergeRecipe

    tiny, merged = out / "tiny", out / "merged"
    remove_tree(merged)
    overrides = {"vlm": str(tiny / "vlm"), "code": str(tiny / "code"), "lambda": LAMBDA}
    result = merge_to_folder(plan_merge(MergeRecipe.load("task-arithmetic", overrides), merged), merged, check="load")
    rows = [(name, str(row["tensors"]), f"{row['bytes'] / 1e3:,.0f} kB") for name, row in result["parts"].items()]
    check = next(line for line in result["lines"] if line.startswith("load check"))
    digest = read_json(merged / "merge.json")["output"]["xxh3_128"]
    text = (
        "The backbone is the weighted sum of two; vision encoder, projector and the rows of vision tokens are the "
        "VLM's, byte for byte. The folder loads wherever the VLM loads."
    )
    models = "--set vlm=demo/tiny/vlm --set code=demo/tiny/code"
    command = f"viscodex merge task-arithmetic {models} --lambda {LAMBDA} --out demo/merged"
    pages = {"merge_report.html": "merge report", "README.md": "model card", "merge.json": "merge.json"}
    links = [(f"merged/{file}", title) for file, title in pages.items()]
    return Section(
        "Merge", text, command, [check, f"content hash {digest}"], ("part", "tensors", ""), rows, links=links
    )


def use_model(out: Path) -> Section:
    """Picture in, program out: show the merged model a chart."""
    from viscodex.core.sample import Image
    from viscodex.model.generate import Sampling
    from viscodex.model.local import Local
    from viscodex.model.prompts import task

    picture = out / "chart.png"
    draw_chart(picture)
    model = Local(out / "merged")
    stream = model.stream(task("chart", [Image(path=str(picture))]), Sampling(max_new_tokens=NEW_TOKENS))
    answer = "".join(stream)
    assert stream.completion is not None
    usage = stream.completion.usage
    lines = [f"{usage.prompt_tokens} tokens read, {usage.completion_tokens} written"]
    text = (
        "The picture goes through processor, vision encoder, projector and the merged backbone, and tokens come out "
        "one by one. With random weights they mean nothing; with real models the same command writes the chart's code."
    )
    section = Section("Use", text, "viscodex generate demo/chart.png --model demo/merged --kind chart --raw", lines)
    section.pictures = [("chart.png", "the picture")]
    section.rows, section.header = [(answer,)], ("what the tiny model writes",)
    return section


def draw_chart(path: Path) -> None:
    """A small bar chart, drawn here."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4, 3), dpi=84)
    axes = figure.add_subplot()
    axes.bar(
        ["Spring", "Summer", "Autumn", "Winter"], [12, 19, 7, 15], color=["#66a61e", "#e6ab02", "#d95f02", "#1f78b4"]
    )
    axes.set_title("Visitors a season")
    axes.set_ylabel("thousands")
    figure.tight_layout()
    figure.savefig(path, metadata={"Software": None})


STEPS: tuple[Step, ...] = (look_over, make_models, inspect_models, merge_models, use_model)
