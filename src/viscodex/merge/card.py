"""The model card of a merge: a README.md with the hub's YAML header, and an honest note on licences."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from viscodex.checkpoint.reader import Checkpoint
from viscodex.merge.plan import MergePlan
from viscodex.version import __version__

# What each licence asks of a merge. Unknown names are listed as they are, for the user to read.
_TERMS: Mapping[str, str] = {
    "apache-2.0": "permissive; keep notices",
    "mit": "permissive; keep notices",
    "bsd-3-clause": "permissive; keep notices",
    "cc-by-4.0": "attribution",
    "cc-by-nc-4.0": "no commercial use",
    "gemma": "Gemma terms of use",
    "llama3.1": "Llama community licence; the name must begin with “Llama”",
    "llama3.2": "Llama community licence; the name must begin with “Llama”",
    "qwen-research": "no commercial use",
}
_RESTRICTED = re.compile(r"(?<![a-z])nc(?![a-z])|research|non-?commercial", re.IGNORECASE)
_PERMISSIVE = re.compile(r"apache-2\.0|mit|bsd(-\d-clause)?|isc|cc0-1\.0|cc-by-[234]\.0|unlicense")

# Names the hub knows in `license:`; of others it wants `license: other` and the name beside it.
_OF_THE_HUB = re.compile(
    rf"{_PERMISSIVE.pattern}|cc-by(-nc)?(-nd|-sa)?-[234]\.0|a?gpl-3\.0|l?gpl(-[23]\.[01])?|mpl-2\.0"
    r"|(bigcode-)?openrail(-m|\+\+)?|gemma|llama(2|3|3\.[123]|4)"
)

_HEADER = re.compile(r"---[ \t\r]*\n(.*?)^---", re.DOTALL | re.MULTILINE)
# One licence, on the line of its key or as a list's first entry.
_FIELD = re.compile(
    r"^(license(?:_name)?):[ \t]*(?:\r?\n[ \t]*-[ \t]+)?([^\s#]+)[ \t\r]*(?:#.*)?$",
    re.MULTILINE,
)
_TEXTS = {"Apache License": "apache-2.0", "Permission is hereby granted, free of charge": "mit"}


def model_card(plan: MergePlan, variant: int) -> str:
    """README.md of one variant."""
    recipe = plan.recipes[variant]
    names = {role: _model_name(model) for role, model in zip(plan.roles, plan.models, strict=True)}
    licences = {role: read_licence(model.path) for role, model in zip(plan.roles, plan.models, strict=True)}
    header = [
        "---",
        "base_model:",
        *(f"- {json.dumps(name)}" for name in names.values()),
        "base_model_relation: merge",
        "library_name: transformers",
        f"pipeline_tag: {'image-text-to-text' if plan.vlm.family.is_multimodal else 'text-generation'}",
        "tags:",
        *(f"- {tag}" for tag in ("merge", "viscodex", "code", recipe.method.replace("_", "-"))),
        *_overall(licences),
        "---",
    ]
    rows = [f"| {role} | {names[role]} | {licences[role] or 'not stated'} |" for role in names]
    return "\n".join(
        [
            *header,
            f"\n# {recipe.name}\n",
            f"Made by viscodex {__version__}: the language backbone of the VLM merged with a code model by "
            f"`{recipe.method}`{_setting(plan, variant)}; vision encoder and projector are the VLM's, byte for byte "
            "(VisCodex, arXiv 2508.09945).\n",
            "| role | model | licence |",
            "|---|---|---|",
            *rows,
            "",
            licence_note(licences),
            "",
            "Every setting and the content hashes of all inputs are in `merge.json`.",
            "",
        ]
    )


def read_licence(folder: Path) -> str:
    """The licence a model folder states: the card's YAML header, else a known LICENSE text."""
    card = folder / "README.md"
    text = card.read_text(encoding="utf-8-sig", errors="replace") if card.is_file() else ""
    if header := _HEADER.match(text):
        fields = dict(_FIELD.findall(header[1]))
        if fields:
            return str(fields.get("license_name") or fields["license"]).strip("'\"").lower()
    for path in sorted(folder.glob("LICENSE*")):  # LICENSES may be a folder
        start = path.read_text(encoding="utf-8", errors="replace")[:500] if path.is_file() else ""
        for words, licence in _TEXTS.items():
            if words in start:
                return licence
    return ""


def licence_note(licences: Mapping[str, str]) -> str:
    """What the licences of the inputs ask, and whether they conflict."""
    lines = [
        f"- {role}: {licence}, {_TERMS.get(licence, 'read its terms')}" for role, licence in licences.items() if licence
    ]
    unknown = [role for role, licence in licences.items() if not licence]
    if unknown:
        lines.append(f"- not stated: {', '.join(unknown)}. Find out before you publish the merge.")
    known = {licence for licence in licences.values() if licence}
    binding = sorted(licence for licence in known if not _PERMISSIVE.fullmatch(licence))
    if any(_RESTRICTED.search(licence) for licence in known) and len(known) > 1:
        lines.append("- **Conflict:** one input forbids commercial use; the merge inherits the strictest terms.")
    elif len(binding) > 1:
        lines.append(f"- **Conflict:** {' and '.join(binding)} each set the terms of what is made from them.")
    elif len(known) > 1:
        lines.append("- The licences differ; the merge must keep to all of them.")
    return "**Licences.** This is no legal advice.\n\n" + "\n".join(lines)


def _overall(licences: Mapping[str, str]) -> list[str]:
    """The lines of the header: one licence for all, by a name the hub knows, or “other”."""
    values = set(licences.values())
    shared = values.pop() if len(values) == 1 else ""
    if _OF_THE_HUB.fullmatch(shared):
        return [f"license: {shared}"]
    return ["license: other", *([f"license_name: {json.dumps(shared)}"] if shared else [])]


def _model_name(model: Checkpoint) -> str:
    """org/name for a folder of the hub's cache, else the folder's own name."""
    match = re.search(r"models--([^/]+)--([^/]+)/snapshots", str(model.path))
    return f"{match[1]}/{match[2]}" if match else model.path.resolve().name


def _setting(plan: MergePlan, variant: int) -> str:
    recipe = plan.recipes[variant]
    if recipe.lam is not None:
        return f" with λ = {recipe.lam}" if isinstance(recipe.lam, float) else " with λ by layer or pattern"
    return f" with weights {recipe.weights}" if recipe.weights is not None else ""
