#!/usr/bin/env python3
"""Keeps the layers: a folder includes only itself and the folders that its row names. Usage: layers.py ROOT"""
import pathlib
import re
import sys

BASE = ["common/base"]
MODEL = BASE + ["common/model"]
VISIBILITY = MODEL + ["common/visibility"]
OBS = MODEL + ["common/obs"]
IO = OBS + ["common/io"]
# config, store, rpc and api are neighbours: each may use io and what is below, and the schema and proto lists
DOORS = {name: IO + ["common/" + name] for name in ("config", "store", "rpc", "api")}
SERVICE = IO + ["common/visibility", "common/config", "common/store", "common/rpc", "common/api", "common/cluster", "proto"]

RULES = {
    "common/base": BASE,
    "common/model": MODEL,
    "common/visibility": VISIBILITY,
    "common/obs": OBS,
    "common/io": IO,
    "common/config": DOORS["config"],
    "common/store": DOORS["store"] + ["schema", "common/visibility"],
    "common/rpc": DOORS["rpc"],
    "common/api": DOORS["api"] + ["proto"],
    "common/apijson": MODEL + ["common/apijson", "proto"],
    "common/cluster": IO + ["common/config", "common/store", "common/rpc", "common/api", "common/cluster"],
    "history/engine": MODEL + ["history/engine"],
    "matching/engine": MODEL + ["matching/engine"],
    "history": SERVICE + ["history"],
    "matching": SERVICE + ["matching"],
    "frontend": SERVICE + ["frontend"],
    "worker": SERVICE + ["worker", "include"],
    "cli/client": BASE + ["cli/client"],
    "cli": MODEL + ["common/apijson", "cli"],
}
# One third-party library per door: header, and who may see it.
DOOR_OF = {
    "uv.h": ("common/io/", "frontend/transport/", "common/store/pg_conn.c"),  # libpq polls on the loop
    "nng/": ("common/rpc/",),
    "libpq-fe.h": ("common/store/",),
    "sqlite3.h": ("common/store/",),
    "yaml.h": ("common/config/",),
    "msgpack": ("common/rpc/",),
    "protobuf-c/": ("common/api/", "proto/", "frontend/"),
    "nghttp2/": ("frontend/", "cli/client/", "common/rpc/"),
    "openssl/": ("frontend/", "cli/client/", "common/rpc/", "common/io/"),
}
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]')


def rule_of(path):
    """The most specific row whose folder holds the file."""
    best = None
    for folder in RULES:
        if path.startswith(folder + "/") and (best is None or len(folder) > len(best)):
            best = folder
    return best


def problems_of(root, path):
    rel = path.relative_to(root).as_posix()
    folder = rule_of(rel)
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        bracket, target = match.groups()
        if bracket == "<":
            for header, owners in DOOR_OF.items():
                if target.startswith(header) and not rel.startswith(owners + ("tests/", "deploy/")):
                    yield f"{rel}:{number}: <{target}> belongs to {' and '.join(owners)}"
        elif target.startswith(".."):
            yield f"{rel}:{number}: includes are rooted, not relative"
        elif folder and "/" in target and not any(target.startswith(f + "/") for f in RULES[folder]):
            yield f"{rel}:{number}: {folder} must not include {target}"


def main():
    root = pathlib.Path(sys.argv[1])
    found, files = [], 0
    for top in sorted({name.split("/")[0] for name in RULES}) + ["deploy", "tests", "proto"]:
        for path in sorted((root / top).rglob("*.[ch]")):
            files += 1
            found.extend(problems_of(root, path))
    print("\n".join(found) if found else f"{files} files keep the layers")
    return 1 if found or not files else 0


if __name__ == "__main__":
    sys.exit(main())
