#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The examples, each run twice against one real broker, and against none.

usage: examples_test.py --bin DIR [unittest arguments]     (DIR holds cordwoodd and example_*)
"""
import argparse
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import unittest

OPTIONS = argparse.Namespace()
START_SECONDS = 30
ROOT = pathlib.Path(__file__).resolve().parents[2]


class ExamplesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        files = tempfile.TemporaryDirectory()
        cls.addClassCleanup(files.cleanup)
        ports = pathlib.Path(files.name) / "ports"
        broker = subprocess.Popen([f"{OPTIONS.bin}/cordwoodd", "--data-dir", f"{files.name}/data", "--listen", "127.0.0.1:0",
                                   "--http-listen", "127.0.0.1:0", "--port-file", ports], stderr=subprocess.DEVNULL)
        cls.addClassCleanup(broker.wait)
        cls.addClassCleanup(broker.kill)
        deadline = time.monotonic() + START_SECONDS
        while not ports.exists():
            if time.monotonic() > deadline or broker.poll() is not None:
                raise RuntimeError("the broker is not ready")
            time.sleep(0.01)
        cls.address = dict(line.split("=", 1) for line in ports.read_text().split())["grpc"]

    def run_example(self, name, address=None):
        return subprocess.run([f"{OPTIONS.bin}/example_{name}", address or self.address], text=True, timeout=120,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def says(self, name, words):
        done = self.run_example(name)
        self.assertEqual((done.returncode, done.stderr, done.stdout), (0, "", words))

    def test_hello_replays_only_what_this_run_sent(self):
        for first in (0, 3):
            sent = "".join(f"sent to offset {first + i}\n" for i in range(3))
            self.says("hello", sent + "1: hello\n2: from\n3: C++\n")

    def test_a_pipeline_with_a_slow_worker_keeps_order_and_bound(self):
        for _ in range(2):
            self.says("pipeline", "5000 records, in order, 0 failed, the buffer held at most 64\n")

    def test_orders_are_read_back_from_the_beginning(self):
        self.says("orders", "100 orders: 50 shipped, 50 paid, 0 out of order\n")
        self.says("orders", "200 orders: 100 shipped, 100 paid, 0 out of order\n")

    def test_a_work_queue_gives_each_job_to_one_worker(self):
        for _ in range(2):
            self.says("work_queue", "200 jobs by 3 workers, 0 done twice\n")

    def test_each_subscriber_gets_all_that_is_published(self):
        for _ in range(2):
            self.says("publish_subscribe", "display received 10\nbilling received 10\naudit received 10\n")

    def test_no_reply_is_lost_when_the_requester_restarts(self):
        for _ in range(2):
            self.says("request_reply", "2 replies, 3 more after a restart, 1 request without a reply in time\n")

    def test_an_order_that_comes_twice_is_applied_once(self):
        for _ in range(2):
            self.says("order_processor", "30 orders, total 465, 36 records came again and were skipped\n")

    def test_a_log_pipeline_counts_lines_by_severity(self):
        for _ in range(2):
            self.says("log_pipeline", "ERROR 1\nINFO 3\nOTHER 1\nWARN 1\n")
        subprocess.run([f"{OPTIONS.bin}/cord", "produce", "log-lines", "-b", self.address, "-q"], input=b"WARN from elsewhere\n", check=True)
        self.says("log_pipeline", "ERROR 1\nINFO 3\nOTHER 1\nWARN 2\n")
        missing = subprocess.run([f"{OPTIONS.bin}/example_log_pipeline", self.address, "/nowhere"], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
        self.assertEqual((missing.returncode, missing.stdout, missing.stderr), (1, "", "cannot read /nowhere\n"))

    def test_they_use_no_topic_that_the_readme_makes_for_something_else(self):
        made = set(re.findall(r"cord topic create (\S+)", (ROOT / "README.md").read_text()))
        self.assertIn("orders", made)
        used = set(re.findall(r'(?:kTopic\[\] = |\.name = )"([^"]+)"', "".join(path.read_text() for path in (ROOT / "client/examples").glob("*.cc"))))
        self.assertLessEqual({"greetings", "pipeline"}, used)
        self.assertEqual(made & used, set())

    def test_without_a_broker_they_say_so(self):
        for name in ("orders", "pipeline"):
            done = self.run_example(name, "127.0.0.1:1")
            self.assertEqual((done.returncode, done.stderr),
                             (1, "cannot reach any broker: tried 127.0.0.1:1 (connection refused)  [TRANSPORT]\n"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True)
    rest = parser.parse_known_args(namespace=OPTIONS)[1]
    unittest.main(argv=[sys.argv[0], *rest])
