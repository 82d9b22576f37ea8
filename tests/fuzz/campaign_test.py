#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""campaign.py with fuzzers of three lines, and coverage.py's reading of what llvm-cov writes."""
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import campaign
import coverage

HERE = pathlib.Path(__file__).resolve().parent
LINE = "#{runs}\\tDONE   cov: 7 ft: 9 corp: 1/1b exec/s: 3 rss: 1Mb"


class CampaignTest(unittest.TestCase):
    def setUp(self):
        self._directory = tempfile.TemporaryDirectory()
        self.addCleanup(self._directory.cleanup)
        root = pathlib.Path(self._directory.name)
        self.bin, self.out = root / "bin", root / "out"
        self.bin.mkdir()
        self._program("fuzz_seeds", 'mkdir -p "$1"')
        for target in campaign.TARGETS:
            self._program(target + "_fuzz", f'printf "{LINE.format(runs=100)}\\n"')

    def _program(self, name, text):
        (self.bin / name).write_text("#!/bin/sh\n" + text + "\n")
        (self.bin / name).chmod(0o755)

    def _command(self, *arguments):
        return [sys.executable, "-B", HERE / "campaign.py", "--bin", self.bin, "--out", self.out, *arguments]

    def _run(self, *arguments):
        done = subprocess.run(self._command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        return done.returncode, done.stdout

    def _ledger(self):
        return campaign.Ledger(self.out / "ledger.tsv")

    def test_every_target_runs_once_and_is_a_line_of_the_ledger(self):
        code, table = self._run("--seconds", "1", "--jobs", "2")
        self.assertEqual((code, sorted(row["target"] for row in self._ledger().rows)), (0, sorted(campaign.TARGETS)))
        self.assertEqual([self._ledger().rows[0][field] for field in ("runs", "cov", "features", "findings")], ["100", "7", "9", "0"])
        self.assertEqual(len(table.splitlines()), 1 + len(campaign.TARGETS))

    def test_what_has_its_cpu_hours_is_not_run_again_and_the_poorest_goes_first(self):
        self.out.mkdir()
        ledger = self._ledger()
        for target in campaign.TARGETS:
            ledger.add(ended="-", target=target, cpu_seconds=0 if target == "configuration" else 3600, wall_seconds=1, runs=1, cov=1, features=1, corpus=1, findings=0)
        # A second of work, so that a thousandth of an hour is reached.
        self._program("configuration_fuzz", f'i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; printf "{LINE.format(runs=5)}\\n"')
        self._run("--cpu-hours", "0.00005")
        self.assertEqual({row["target"] for row in self._ledger().rows[len(campaign.TARGETS):]}, {"configuration"})

    def test_an_interrupted_run_is_counted(self):
        self.out.mkdir()
        end = f"lambda *_: (print('{LINE.format(runs=42)}', flush=True), os._exit(72))"
        code = f"import os, pathlib, signal; signal.signal(signal.SIGINT, {end}); pathlib.Path('{self.out}/begun').touch(); signal.pause()"
        self._program("codec_frame_fuzz", f'exec {sys.executable} -S -c "{code}"')
        with subprocess.Popen(self._command("--seconds", "60", "--only", "codec_frame"), stdout=subprocess.DEVNULL) as process:
            while not (self.out / "begun").exists():
                time.sleep(0.01)
            process.send_signal(signal.SIGINT)
            self.assertEqual(process.wait(timeout=60), 0)
        self.assertEqual([row["runs"] for row in self._ledger().rows], ["42"])

    def test_a_target_with_a_finding_is_left_out_and_told_of(self):
        self._program("codec_frame_fuzz", f': >"{self.out}/findings/codec_frame-crash-0"; exit 1')
        code, _ = self._run("--cpu-hours", "1", "--only", "codec_frame")
        self.assertEqual((code, [row["findings"] for row in self._ledger().rows]), (1, ["1"]))

    def test_a_fuzzer_that_dies_without_a_word_is_a_finding(self):
        self._program("codec_frame_fuzz", "kill -SEGV $$")
        self.assertEqual(self._run("--seconds", "1", "--only", "codec_frame")[0], 1)

    def test_a_line_that_a_crash_cut_counts_for_nothing(self):
        self._run("--seconds", "1", "--only", "codec_frame")
        path = self.out / "ledger.tsv"
        path.write_text(path.read_text() + "2026-01-01T00:00:00Z\tcodec_fra")
        self._run("--seconds", "1", "--only", "codec_frame")
        self.assertEqual([row["runs"] for row in self._ledger().rows], ["100", "100"])


class CoverageTest(unittest.TestCase):
    def test_lcov_gives_counts_and_the_lines_never_reached(self):
        lcov = "SF:/a.cc\nDA:1,5\nDA:2,0\nDA:3,0\nDA:7,0\nBRDA:1,0,0,3\nBRDA:1,0,1,-\nFNF:2\nFNH:1\nend_of_record\n"
        found = coverage.parse_lcov(lcov)["/a.cc"]
        self.assertEqual((found.lines, found.branches, found.functions), ([1, 4], [1, 2], [1, 2]))
        self.assertEqual(coverage.ranges(found.missed), "2-3 7")

    def test_every_target_is_measured_and_every_pattern_names_a_file(self):
        self.assertEqual(set(coverage.FILES), set(campaign.TARGETS))
        for target, patterns in coverage.FILES.items():
            for pattern in patterns:
                self.assertTrue(list(coverage.ROOT.glob(pattern.removeprefix("!"))), f"{target}: {pattern}")


if __name__ == "__main__":
    unittest.main()
