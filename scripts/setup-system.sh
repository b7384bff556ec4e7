#!/usr/bin/env bash
# Bring what does not come from pip: Python itself, and the programs that viscodex runs beside it.
#
#   scripts/setup-system.sh build      Python, its venv module, a C compiler
#   scripts/setup-system.sh demo       and the browser and the sandbox
#   scripts/setup-system.sh test       and the languages that answers are written in
#
# The programs are declared in src/viscodex/doctor/tools.txt. Where apt-get and root are at hand they are installed;
# elsewhere this says what to type and goes on, and the tests that need them are skipped with the reason.
set -euo pipefail
cd "$(dirname "$0")/.."

groups="${1:?usage: scripts/setup-system.sh build|demo|test}"
case "$groups" in
  demo) groups="build demo" ;;
  test) groups="build demo test" ;;
esac
# A compiler in someone's home is of no use to the sandbox, which sees only the system's folders.
system_path=/usr/local/bin:/usr/bin:/bin:/opt/homebrew/bin:$PWD/.venv/bin

any_is_there() {
  local command
  for command in "$@"; do PATH="$system_path" command -v "$command" >/dev/null && return; done
  return 1
}

say_what_to_install() {
  echo "Not on this machine (viscodex doctor tells more):" >&2
  printf '%s' "$wanted" >&2
  if command -v apt-get >/dev/null; then
    echo "Install with: sudo apt-get install$(sed 's/ npm:[^ ]*//g' <<<"$packages")" >&2
    if [[ "$packages" == *" npm:"* ]]; then
      echo "and: sudo npm install -g$(grep -o ' npm:[^ ]*' <<<"$packages" | sed 's/npm://' | tr -d '\n')" >&2
    fi
  fi
}

install_with_apt() {
  local known="" from_npm="" package
  export DEBIAN_FRONTEND=noninteractive
  apt-get -qq update || echo "apt-get update failed; going on with the lists at hand" >&2
  for package in $packages; do
    if [[ "$package" == npm:* ]]; then from_npm="$from_npm ${package#npm:}"
    elif [ "$package" = npm ] && command -v npm >/dev/null; then continue  # Node.js from elsewhere brings its own
    elif apt-cache show "$package" >/dev/null 2>&1; then known="$known $package"
    else echo "apt-get knows no package $package; without it:" >&2; printf '%s' "$wanted" | grep -w -- "$package" >&2; fi
  done
  echo "Installing:$known$from_npm" >&2
  # shellcheck disable=SC2086  # a list of words
  if [ -n "$known" ]; then apt-get -qq install -y --no-install-recommends -o DPkg::Lock::Timeout=300 $known >/dev/null; fi
  # shellcheck disable=SC2086  # a list of words
  if [ -n "$from_npm" ]; then
    npm install --loglevel=error -g $from_npm >/dev/null || echo "npm could not install$from_npm; going on without" >&2
  fi
}

packages="" wanted=""
if ! "${PYTHON:-python3}" -c 'import ensurepip, venv' 2>/dev/null; then
  packages=" python3 python3-venv" wanted="  python3 python3-venv: runs viscodex, in an environment of its own"$'\n'
fi
while IFS='|' read -r group commands debian purpose elsewhere; do
  # shellcheck disable=SC2086  # a list of words
  if [[ " $groups " == *" $group "* ]] && ! any_is_there $commands; then
    packages="$packages $debian"
    wanted="$wanted  $debian: $purpose${elsewhere:+ (elsewhere: $elsewhere)}"$'\n'
  fi
done < <(sed '/^#/d; s/ *| */|/g; s/ *$//' src/viscodex/doctor/tools.txt)

if [ -z "$packages" ]; then exit 0; fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then install_with_apt; else say_what_to_install; fi
