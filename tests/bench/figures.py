#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the benchmarks, each in a fresh directory, and prints the table of figures."""
import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import groups
import serving

# bench, figure, format, comparison, target
FIGURES = [
    ("append_os", "append 16 KiB, 256 partitions, os: MB/s", "mb_per_s", ">=", 700),
    ("append_os", "append 16 KiB, 256 partitions, os: CPU-s/GB", "cpu_s_per_gb", "<=", 1.9),
    ("append_fsync", "append 16 KiB, fsync: ratio to a bare append with fdatasync, same group", "ratio", ">=", 0.40),
    ("append_fsync", "  the same in MB/s", "mb_per_s", None, None),
    ("append_fsync", "  the bare append in MB/s", "bare_mb_per_s", None, None),
    ("append_small", "append 1 KiB, 256 partitions, os: batches/s", "batches_per_s", ">=", 250_000),
    ("read", "catch-up read, 16 KiB, cold: ratio to a plain read", "cold_ratio", ">=", 0.60),
    ("read", "  the same in MB/s", "cold_mb_per_s", None, None),
    ("read", "  the plain read in MB/s", "plain_cold_mb_per_s", None, None),
    ("read", "catch-up read, 16 KiB, warm: MB/s", "warm_mb_per_s", ">=", 2500),
    ("find", "find the batch that contains X, warm: p50 µs", "p50_us", "<=", 20),
    ("find", "find the batch that contains X, warm: p99 µs", "p99_us", "<=", 60),
    ("start", "start, 1 000 partitions, clean: s", "clean_s", "<=", 1),
    ("start", "start, 1 000 partitions, after kill -9 under load: s", "killed_s", "<=", 4),
    ("start", "  with GB of data", "gb", None, None),
    ("partitions", "100 000 partitions: created in s", "create_s", "<=", 20),
    ("partitions", "100 000 partitions: memory in MB", "memory_mb", "<=", 100),
    ("partitions", "100 000 partitions: restart in s", "restart_s", "<=", 1),
    ("append_os", "bytes to the device per byte appended, os, 16 KiB", "device_bytes_per_byte", "<=", 2.2),
    ("clean", "cleaner, a tenth of the log alive: MB/s of log", "mb_per_s", ">=", 150),
    ("clean", "  with the space given back", "with_reclaim_mb_per_s", None, None),
    ("clean", "  CPU-s/GB of log", "cpu_s_per_gb", None, None),
    ("clean", "cleaner: bytes on disk per live byte after one run", "disk_per_live_byte", "<=", 1.3),
    ("broker", "broker: start to ready, empty: ms", "ready_ms", "<=", 150),
    ("broker", "broker: idle memory (RSS): MB", "rss_mb", "<=", 40),
]
# bench: gigabytes as a multiple of --gb
STORAGE_BENCHES = {"append_os": 0.4, "append_fsync": 0.4, "append_small": 0.4, "read": 0.2, "start": 1.0, "partitions": 0.0, "clean": 1.0}
STORAGE_GROUP = [*STORAGE_BENCHES, "find", "broker"]


def run_storage(binary, name, megabytes, parent):
    directory = tempfile.mkdtemp(prefix="cordwood-bench-", dir=parent)
    try:
        done = subprocess.run([binary, name, directory, str(megabytes)], check=True, stdout=subprocess.PIPE, text=True)
        return [json.loads(line) for line in done.stdout.splitlines()]
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def run_broker(binary, parent):
    """The median start of five on an empty directory, and the memory two seconds after the last."""
    readies = []
    for _ in range(5):
        directory = pathlib.Path(tempfile.mkdtemp(prefix="cordwood-bench-", dir=parent))
        ports = directory / "ports"
        started = time.monotonic()
        process = subprocess.Popen([binary, "--data-dir", directory / "data", "--listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0",
                                    "--port-file", ports], stderr=subprocess.DEVNULL)
        try:
            while not ports.exists():
                if process.poll() is not None:
                    raise RuntimeError("the broker did not start")
                time.sleep(0.001)
            readies.append((time.monotonic() - started) * 1000)
            if len(readies) == 5:
                time.sleep(2)
                status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
                rss_mb = int(next(line for line in status.splitlines() if line.startswith("VmRSS:")).split()[1]) * 1024 / 1e6
        finally:
            process.terminate()
            process.wait()
            shutil.rmtree(directory, ignore_errors=True)
    return [{"bench": "broker", "ready_ms": sorted(readies)[2], "rss_mb": rss_mb}]


def measure_storage(arguments, wanted):
    lines = []
    for name, share in STORAGE_BENCHES.items():
        if wanted(name) or (name == "read" and wanted("find")):
            print(f"measuring {name} …", file=sys.stderr)
            if name.startswith("append"):
                # Not counted: a virtual machine is slow to hand out memory at its first touch, page cache included.
                run_storage(arguments.bin / "storage_bench", name, int(arguments.gb * share * 1000), arguments.dir)
            lines += run_storage(arguments.bin / "storage_bench", name, int(arguments.gb * share * 1000), arguments.dir)
    if wanted("broker"):
        print("measuring broker …", file=sys.stderr)
        lines += run_broker(arguments.bin / "cordwoodd", arguments.dir)
    (arguments.json_dir / "storage.json").write_text(json.dumps(lines) + "\n")
    return lines


def measure_with(kind, benches, settings, arguments, wanted):
    runner = kind(arguments.bin, arguments.dir, arguments.gb, arguments.seconds, arguments.json_dir)
    lines = []
    for name in filter(wanted, benches):
        print(f"measuring {name} …", file=sys.stderr)
        lines.append(runner.run(name, benches[name], settings.get(name, ())))
    return lines


def print_table(figures, found):
    print("| figure | target | measured | |\n|---|---|---|---|")
    for bench, title, key, comparison, target in figures:
        if bench not in found or key not in found[bench]:
            continue
        value = found[bench][key]
        verdict = ""
        if comparison:
            verdict = "met" if (value >= target if comparison == ">=" else value <= target) else found[bench].get("verdicts", {}).get(key, "MISSED")
        shown = f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
        goal = f"{comparison} {target:,}" if comparison else ""
        print(f"| {title} | {goal} | {shown} | {verdict} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    parser.add_argument("--only", choices=["storage", "serving", "groups", *STORAGE_GROUP, *serving.BENCHES, *groups.BENCHES],
                        help="storage, serving, groups (consumer groups), or one bench")
    parser.add_argument("--gb", type=float, default=10.0, help="size of the start, replay and clean benches; the others take a fraction of it")
    parser.add_argument("--seconds", type=float, default=30.0, help="how long each serving bench at a fixed rate runs")
    parser.add_argument("--dir", help="where to make the data directories (default: the system's temporary directory)")
    parser.add_argument("--json-dir", type=pathlib.Path, required=True, help="where the raw results are written, a file a bench")
    arguments = parser.parse_args()
    arguments.json_dir.mkdir(parents=True, exist_ok=True)
    parts = {"storage": STORAGE_GROUP, "serving": list(serving.BENCHES), "groups": [*groups.BENCHES, "clean"]}
    names = parts.get(arguments.only, [arguments.only] if arguments.only else [name for part in parts.values() for name in part])
    lines = []
    if set(names) & set(STORAGE_GROUP):
        lines += measure_storage(arguments, names.__contains__)
    lines += measure_with(serving.Serving, serving.BENCHES, {}, arguments, names.__contains__)
    lines += measure_with(groups.Groups, groups.BENCHES, groups.SETTINGS, arguments, names.__contains__)
    print_table(FIGURES + serving.FIGURES + groups.FIGURES, {line["bench"]: line for line in lines})
    print(f"raw results: {arguments.json_dir}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
