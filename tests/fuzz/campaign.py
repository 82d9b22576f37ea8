#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the fuzzers round robin, each from the corpus that earlier runs left, and keeps the ledger of what each target has had.

The target with the fewest CPU-seconds goes next. A run that ends is one line in the ledger; one that is cut short (SIGINT, SIGTERM) too, so a
campaign goes on where it was stopped. Targets with a finding are left out until the next start. Exit code 1 if anything was found.
"""
import argparse
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

TARGETS = ("batch_bytes", "built_batch", "codec_frame", "wire_request", "fetch_answer", "produce_answer", "member_answer", "group_log", "configuration", "disk_bytes",
           "stored_partition", "broker_calls")
OTHER_OPTIONS = "-len_control=20 -max_len=8192 -timeout=60 -rss_limit_mb=2048"
OPTIONS = {
    # RocksDB holds what one input wrote while others run: leaks cannot be told from that, and looking for them takes nine tenths of the time.
    "stored_partition": OTHER_OPTIONS + " -detect_leaks=0",
    # The same of the broker's threads.
    "broker_calls": "-detect_leaks=0 -len_control=0 -max_len=1024 -timeout=300 -rss_limit_mb=6000 -reload=0",
}
ROUNDS = {"broker_calls": 3}  # times --round: reading its corpus takes a minute
SANITIZER_OPTIONS = "allocator_may_return_null=1:detect_stack_use_after_return=1"
GRACE_SECONDS = 30  # from the end of a run's time, or an interruption, to its kill
ARTIFACTS = ("crash-", "leak-", "oom-", "timeout-")  # slow-unit- is a remark
LEDGER_FIELDS = ("ended", "target", "cpu_seconds", "wall_seconds", "runs", "cov", "features", "corpus", "findings")
HERE = pathlib.Path(__file__).resolve().parent
FIGURES = re.compile(r"^#(\d+)\t.*?(?: cov: (\d+))?(?: ft: (\d+))? corp: ", re.M)


class Ledger:
    """What every run took and reached, one line each; only ever appended to."""

    def __init__(self, path):
        self._path = path
        self.rows = []
        if not path.exists():
            path.write_text("\t".join(LEDGER_FIELDS) + "\n")
        text = path.read_text()
        if not text.endswith("\n"):  # a crash cut the last line, which then counts for nothing
            with path.open("a") as file:
                file.write("\n")
        for line in text.splitlines()[1:]:
            values = line.split("\t")
            if len(values) == len(LEDGER_FIELDS):
                self.rows.append(dict(zip(LEDGER_FIELDS, values)))

    def add(self, **row):
        self.rows.append({key: str(value) for key, value in row.items()})
        with self._path.open("a") as file:
            file.write("\t".join(str(row[field]) for field in LEDGER_FIELDS) + "\n")

    def total(self, target, field):
        return sum(float(row[field]) for row in self.rows if row["target"] == target)

    def last(self, target, field):
        return max((int(row[field]) for row in self.rows[-200:] if row["target"] == target), default=0)

    def table(self, targets):
        rows = [("target", "CPU-hours", "runs", "runs/CPU-s", "cov", "features", "corpus", "findings")]
        for target in targets:
            cpu, runs = self.total(target, "cpu_seconds"), int(self.total(target, "runs"))
            corpora = [row["corpus"] for row in self.rows if row["target"] == target]
            rows.append((target, f"{cpu / 3600:.2f}", str(runs), f"{runs / cpu:.0f}" if cpu else "-", str(self.last(target, "cov")),
                         str(self.last(target, "features")), corpora[-1] if corpora else "0", str(int(self.total(target, "findings")))))
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)


class Run:
    """One libFuzzer process over one target's corpus."""

    def __init__(self, campaign, target, slot, seconds):
        self.target = target
        self._campaign = campaign
        self._log = campaign.out / "logs" / f"{target}-{slot}.log"
        self._corpus = campaign.out / "corpus" / target
        self._corpus.mkdir(parents=True, exist_ok=True)
        self._scratch = pathlib.Path(tempfile.mkdtemp(dir=campaign.scratch))  # a crashed broker leaves its data directory
        self._artifacts = campaign.out / "findings" / f"{target}-"
        self._findings_before = self._findings()
        seeds = [campaign.scratch / "seeds" / target, HERE / "findings" / target]
        command = [campaign.bin / f"{target}_fuzz", *OPTIONS.get(target, OTHER_OPTIONS).split(), f"-max_total_time={seconds}",
                   f"-artifact_prefix={self._artifacts}", self._corpus, *[path for path in seeds if path.is_dir()]]
        environment = {"ASAN_OPTIONS": SANITIZER_OPTIONS, **os.environ, "TMPDIR": str(self._scratch)}
        self._started = time.monotonic()
        self.deadline = self._started + 4 * seconds + GRACE_SECONDS  # the corpus is read before the time counts
        # It dies with this program, whatever happens to it, and takes no signal from the terminal but ours.
        with self._log.open("w") as log:
            self.process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *command], stdout=log, stderr=subprocess.STDOUT, env=environment,
                                            start_new_session=True)

    def _findings(self):
        return [path for path in self._artifacts.parent.glob(self.target + "-*") if path.name.startswith(tuple(self.target + "-" + a for a in ARTIFACTS))]

    def finish(self, usage):
        """Takes down what the ended process used. The number of findings."""
        shutil.rmtree(self._scratch, ignore_errors=True)
        figures = FIGURES.findall(self._log.read_text(errors="replace"))
        findings = len(self._findings()) - len(self._findings_before)
        if findings == 0 and self.process.returncode not in (0, -signal.SIGKILL, 72):  # 72: interrupted
            findings = 1  # libFuzzer wrote nothing down; its log says why
        self._campaign.ledger.add(
            ended=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), target=self.target, cpu_seconds=f"{usage.ru_utime + usage.ru_stime:.1f}",
            wall_seconds=f"{time.monotonic() - self._started:.1f}", runs=max((int(f[0]) for f in figures), default=0),
            cov=max((int(f[1] or 0) for f in figures), default=0), features=max((int(f[2] or 0) for f in figures), default=0),
            corpus=sum(1 for _ in self._corpus.iterdir()), findings=findings)
        if findings > 0:
            kept = self._log.with_name(f"{self._log.stem}-finding-{int(time.time())}.log")
            shutil.copy(self._log, kept)
            print(f"{self.target}: {findings} finding(s), see {kept}", file=sys.stderr, flush=True)
        return findings


class Campaign:
    def __init__(self, arguments, scratch):
        self.out, self.bin, self.scratch = arguments.out, arguments.bin, scratch
        for folder in ("findings", "logs"):
            (self.out / folder).mkdir(parents=True, exist_ok=True)
        self.ledger = Ledger(self.out / "ledger.tsv")
        self._arguments = arguments
        self._left = {target: arguments.jobs if len(arguments.targets) == 1 else 1 for target in arguments.targets}  # runs of --seconds
        self._running = {}  # pid -> Run
        self._found = set()
        self._stopping = False

    def run(self):
        subprocess.run([self.bin / "fuzz_seeds", self.scratch / "seeds"], check=True)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._stop)
        while True:
            while not self._stopping and len(self._running) < self._arguments.jobs and (target := self._next()) is not None:
                self._start(target)
            if not self._running:
                return len(self._found)
            self._await_one()

    def _start(self, target):
        slots = {run.slot for run in self._running.values()}
        slot = next(i for i in range(self._arguments.jobs) if i not in slots)
        run = Run(self, target, slot, self._seconds(target))
        run.slot = slot
        self._running[run.process.pid] = run

    def _seconds(self, target):
        if self._arguments.cpu_hours is None:
            self._left[target] -= 1
            return self._arguments.seconds
        return self._arguments.round * ROUNDS.get(target, 1)

    def _next(self):
        """The target that has had least, of those that have something left and do not run; one alone may run in every slot."""
        running = [run.target for run in self._running.values()]
        wanted = [target for target in self._arguments.targets if target not in self._found and self._wants(target)]
        idle = wanted if len(self._arguments.targets) == 1 else [target for target in wanted if target not in running]
        return min(idle, key=lambda target: self.ledger.total(target, "cpu_seconds"), default=None)

    def _wants(self, target):
        if self._arguments.cpu_hours is None:
            return self._left[target] > 0
        return self.ledger.total(target, "cpu_seconds") < 3600 * self._arguments.cpu_hours

    def _await_one(self):
        for pid, run in list(self._running.items()):
            ended, status, usage = os.wait4(pid, os.WNOHANG)
            if ended == pid:
                run.process.returncode = os.waitstatus_to_exitcode(status)
                del self._running[pid]
                if run.finish(usage) > 0:
                    self._found.add(run.target)
            elif time.monotonic() > run.deadline:
                run.process.kill()
        time.sleep(0.05)

    def _stop(self, *_):
        self._stopping = True
        for run in self._running.values():
            run.process.send_signal(signal.SIGINT)
            run.deadline = time.monotonic() + GRACE_SECONDS


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--seconds", type=int, default=60, help="for each target, once (60)")
    length.add_argument("--cpu-hours", type=float, help="until each target has had so many, earlier runs counted")
    parser.add_argument("--round", type=int, default=300, help="seconds of one run of --cpu-hours (300); thrice that for broker_calls")
    parser.add_argument("--only", choices=TARGETS, metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--jobs", type=int, default=1, help="processes at a time (1)")
    parser.add_argument("--summary", action="store_true", help="print the ledger's table and run nothing")
    parser.add_argument("--bin", type=pathlib.Path, required=True, help="where the targets are")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="where corpora, findings, logs and the ledger are kept")
    arguments = parser.parse_args()
    arguments.bin, arguments.out = arguments.bin.resolve(), arguments.out.resolve()
    arguments.targets = (arguments.only,) if arguments.only else TARGETS
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="cordwood-fuzz-", dir=memory, ignore_cleanup_errors=True) as scratch:
        campaign = Campaign(arguments, pathlib.Path(scratch))
        found = 0 if arguments.summary else campaign.run()
    print(campaign.ledger.table(arguments.targets))
    if found:
        print(f"findings are in {campaign.out / 'findings'}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
