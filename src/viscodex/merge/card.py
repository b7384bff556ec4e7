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
_RESTRICTED = re.compile(r"nc|research|non-?commercial", re.IGNORECASE)


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
        f"license: {_overall(licences)}",
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
    if card.is_file():
        text = card.read_text(encoding="utf-8", errors="replace")
        header = text.split("---")[1] if text.startswith("---") and text.count("---") >= 2 else ""
        fields = dict(re.findall(r"^(license(?:_name)?):\s*(\S+)\s*$", header, re.MULTILINE))
        if fields:
            return str(fields.get("license_name") or fields["license"]).strip("'\"").lower()
    for path in sorted(folder.glob("LICENSE*")):
        if "Apache License" in path.read_text(encoding="utf-8", errors="replace")[:500]:
            return "apache-2.0"
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
    if any(_RESTRICTED.search(licence) for licence in known) and len(known) > 1:
        lines.append("- **Conflict:** one input forbids commercial use; the merge inherits the strictest terms.")
    elif len(known) > 1:
        lines.append("- The licences differ; the merge must keep to all of them.")
    return "**Licences.** This is no legal advice.\n\n" + "\n".join(lines)


def _overall(licences: Mapping[str, str]) -> str:
    values = set(licences.values())
    return values.pop() if len(values) == 1 and "" not in values else "other"


def _model_name(model: Checkpoint) -> str:
    """org/name for a folder of the hub's cache, else the folder's own name."""
    match = re.search(r"models--([^/]+)--([^/]+)/snapshots", str(model.path))
    return f"{match[1]}/{match[2]}" if match else model.path.resolve().name


def _setting(plan: MergePlan, variant: int) -> str:
    recipe = plan.recipes[variant]
    if recipe.lam is not None:
        return f" with λ = {recipe.lam}" if isinstance(recipe.lam, float) else " with λ by layer or pattern"
    return f" with weights {recipe.weights}" if recipe.weights is not None else ""
