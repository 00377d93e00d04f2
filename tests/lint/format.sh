#!/usr/bin/env bash
# The form of all our files: clang-format 14 for C (its tables in .def files are left alone), shellcheck for scripts.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
bad=0
mapfile -t sources < <(git ls-files '*.c' '*.h')
if command -v clang-format-14 >/dev/null; then
    for f in "${sources[@]}"; do
        clang-format-14 --dry-run --Werror "$f" >/dev/null 2>&1 || { echo "$f: run clang-format-14 -i"; bad=$((bad + 1)); }
    done
else
    echo "clang-format-14 is not installed: scripts/setup test"
    bad=$((bad + 1))
fi
mapfile -t scripts < <(git ls-files | grep -Ev '\.(c|h|py|mjs|ts|json|md|txt)$' |
    xargs -r grep -lE '^#!/(usr/bin/env (ba)?sh|bin/(ba)?sh)' 2>/dev/null)
if command -v shellcheck >/dev/null; then
    shellcheck -S warning "${scripts[@]}" || bad=$((bad + 1))
else
    echo "shellcheck is not installed: scripts/setup test"
    bad=$((bad + 1))
fi
echo "${#sources[@]} C files, ${#scripts[@]} scripts, $bad complaints"
[ "$bad" -eq 0 ]
