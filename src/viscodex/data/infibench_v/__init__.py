"""InfiBench-V from a Stack Exchange dump: a funnel of four stages, and the desk at which people decide.

build(recipe, out)       dump → picture and answer → popular → picture needed (a model) → OUT/candidates.jsonl
Desk(out, reviewer, …)   accept, edit, reject, paraphrase; every decision journaled
export(out, suite)       what was accepted, as the suite that `viscodex eval infibench-v --data` reads
"""
