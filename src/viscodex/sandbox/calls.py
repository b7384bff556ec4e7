"""Call a function of a Python program with arguments; the value comes out as data and is judged out here."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from viscodex.sandbox.backends import Backend
from viscodex.sandbox.box import Execution, Status
from viscodex.sandbox.call_driver import decode, encode
from viscodex.sandbox.limits import Limits
from viscodex.sandbox.programs import Program, prepare
from viscodex.sandbox.whole_numbers import read_json, write_json

DRIVER = Path(__file__).with_name("call_driver.py")


@dataclass(frozen=True)
class Call:
    """One call: `value` counts only where `status` is ok."""

    status: Status
    value: Any
    execution: Execution


def call_function(
    code: str,
    function: str,
    arguments: Iterable[Sequence[Any]],
    limits: Limits | None = None,
    files: Mapping[str, bytes] | None = None,
    *,
    backend: Backend | None = None,
    unsafe_local: bool = False,
) -> Iterator[Call]:
    """Call `function` (of `Solution` where the program has one) once per argument list, each in a box of its own.

    Arguments are plain data, dicts with any keys included; so is what comes back, and what is not is an `Other`. Lazy:
    whoever stops at the first wrong answer pays for no further run.
    """
    program = prepare("python", code, limits, files, backend=backend, unsafe_local=unsafe_local)
    for values in arguments:
        yield call_once(program, function, values)


def call_once(program: Program, function: str, values: Sequence[Any], options: Sequence[str] = ()) -> Call:
    """One call of a Python program that is prepared; `options` are the interpreter's. Integers may have any length."""
    nonce = secrets.token_hex(16)
    order = write_json({"nonce": nonce, "function": function, "arguments": encode(list(values))}).encode()
    command = (*program.command[:-1], *options, DRIVER.name)
    files = {DRIVER.name: DRIVER.read_bytes(), "call.json": order}
    return _read(program.run_as(command, files=files, channel=True), nonce)


def _read(execution: Execution, nonce: str) -> Call:
    """The last answer that carries the nonce; a run that ended well without one is an error."""
    answers = [line for line in execution.channel.splitlines() if line.startswith(nonce.encode())]
    if execution.status != "ok" or not answers:
        return Call(execution.status if execution.status != "ok" else "error", None, execution)
    try:
        return Call("ok", decode(read_json(answers[-1][len(nonce) :])), execution)
    except (ValueError, TypeError, KeyError, RecursionError):
        return Call("error", None, execution)
