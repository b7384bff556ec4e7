"""What stands before every program of a language, so that an answer need not import the obvious."""

from __future__ import annotations

import re

PYTHON = """\
import collections, copy, datetime, functools, hashlib, heapq, itertools, json, math, random, re, string, sys
from collections import Counter, OrderedDict, defaultdict, deque
from typing import *
"""
CPP = """\
#include <algorithm>
#include <array>
#include <cassert>
#include <climits>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <numeric>
#include <queue>
#include <set>
#include <sstream>
#include <stack>
#include <stdexcept>
#include <string>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>
"""
JAVA = "import java.util.*;\nimport java.util.function.*;\nimport java.util.stream.*;\n"
PREAMBLES = {"python": PYTHON, "cpp": CPP, "java": JAVA}


def preamble(language: str, program: str) -> str:
    """The lines to put first; none before a program that must have the first word itself."""
    if language == "python" and "from __future__" in program:
        return ""
    if language == "java" and re.search(r"^[ \t]*package[ \t]", program, re.MULTILINE):
        return ""
    return PREAMBLES.get(language, "")


def opened(language: str, first: str, program: str) -> str:
    """Preamble and program; a PHP program is opened if it is not, and left open for the test behind it."""
    if language == "php":
        body = program.rstrip().removesuffix("?>")
        return body if body.lstrip().startswith("<?") else f"<?php\n{body}"
    return f"{first}{program}"
