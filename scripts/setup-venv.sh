#!/usr/bin/env bash
# Make .venv: the packages of pyproject.toml in the versions of constraints.txt, viscodex itself editable.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup-system.sh build
python="${PYTHON:-python3}"
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
  echo "viscodex needs Python 3.11 or newer, and $python is not. If there is another: make venv PYTHON=python3.12" >&2
  exit 1
fi
# A checkout that was moved leaves a .venv whose scripts point elsewhere: begin again.
clear=""
.venv/bin/pip --version >/dev/null 2>&1 || clear=--clear
"$python" -m venv $clear .venv
.venv/bin/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,eval,data,train,serve,search]'
