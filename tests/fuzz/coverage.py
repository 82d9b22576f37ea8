#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Replays each target's corpora in the coverage preset, and prints what they reach of the files that the target is for."""
import argparse
import fnmatch
import os
import pathlib
import subprocess
import sys
import tempfile

# What each target is for; patterns of paths from the root.
FILES = {
    "batch_bytes": ["storage/record/record*.cc"],
    "built_batch": ["storage/record/*.cc", "!storage/record/key_partition.cc"],
    "codec_frame": ["storage/record/compression.cc", "storage/record/gzip.cc", "storage/record/lz4.cc", "storage/record/snappy.cc", "storage/record/zstd.cc"],
    "wire_request": ["broker/grpc/log_wire*.cc"],
    "fetch_answer": ["client/internal/fetch_core.cc", "client/internal/stream_codec.cc"],
    "produce_answer": ["client/internal/produce_core.cc", "client/internal/produce_partition.cc", "client/internal/stream_codec.cc"],
    "member_answer": ["client/internal/group/member_core.cc", "client/internal/group/member_partitions.cc", "client/internal/group/member_commits.cc"],
    "group_log": ["broker/groups/group_*.cc"],
    "configuration": ["broker/server/config/*.cc", "broker/server/command_line.cc", "broker/metadata/topic_config.cc"],
    "disk_bytes": ["storage/log/*.cc", "!storage/log/index_pacer.cc", "!storage/log/retention_plan.cc", "!storage/log/sequence_gate.cc",
                   "storage/shard/data_dir.cc", "storage/shard/internal/synced_file.cc", "broker/metadata/image_builder.cc",
                   "broker/groups/group_records.cc", "broker/groups/group_state.cc"],
    "stored_partition": ["storage/shard/partition_log*.cc", "storage/shard/log_reader.cc", "storage/shard/timestamp_search.cc",
                         "storage/shard/internal/batch_cursor.cc", "storage/shard/internal/partition_records_io.cc"],
    "broker_calls": ["broker/handlers/*.cc", "broker/handlers/control/*.cc", "broker/grpc/*.cc", "broker/grpc/control/*.cc", "broker/http/*.cc",
                     "broker/metadata/*.cc"],
}
HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
LLVM = "-14"  # as the preset's compiler
HEADINGS = ("target and file", "lines", "of", "%", "branches", "of", "%", "functions", "of", "%")


def is_for(target, path):
    verdict = False
    for pattern in FILES[target]:
        if fnmatch.fnmatchcase(path, pattern.removeprefix("!")):
            verdict = not pattern.startswith("!")
    return verdict and not path.endswith("_test.cc")


class FileCoverage:
    """One file's counts: (reached, all) of lines, branches and functions, and the lines never reached."""

    def __init__(self):
        self.lines, self.branches, self.functions = [0, 0], [0, 0], [0, 0]
        self.missed = []

    def add(self, other):
        for mine, its in ((self.lines, other.lines), (self.branches, other.branches), (self.functions, other.functions)):
            mine[0] += its[0]
            mine[1] += its[1]

    def cells(self):
        return [str(cell) for hit, total in (self.lines, self.branches, self.functions) for cell in (hit, total, f"{100 * hit / total:.1f}" if total else "-")]


def parse_lcov(text):
    files = {}
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key == "SF":
            current = files[value] = FileCoverage()
        elif key == "DA":
            number, count = value.split(",")[:2]
            current.lines[0] += count != "0"
            current.lines[1] += 1
            if count == "0":
                current.missed.append(int(number))
        elif key == "BRDA":
            current.branches[0] += value.split(",")[3] not in ("0", "-")
            current.branches[1] += 1
        elif key in ("FNH", "FNF"):
            current.functions[key == "FNF"] = int(value)
    return files


def ranges(numbers):
    """[1, 2, 3, 7] -> "1-3 7"."""
    spans = []
    for number in numbers:
        if spans and spans[-1][1] == number - 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return " ".join(str(a) if a == b else f"{a}-{b}" for a, b in spans)


def replay(target, arguments, scratch):
    """Runs the target over its seeds, mended findings and corpus. The profile."""
    corpora = [scratch / "seeds" / target, HERE / "findings" / target, arguments.out / "corpus" / target]
    raw, merged = scratch / f"{target}.profraw", scratch / f"{target}.profdata"
    subprocess.run([arguments.bin / f"{target}_fuzz", "0", *[path for path in corpora if path.is_dir()]], check=True, stdout=subprocess.DEVNULL, cwd=scratch,
                   env={**os.environ, "LLVM_PROFILE_FILE": str(raw), "TMPDIR": str(scratch)})
    subprocess.run([f"llvm-profdata{LLVM}", "merge", "-sparse", raw, "-o", merged], check=True)
    raw.unlink()
    return merged


def measure(targets, profiles, arguments, scratch):
    """What the profiles reach of the files that the targets are for."""
    merged = scratch / "merged.profdata"
    subprocess.run([f"llvm-profdata{LLVM}", "merge", "-sparse", *profiles, "-o", merged], check=True)
    objects = [argument for target in targets for argument in ("-object", arguments.bin / f"{target}_fuzz")]
    exported = subprocess.run([f"llvm-cov{LLVM}", "export", "-format=lcov", f"-instr-profile={merged}", *objects[1:]], check=True, stdout=subprocess.PIPE, text=True)
    files = {os.path.relpath(path, ROOT): coverage for path, coverage in parse_lcov(exported.stdout).items()}
    return {path: coverage for path, coverage in sorted(files.items()) if any(is_for(target, path) for target in targets)}


def report(name, files, lines):
    total = FileCoverage()
    for coverage in files.values():
        total.add(coverage)
    yield [name, *total.cells()]
    for path, coverage in files.items():
        yield ["  " + path, *coverage.cells()]
        if lines and coverage.missed:
            yield ["    not reached: " + ranges(coverage.missed)]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=FILES, metavar="TARGET", help=", ".join(FILES))
    parser.add_argument("--lines", action="store_true", help="print the lines that nothing reached")
    parser.add_argument("--bin", type=pathlib.Path, required=True, help="the coverage preset's programs")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="where campaigns keep their corpora")
    arguments = parser.parse_args()
    arguments.bin = arguments.bin.resolve()
    rows = [list(HEADINGS)]
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="cordwood-coverage-", dir=memory) as scratch:
        scratch = pathlib.Path(scratch)
        subprocess.run([arguments.bin / "fuzz_seeds", scratch / "seeds"], check=True, env={**os.environ, "LLVM_PROFILE_FILE": os.devnull})
        profiles = {target: replay(target, arguments, scratch) for target in ([arguments.only] if arguments.only else FILES)}
        for target, profile in profiles.items():
            rows += report(target, measure([target], [profile], arguments, scratch), arguments.lines)
        if len(profiles) > 1:  # what one target does not reach, another may
            rows += report("together", measure(profiles, profiles.values(), arguments, scratch), arguments.lines)
    widths = [max(len(row[i]) for row in rows if len(row) > 1) for i in range(len(HEADINGS))]
    for row in rows:
        cells = [row[0].ljust(widths[0]), *[cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]]
        print("  ".join(cells).rstrip())
    return 0


if __name__ == "__main__":
    sys.exit(main())
