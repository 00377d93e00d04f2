#!/bin/sh
# Runs the wire tests against the echo server given, or gRPC-web's against perdure: run.sh ECHO_SERVER, or
# run.sh PERDURE DESCRIPTORS; skipped where the clients are not installed.
server=$(realpath "$1")
[ $# -eq 1 ] || descriptors=$(realpath "$2")
cd "$(dirname "$0")" || exit 1
command -v node >/dev/null && [ -d node_modules/@grpc/grpc-js ] || exit 77
if [ $# -gt 1 ]; then
    [ -d node_modules/@connectrpc/connect-node ] || exit 77
    PERDURE=$server DESCRIPTORS=$descriptors exec node --test --test-concurrency=1 web.test.mjs
fi
ECHO_SERVER=$server exec node --test --test-concurrency=1 wire.test.mjs
