#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Proves the order of the house: file sizes, who may include whom, which rooms see RocksDB and gRPC, names, loose ends.

Prints one line per fault and exits 1 if there is any. tidy_test.py shows that each rule can fail.
"""
import argparse
import pathlib
import re
import sys

HEADER_LINES_MAX = 200
SOURCE_LINES_MAX = 400
OWN_INCLUDES_MAX = 8
FILES_PER_FOLDER_MAX = 25

# What users of the C++ library include; installed, so it shows nothing of the inside.
PUBLIC_HEADERS = "client/cordwood"

# What each room may include, besides itself; docs: CONTRIBUTING.md. "proto" is the generated code.
STORAGE = {
    "storage/base": set(),
    "storage/record": {"storage/base"},
    "storage/log": {"storage/base", "storage/record"},
    "storage/rocksdb": {"storage/base", "storage/record", "storage/log"},
    "storage/shard": {"storage/base", "storage/record", "storage/log", "storage/rocksdb"},
}
_ALL_STORAGE = set(STORAGE)
ROOMS = dict(STORAGE)
ROOMS["broker/metadata"] = _ALL_STORAGE - {"storage/shard"} | {"proto"}
ROOMS["broker/replication"] = _ALL_STORAGE - {"storage/rocksdb"} | {"broker/metadata", "proto"}
ROOMS["broker/groups"] = ROOMS["broker/replication"] | {"broker/replication"}
ROOMS["broker/handlers"] = ROOMS["broker/groups"] | {"broker/groups"}
ROOMS["broker/metrics"] = ROOMS["broker/handlers"] | {"broker/handlers"}
ROOMS["broker/grpc"] = ROOMS["broker/metrics"] | {"broker/metrics"}
ROOMS["broker/http"] = ROOMS["broker/handlers"] | {"broker/handlers"}
ROOMS["broker/server"] = ROOMS["broker/grpc"] | {"broker/grpc", "broker/http"}
ROOMS["client/internal"] = {"storage/base", "storage/record", "proto"}
ROOMS["client"] = ROOMS["client/internal"] | {"client/internal", PUBLIC_HEADERS}
ROOMS["client/cli"] = ROOMS["client"] | {"client"}
ROOMS[PUBLIC_HEADERS] = set()
ROOMS["client/examples"] = {PUBLIC_HEADERS}

TEST_ROOMS = {"tests/support", "tests/fault"}  # what unit tests and their fixtures may use besides their room
TEST_FILES = re.compile(r"_test\.cc$|_fixture\.h$|/test_\w+\.h$|/testing/\w+\.h$")

ROCKSDB_HEADER_ROOMS = {"storage/rocksdb", "storage/shard"}
ROCKSDB_ROOMS = ROCKSDB_HEADER_ROOMS | {"broker/metadata"}
ROCKSDB_METADATA_FILES = re.compile(r"local_metadata_store")
GRPC_ROOMS = {"broker/grpc", "client/internal", "client/cli"}
STANDARD_HEADER = re.compile(r"[a-z_]+$")
GRPC_ASYNC_FILES = {
    "broker/grpc/call.cc", "broker/grpc/call.h", "broker/grpc/network_thread.cc", "broker/grpc/network_thread.h",
    "client/internal/call.cc", "client/internal/call.h",
}
GRPC_ASYNC = re.compile(r'#include\s+[<"](grpcpp/(alarm|completion_queue|generic/|support/async_)|grpcpp/impl/codegen/async_)')
BANNED_WORDS = {"Impl", "Helper", "Util", "Utils", "Data", "Info", "Base", "Processor", "Engine", "Manager"}
CLASS = re.compile(r"^\s*(?:class|struct)\s+(?:[A-Z_]+(?:\([^)]*\))?\s+)*([A-Z]\w+)[^;]*\{?", re.M)
LOOSE_END = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX)\b")
SLEEP = re.compile(r"\b(sleep_for|SleepFor|usleep)\s*\(")
INCLUDE = re.compile(r'^\s*#include\s+([<"])([^>"]+)[>"]', re.M)


def room_of(path):
    parts = path.split("/")
    if parts[0] == "client" and (len(parts) == 2 or parts[1] == "group"):
        return "client"  # the public classes lie beside the rooms they are made of; group/ has what makes a consumer a member
    return "/".join(parts[:2]) if len(parts) > 2 else None


def own_room(include):
    if include.startswith("cordwood/v1/") or include.startswith("grpc/health/"):
        return "proto"
    if include.startswith("cordwood/"):
        return PUBLIC_HEADERS
    if include.startswith(("storage/", "broker/", "client/", "tests/")):
        return room_of(include)
    return None


def check_includes(path, text):
    room = room_of(path)
    own = 0
    for quote, include in INCLUDE.findall(text):
        target = own_room(include)
        own += target is not None and quote == '"'
        if target in TEST_ROOMS and TEST_FILES.search(path):
            continue
        if room in ROOMS and target is not None and target != room and target not in ROOMS[room]:
            yield f"{path}: {room} may not include {include}"
        if room == PUBLIC_HEADERS and target != room and not STANDARD_HEADER.match(include):
            yield f"{path}: a public header includes only the standard library and cordwood/… ({include})"
        if include.startswith("rocksdb/") and room in ROOMS:
            allowed = room in ROCKSDB_ROOMS and (room != "broker/metadata" or ROCKSDB_METADATA_FILES.search(path))
            if not allowed:
                yield f"{path}: RocksDB is not seen from here ({include})"
            elif path.endswith(".h") and room not in ROCKSDB_HEADER_ROOMS:
                yield f"{path}: a header outside the rooms of storage shows RocksDB ({include})"
        if include.startswith("prometheus/") and room != "broker/metrics":
            yield f"{path}: prometheus-cpp is not seen from here ({include})"
        if include.startswith(("grpcpp/", "grpc/")) and target is None and room in ROOMS and room not in GRPC_ROOMS:
            yield f"{path}: gRPC is not seen from here ({include})"
    if path.endswith(".h") and own > OWN_INCLUDES_MAX:
        yield f"{path}: {own} own includes in a header, at most {OWN_INCLUDES_MAX}"
    if room in ROOMS and GRPC_ASYNC.search(text) and path not in GRPC_ASYNC_FILES and not path.endswith("_test.cc"):
        yield f"{path}: only the call classes include gRPC's async headers"


def check_shape(path, text):
    lines = text.count("\n") + (not text.endswith("\n"))
    if not path.endswith("_test.cc"):
        most = HEADER_LINES_MAX if path.endswith(".h") else SOURCE_LINES_MAX
        if lines > most:
            yield f"{path}: {lines} lines, at most {most}"
    head = text.split("\n", 2)
    if not head[0].startswith("// SPDX-License-Identifier: Apache-2.0"):
        yield f"{path}: the first line is not the licence"
    elif path.endswith(".h") and (len(head) < 2 or not head[1].startswith("// ")):
        yield f"{path}: the second line does not say what the file is for"
    if LOOSE_END.search(text):
        yield f"{path}: a loose end ({LOOSE_END.search(text).group(1)})"
    if path.endswith("_test.cc") and SLEEP.search(text):
        yield f"{path}: a test sleeps"
    for name in CLASS.findall(text):
        words = re.findall(r"[A-Z][a-z0-9]*", name)
        if words and words[-1] in BANNED_WORDS:
            yield f"{path}: a banned name, {name}"


def check_file(path, text):
    yield from check_shape(path, text)
    yield from check_includes(path, text)


def check_folders(paths):
    folders = {}
    for path in paths:
        if not re.search(r"_test\.(cc|py)$", path):
            folders.setdefault(path.rsplit("/", 1)[0] if "/" in path else ".", []).append(path)
    for folder, files in sorted(folders.items()):
        if len(files) > FILES_PER_FOLDER_MAX:
            yield f"{folder}: {len(files)} files, at most {FILES_PER_FOLDER_MAX}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", required=True, type=pathlib.Path)
    root = parser.parse_args().root
    paths = sorted(
        str(p.relative_to(root))
        for top in ("storage", "broker", "client", "proto", "tests", "deploy")
        for p in (root / top).rglob("*")
        if p.is_file() and "__pycache__" not in p.parts)
    faults = list(check_folders(paths))
    for path in paths:
        if path.endswith((".h", ".cc")):
            faults += check_file(path, (root / path).read_text())
    for fault in faults:
        print(fault)
    print(f"{len(paths)} files, {len(faults)} faults")
    return 1 if faults or not paths else 0


if __name__ == "__main__":
    sys.exit(main())
