#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The table of figures: every bench runs, however small, every row is filled, and a row says whether its target is met.

usage: figures_test.py --bin DIR     (DIR holds cordwoodd, cord, limit, serving_bench, groups_bench, assignor_bench and storage_bench)
"""
import argparse
import contextlib
import io
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

import figures
import groups
import serving

OPTIONS = argparse.Namespace()
SCRIPT = pathlib.Path(figures.__file__)


def table(rows, found):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        figures.print_table(rows, found)
    return out.getvalue().splitlines()[2:]


class FiguresTest(unittest.TestCase):
    def test_a_row_says_whether_its_target_is_met(self):
        rows = [("a", "rate", "rate", ">=", 1000), ("a", "cpu", "cpu", "<=", 0.5), ("a", "memory", "memory", None, None), ("b", "not run", "rate", ">=", 1)]
        self.assertEqual(table(rows, {"a": {"rate": 1000, "cpu": 0.5, "memory": 3}}), ["| rate | >= 1,000 | 1,000 | met |", "| cpu | <= 0.5 | 0.5 | met |", "| memory |  | 3 |  |"])
        self.assertEqual(table(rows, {"a": {"rate": 999, "cpu": 0.51, "memory": 3}})[:2], ["| rate | >= 1,000 | 999 | MISSED |", "| cpu | <= 0.5 | 0.51 | MISSED |"])

    def test_a_miss_may_have_its_reason(self):
        rows = [("a", "rate", "rate", ">=", 10)]
        self.assertEqual(table(rows, {"a": {"rate": 9, "verdicts": {"rate": "the disk is slower"}}}), ["| rate | >= 10 | 9 | the disk is slower |"])
        self.assertEqual(table(rows, {"a": {"rate": 11, "verdicts": {"rate": "the disk is slower"}}}), ["| rate | >= 10 | 11 | met |"])

    def check_part(self, part, rows, benches):
        with tempfile.TemporaryDirectory() as directory:
            done = subprocess.run([sys.executable, SCRIPT, "--bin", OPTIONS.bin, "--only", part, "--gb", "0.02", "--seconds", "0.2", "--dir", directory,
                                   "--json-dir", f"{directory}/json"], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)
            titles = [line.split("|")[1].strip() for line in done.stdout.splitlines()[2:]]
            self.assertEqual(titles, [title.strip() for _, title, _, _, _ in rows])
            for name in benches:
                self.assertEqual(json.loads(pathlib.Path(f"{directory}/json/{name}.json").read_text())["bench"], name)
            self.assertEqual([path.name for path in pathlib.Path(directory).iterdir()], ["json"])  # no data directory is left

    def test_every_serving_bench_runs_and_fills_its_rows(self):
        self.check_part("serving", serving.FIGURES, serving.BENCHES)

    def test_every_bench_of_groups_runs_and_fills_its_rows(self):
        self.check_part("groups", [row for row in figures.FIGURES if row[0] == "clean"] + groups.FIGURES, groups.BENCHES)

    def test_a_bench_is_run_by_its_name_alone(self):
        with tempfile.TemporaryDirectory() as directory:
            done = subprocess.run([sys.executable, SCRIPT, "--bin", OPTIONS.bin, "--only", "e2e_os", "--seconds", "0.01", "--dir", directory, "--json-dir", f"{directory}/json"],
                                  capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual([path.name for path in pathlib.Path(f"{directory}/json").iterdir()], ["e2e_os.json"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True)
    OPTIONS, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])
