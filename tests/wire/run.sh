#!/bin/sh
# Runs the wire tests against the echo server given; skipped where the client is not installed.
server=$(realpath "$1")
cd "$(dirname "$0")" || exit 1
command -v node >/dev/null && [ -d node_modules/@grpc/grpc-js ] || exit 77
ECHO_SERVER=$server exec node --test --test-concurrency=1 wire.test.mjs
