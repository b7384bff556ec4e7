#!/usr/bin/env bash
# Environments of those who read what we export, for tests/data/test_readers.py: scripts/make-readers.sh DIR (6 GB).
# torchvision and torchaudio are left out: the tests read pictures, which are decoded on PIL.
set -euo pipefail

target="${1:?scripts/make-readers.sh DIR}"
python="${PYTHON:-python3}"
mkdir -p "$target"

# install NAME PACKAGE [MORE…]: the package, and what it asks for but for torch and its companions.
install() {
  local name="$1" package="$2"
  shift 2
  "$python" -m venv "$target/$name"
  local pip="$target/$name/bin/pip"
  "$pip" install --quiet --disable-pip-version-check torch==2.13.0
  "$pip" install --quiet --disable-pip-version-check --no-deps "$package" "$@"
  "$target/$name/bin/python" - "${package%%==*}" > "$target/$name.txt" <<'PYTHON'
import importlib.metadata, re, sys
for line in importlib.metadata.requires(sys.argv[1]) or []:
    if "extra ==" not in line and not re.match(r"(torch|torchvision|torchaudio)\b(?!-|_)", line):
        print(line)
PYTHON
  "$pip" install --quiet --disable-pip-version-check -r "$target/$name.txt" pillow pydantic xxhash
}

install trl trl==1.16.0
install llamafactory llamafactory==0.9.5
install swift ms-swift==4.6.0 qwen-vl-utils==0.0.14
echo "VISCODEX_READERS=$target"
