"""The card (README.md) of an imported data set: what the hub reads, then what was kept, mended and rejected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def card(report: Mapping[str, Any], configs: Mapping[str, Mapping[str, int]]) -> str:
    """Markdown with a YAML header: one config per category, since their licences differ."""
    header = ["---", "configs:"]
    for category, splits in configs.items():
        header += [f"- config_name: {category}", "  data_files:"]
        for split in splits:
            header += [f"  - split: {split}", f"    path: data/{category}/{split}-*.parquet"]
    header += ["---", ""]
    kept, seen = sum(report["kept"].values()), report["seen"]
    body = [
        f"# Imported from {report['source']}",
        "",
        f"{seen:,} records seen, {kept:,} kept with {report['pictures']:,} pictures, {seen - kept:,} rejected.",
        "The licences are those of the source; it names none per row.",
        *([f"\n**Parts of the file are no JSON,** the first: {report['broken']}"] if report["broken"] else []),
        *_counts("Kept", "category", report["kept"]),
        *_counts("Rejected, each with its reason in rejected/", "reason", report["rejected"]),
        *_counts("Read, though not as it should be", "oddity", report["oddities"]),
    ]
    return "\n".join(header + body) + "\n"


def _counts(title: str, name: str, counts: Mapping[str, int]) -> list[str]:
    if not counts:
        return ["", f"## {title}", "", "None."]
    rows = [f"| {key.replace('|', '/')} | {count:,} |" for key, count in counts.items()]
    return ["", f"## {title}", "", f"| {name} | records |", "|---|---|", *rows]
