"""`viscodex data import`, `export` and `inspect`: data sets that others made, for others, and to look at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from viscodex.core import console
from viscodex.core.errors import VisCodexError, visible

if TYPE_CHECKING:
    from viscodex.data.inspect import Inspection

BAR = 30  # columns of the longest bar
LINES, WIDTH = 14, 110  # of a row's text that is shown


def register(group: typer.Typer) -> None:
    group.command("import")(import_)
    group.command()(export)
    group.command()(inspect)


def import_(
    records: Path = typer.Argument(metavar="FILE", help="mcd_598k.json, or JSON or JSON lines of its shape."),
    out: Path = typer.Option(..., "--out", "-o", help="The output folder; must be new or empty."),
    images: Path = typer.Option(None, "--images", help="The zip or folder of pictures; unset, the one beside FILE."),
    split: str = typer.Option("train", help="The split of records that name none."),
    quick: bool = typer.Option(False, "--quick", help="Read pictures' headers only: one cut short is not noticed."),
    json: bool = typer.Option(False, "--json", help="As JSON."),
) -> None:
    """Import the published MCD: parquet shards, rejected records with reasons, a card. Streamed."""
    from viscodex.data.importing import import_mcd

    total = records.stat().st_size if records.is_file() else 0
    with console.progress("importing", total, "B") as progress:
        found = import_mcd(records, images, out, split=split, decode=not quick, advance=progress.advance)
    if json:
        console.result_json(found.as_json())
    else:
        rows = [(what, name, f"{n:,}") for what in ("kept", "rejected", "oddities") for name, n in _counts(found, what)]
        console.table(f"{found.seen:,} records, {found.pictures:,} pictures", ("", "what", "records"), rows, right=(2,))
    if found.broken:
        raise VisCodexError(
            f"parts of the file are no JSON; what could be read is in {out}\nfirst: {found.broken}",
            where=str(records),
            hint="download it again, and compare its size",
        )


def _counts(found: Any, what: str) -> list[tuple[str, int]]:
    counts: list[tuple[str, int]] = getattr(found, what).most_common()
    return counts


def export(
    data: Path = typer.Argument(metavar="DIR", help="A data set that viscodex data build or import has written."),
    format: str = typer.Option(..., "--format", "-f", help="mcd-json, llamafactory, swift, trl or webdataset."),
    out: Path = typer.Option(..., "--out", "-o", help="The output folder; must be new or empty."),
    name: str = typer.Option("mcd", help="The data set's name, where the format has one."),
    category: list[str] = typer.Option([], "--category", help="Only these categories; may be repeated."),
    split: str = typer.Option("", help="Only this split; unset, all."),
    limit: int = typer.Option(None, min=1, help="At most so many rows."),
    json: bool = typer.Option(False, "--json", help="As JSON."),
) -> None:
    """Write a data set as another tool reads it. Streamed."""
    from viscodex.data.exports import count
    from viscodex.data.exports import export as write

    total = count(data, category, split, limit)
    with console.progress("exporting", total, "rows") as progress:
        chosen = {"name": name, "categories": category, "split": split, "limit": limit}
        found = write(data, out, format, **chosen, advance=progress.advance)  # type: ignore[arg-type]
    if json:
        console.result_json(found.as_json())
        return
    rows = [("written", key, f"{n:,}") for key, n in sorted(found.written.items())]
    rows += [("left out", key, f"{n:,}") for key, n in found.left_out.most_common()]
    console.table(f"{found.seen:,} rows, {found.pictures:,} pictures", ("", "what", "rows"), rows, right=(2,))
    console.say(f"written: {out}")


def inspect(
    data: Path = typer.Argument(metavar="DIR", help="A data set that viscodex data build or import has written."),
    category: list[str] = typer.Option([], "--category", help="Only these categories; may be repeated."),
    tokenizer: Path = typer.Option(None, "--tokenizer", help="A model's folder: lengths in its tokens."),
    show: int = typer.Option(2, "--rows", min=0, help="Random rows to show."),
    seed: int = typer.Option(0, help="Another seed, other rows."),
    quick: bool = typer.Option(False, "--quick", help="Leave the pictures' bytes unread: no sizes of pictures."),
    json: bool = typer.Option(False, "--json", help="As JSON."),
) -> None:
    """Counts, lengths, picture sizes, licences, reasons of rejects, and random rows of a data set."""
    from viscodex.data.inspect import inspect as look

    count = _token_counter(tokenizer) if tokenizer else None
    found = look(data, categories=category, pictures=not quick, tokenizer=count, show=show, seed=seed)
    if json:
        console.result_json(found.as_json())
    else:
        _show(found)


def _token_counter(folder: Path) -> Any:
    from viscodex.model.processor import load_tokenizer

    words = load_tokenizer(folder)
    return lambda text: len(words(text, add_special_tokens=False).input_ids)


def _show(found: Inspection) -> None:
    values = found.as_json()
    header = ("category", "rows", "pictures", "text only", "splits", "licences")
    rows = [
        (
            name,
            f"{c['rows']:,}",
            f"{c['pictures']:,}",
            f"{c['text_only']:,}",
            _listed(c["splits"]),
            _listed(c["licences"]),
        )
        for name, c in values["categories"].items()
    ]
    console.table("rows", header, rows, right=(1, 2, 3))
    _show_lengths(values)
    if values["rejected"]:
        rejected = [(reason, f"{n:,}") for reason, n in values["rejected"].items()]
        console.table("rejected", ("stage: reason", "rows"), rejected, right=(1,))
    for row in values["rows"]:
        _show_row(row)


def _show_lengths(values: dict[str, Any]) -> None:
    unit = values["unit"]
    for key, title in (
        ("prompt", f"prompt, {unit}"),
        ("response", f"response, {unit}"),
        ("longer_side", "pictures, px"),
    ):
        rows = []
        for name, category in values["categories"].items():
            lengths = category[key]
            if not lengths["n"]:
                continue
            most = max(lengths["histogram"].values())
            told = f"median {lengths['median']:,}, 95 % {lengths['p95']:,}, most {lengths['max']:,}"
            for index, (bar, n) in enumerate(lengths["histogram"].items()):
                drawn = "█" * max(round(BAR * n / most), 1)
                rows.append((name if not index else "", bar, f"{n:,}", drawn, told if not index else ""))
        if rows:
            console.table(title, ("category", "up to", "n", "", ""), rows, right=(1, 2))


def _show_row(row: dict[str, Any]) -> None:
    licence = visible(row["license"]) or "licence not told"
    console.result(f"── {visible(row['id'])} ── {row['category']}, {licence}, {row['split']}")
    for picture in row["pictures"]:
        console.result(f"   picture: {visible(picture)}")
    for turn in row["messages"]:
        lines = turn["content"].splitlines()
        console.result(f"   {turn['role']}:")
        for line in lines[:LINES]:
            console.result(f"     {visible(line, WIDTH)}")
        if len(lines) > LINES:
            console.result(f"     … {len(lines) - LINES} lines more")
    console.result("")


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{visible(name)} {n:,}" for name, n in counts.items())
