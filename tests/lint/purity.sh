#!/bin/sh
# The engine is pure: what its archives import, as the linker sees it, is memory and string functions, our own
# pure libraries, and the end of the process on a failed check. Usage: purity.sh BASE.a ARCHIVE.a...
set -eu
base=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# What the named archives may use of each other, and what base offers, without its impure parts.
for archive in "$base" "$@"; do
    nm --defined-only "$archive" 2>/dev/null | awk 'NF == 3 && $2 ~ /[A-Z]/ { print $3 }'
done | sort -u | grep -vxE 'rand_seed_from_os|buf_init|check_set_hook|log_.*' > "$work/ours"

for archive in "$@"; do
    nm -u "$archive" 2>/dev/null | awk '$1 == "U" { print $2 }'
done | sort -u > "$work/imports"

foreign=$(grep -vxF -f "$work/ours" "$work/imports" | grep -vxE \
    'mem(cpy|move|set|cmp|chr)|strlen|__mem(cpy|move|set)_chk|__stack_chk_fail|_GLOBAL_OFFSET_TABLE_|__(asan|ubsan|tsan|sanitizer|gcov).*' || true)
if [ -n "$foreign" ]; then
    echo "a pure library imports:" $foreign >&2
    exit 1
fi
test -s "$work/imports"
