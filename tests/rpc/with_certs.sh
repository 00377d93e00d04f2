#!/bin/sh
# Runs a test program with throw-away certificates: RPC_TEST_CERTS names a folder with ca.pem and, for each name,
# <name>.pem and <name>.key; foreign.* is signed by another authority but named "callee".
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

authority() { # name
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "/CN=$1" \
        -keyout "$dir/$1.key" -out "$dir/$1.pem" 2>/dev/null
}
certificate() { # file, DNS name, authority
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$1" \
        -keyout "$dir/$1.key" -out "$dir/$1.csr" 2>/dev/null
    printf 'subjectAltName=DNS:%s\n' "$2" >"$dir/$1.ext"
    openssl x509 -req -in "$dir/$1.csr" -CA "$dir/$3.pem" -CAkey "$dir/$3.key" -CAcreateserial -days 2 \
        -extfile "$dir/$1.ext" -out "$dir/$1.pem" 2>/dev/null
}

authority ca
authority ca2
certificate caller caller ca
certificate callee callee ca
certificate other other ca
certificate foreign callee ca2
RPC_TEST_CERTS=$dir "$@"
