#!/usr/bin/env bash
# Rules of the house that a compiler does not check: house.sh [BUILD_DIR]. Each exception stands here with its
# reason; one that nothing needs any more is an error too.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
build=${1:-build}
product=(cli common deploy frontend history matching proto schema worker)
bad=0 rules=0

complain() { echo "$1"; bad=$((bad + 1)); }

# Code without comments and texts, as FILE:LINE:CODE.
code() { # PATTERN PATHS...
    local pattern=$1; shift
    git ls-files --cached --others --exclude-standard -- "$@" | grep -E '\.(c|h|def)$' |
        xargs -r awk -v pattern="$pattern" '
            FNR == 1 { comment = 0 }
            {
                line = $0
                gsub(/"([^"\\]|\\.)*"/, "\"\"", line)
                gsub(/\/\*[^*]*\*\//, "", line)
                if (comment) {
                    if (!match(line, /\*\//)) next
                    line = substr(line, RSTART + 2); comment = 0
                }
                if (match(line, /\/\*/)) { line = substr(line, 1, RSTART - 1); comment = 1 }
                if (line ~ pattern) print FILENAME ":" FNR ":" line
            }'
}

# Matches are allowed in the files listed on stdin, "FILE reason".
only_in() { # WHAT PATTERN PATHS...
    local what=$1 pattern=$2; shift 2
    local -A allowed=() used=()
    local file reason hit
    rules=$((rules + 1))
    while read -r file reason; do
        [ -z "$file" ] && continue
        [ -n "$reason" ] || complain "house.sh: $file has no reason for $what"
        allowed[$file]=1
    done
    while IFS= read -r hit; do
        file=${hit%%:*}
        if [ -n "${allowed[$file]:-}" ]; then used[$file]=1; else complain "$hit   <- $what"; fi
    done < <(code "$pattern" "$@")
    for file in "${!allowed[@]}"; do
        [ -n "${used[$file]:-}" ] || complain "house.sh: $file does not need its exception for $what"
    done
}

# No bound, hidden state, or errors that cannot be told from zero.
only_in "unsafe function" '(^|[^a-z_0-9])(strcpy|stpcpy|strcat|strncpy|strncat|sprintf|vsprintf|gets|strtok|alloca)[ ]*[(]' \
    "${product[@]}" tests </dev/null
only_in "number parser without errors; use str_to_i64" '(^|[^a-z_0-9])(atoi|atol|atoll|atof)[ ]*[(]' "${product[@]}" </dev/null
only_in "clock or randomness that no test can set" '(^|[^a-z_0-9.>])(time|rand|random|srand|gettimeofday)[ ]*[(]' \
    "${product[@]}" </dev/null

# Memory comes from arenas, whose end is a matter of lifetime. Objects with a life of their own are made and
# freed singly, each in the file that owns them.
only_in "malloc outside its owners" '(^|[^a-z_0-9])(malloc|calloc|realloc|reallocarray|strdup|strndup|asprintf)[ ]*[(]' \
    "${product[@]}" <<'LIST'
cli/client/tls_client.c sessions around a foreign library
common/base/arena.c the allocator
common/base/buf.c the growing buffer
common/base/map.c the growing table
common/cluster/cluster.c one per process
common/cluster/handover.c lives until the last shard has gone
common/cluster/lane.c one per lane
common/cluster/namespace_set.c a published set lives as long as the slowest lane reads it
common/cluster/namespaces.c one per lane, and its messages
common/cluster/plan.c a request to give shards, while it runs
common/cluster/view.c a published view lives as long as the slowest lane reads it
common/io/lane_uv.c one per lane
common/io/offload.c one per pool
common/rpc/rpc.c peers, which outlive their links
common/rpc/rpc_call.c one per lane
common/rpc/rpc_in.c a call that came in lives until it is answered
common/rpc/rpc_local.c the link within the process
common/rpc/rpc_nng.c listeners and dialers, handed to a foreign library
common/rpc/rpc_tls.c sessions around a foreign library
common/store/pg.c a refusal that is told later
common/store/pg_conn.c connections, with buffers that libpq frees
deploy/pages.c a question to all lanes lives until the slowest has answered
frontend/frontend.c one per lane
frontend/grpc/call.c calls, kept for reuse
frontend/grpc/frame.c the growing body of a message, bounded
frontend/grpc/gzip.c streams of a foreign library
frontend/grpc/health.c one per lane
frontend/grpc/reflection.c one per lane
frontend/grpc/request.c the growing list of a call's metadata, bounded
frontend/grpc/server.c one per lane
frontend/namespace_change.c the start's own request
frontend/poll.c a poll that waits
frontend/quota.c counts of a process, and each lane's memory of them
frontend/transport/conn.c connections
frontend/transport/http1.c sessions that turned out to be HTTP/1.1
frontend/transport/http2.c sessions around a foreign library
frontend/transport/http2_answer.c header blocks that wait for the session
frontend/transport/server.c listeners, handed to a foreign library
frontend/transport/tls.c sessions around a foreign library
matching/poll.c a poll that waits
matching/service.c one per lane
LIST

# What belongs to a lane needs no lock; what goes from one to another takes the mailbox.
only_in "lock outside the doors between threads" 'pthread_(mutex|rwlock|spin|cond)_|sem_(wait|timedwait|post)[ ]*[(]|nng_mtx_' \
    "${product[@]}" <<'LIST'
common/io/offload.c the queue of the pool's threads
common/rpc/link.h links belong to a foreign library's threads
common/rpc/rpc.c links belong to a foreign library's threads
common/rpc/rpc_manager.c links belong to a foreign library's threads
common/rpc/rpc_stream.c links belong to a foreign library's threads
common/rpc/rpc_stream.h links belong to a foreign library's threads
common/rpc/rpc_stream_in.c links belong to a foreign library's threads
common/store/sqlite.c a lane that closes waits for the database's thread
deploy/process.c the main thread waits for the lanes
deploy/process_lane.c the main thread waits for the lanes
frontend/quota.c a lane's first look at the counts of a namespace
LIST

# A test waits for what it needs. The pauses between two looks have one place in each suite.
only_in "fixed wait" '(^|[^a-z_0-9])(sleep|usleep|nanosleep|clock_nanosleep)[ ]*[(]' "${product[@]}" tests <<'LIST'
tests/rpc/harness.c the pause of its loops
tests/store/contract.h the pause of wait_until
tests/store/cases_cluster.c ages of rows, which only time makes
tests/store/cases_postgres.c the pace of a thread that kills connections
LIST

# Each header brings what it needs.
compiles_alone() {
    local out
    # shellcheck disable=SC2086 # several words
    out=$("${CC:-cc}" -std=gnu17 -D_GNU_SOURCE -Wall -Wno-unused -fsyntax-only -I. -I"$build" $flags -include "$1" -x c /dev/null 2>&1) || {
        echo "$1 does not compile alone:"
        printf '%s\n' "$out" | grep -m 3 error
        return 1
    }
}
export -f compiles_alone
flags=$(pkg-config --cflags msgpack libprotobuf-c libpq 2>/dev/null)
export build flags
rules=$((rules + 1))
alone=$(git ls-files --cached --others --exclude-standard -- "${product[@]}" tests | grep '\.h$' |
    xargs -P 2 -I {} bash -c 'compiles_alone {}') || true
[ -z "$alone" ] || complain "$alone"

# A file is read in one sitting. The apply function changes state for each record: one place, by design.
rules=$((rules + 1))
while read -r lines file; do
    [ "$file" = total ] || [ "$file" = history/engine/apply.c ] || [ "$lines" -le 500 ] || complain "$file has $lines lines; split it"
done < <(git ls-files --cached --others --exclude-standard -- "${product[@]}" | grep -E '\.[ch]$' | xargs wc -l)

# What a file is responsible for, at its top.
rules=$((rules + 1))
while IFS= read -r file; do
    head -c 2 "$file" | grep -q '^/\*' || complain "$file does not begin with what it is responsible for"
done < <(git ls-files --cached --others --exclude-standard -- "${product[@]}" tests | grep -E '\.[ch]$' | grep -v '^tests/unit/')

echo "$rules rules, $bad complaints"
[ "$bad" -eq 0 ]
