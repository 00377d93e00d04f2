#!/bin/sh
# Runs one test program. Criterion passes even when a sanitizer complains in a test's child process, so the
# sanitizers write to files and any file is a failure.
set -u
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
here=$(dirname "$0")
export TSAN_OPTIONS="suppressions=$here/tsan.supp:${TSAN_OPTIONS:-}"
export ASAN_OPTIONS="log_path=$dir/asan:${ASAN_OPTIONS:-}"
export LSAN_OPTIONS="${LSAN_OPTIONS:-}"
export UBSAN_OPTIONS="log_path=$dir/ubsan:print_stacktrace=1:halt_on_error=1:${UBSAN_OPTIONS:-}"
"$@"
rc=$?
for f in "$dir"/*; do
    [ -e "$f" ] || continue
    cat "$f" >&2
    rc=99
done
exit $rc
