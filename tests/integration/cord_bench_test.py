#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`cord bench`: it counts what it sends and reads, keeps its rate, and fails as the other commands do."""
import collections
import json
import signal
import subprocess

from cord_fixture import COMMAND_SECONDS, CordCase, OPTIONS, main, wait_until


class CordBenchTest(CordCase):
    def bench(self, *args):
        report = json.loads(self.ok("bench", *args, "-o", "json").out)
        self.assertEqual((report["bench"], report["failed"], report["topic"]["name"]), (args[0], 0, args[1]))
        self.assertRegex(report["version"], r"^cord \d")
        self.assertGreaterEqual(report["host"]["cores"], 1)
        self.assertAlmostEqual(report["records_per_s"], report["records"] / report["seconds"], delta=1)
        return report

    def check_latency(self, latency, count):
        self.assertEqual(latency["count"], count)
        steps = [latency[name] for name in ("min", "p50", "p90", "p99", "p99_9", "p99_99", "max")]
        self.assertEqual(steps, sorted(steps))
        self.assertGreater(steps[0], 0)
        self.assertEqual(sum(samples for _, _, samples in latency["histogram"]), count)

    def test_bench_produce_sends_what_it_counts(self):
        topic = self.topic(3)
        report = self.bench("produce", topic, "--records", 1000, "--size", 100, "--acks", "all", "--linger", "0ms", "--compression", "zstd", "--warm-up", 50, "--keys", 7)
        self.assertEqual((report["records"], report["bytes"], report["options"]["linger_us"]), (1000, 112_000, 0))
        self.check_latency(report["latency_us"], 1000)
        keys = collections.Counter(self.ok("consume", topic, "-F", "%k %V\\n").out.split(b"\n")[:-1])
        self.assertEqual((sum(keys.values()), sorted(keys)), (1050, [b"key-%08d 100" % k for k in range(7)]))

    def test_bench_produce_keeps_its_rate_and_its_partitions(self):
        topic = self.topic(4)
        report = self.bench("produce", topic, "--records", 100, "--rate", "1000/s", "-p", "1,3", "--producers", 3)
        self.assertGreaterEqual(report["seconds"], 0.099)  # the last record is not due before
        ends = json.loads(self.ok("topic", "offsets", topic, "-o", "json").out)["topic"]["partitions"]
        self.assertEqual([p["high_watermark"] for p in ends], ["0", "50", "0", "50"])

    def test_bench_consume_reads_from_the_start_and_no_fewer_than_asked(self):
        topic = self.topic(2)
        self.bench("produce", topic, "--records", 500, "--size", 10, "-p", "all")
        self.assertEqual(self.bench("consume", topic, "--records", 500)["bytes"], 5000)
        warm = self.bench("consume", topic, "--records", 390, "--warm-up", 110)
        self.assertEqual((warm["records"], warm["bytes"]), (390, 3900))
        self.assertIn("fewer than the 1 asked for after a warm-up of 2s", self.fails(1, "bench", "consume", topic, "--records", 1, "--warm-up", "2s"))
        self.assertIn("there are 500 records", self.fails(1, "bench", "consume", topic, "--records", 501))
        self.assertIn("there are 250 records", self.fails(1, "bench", "consume", topic, "--records", 251, "-p", 1))

    def test_bench_e2e_gets_every_record_back(self):
        topic = self.topic(2)
        report = self.bench("e2e", topic, "--records", 20, "--size", 100, "--idle", "1ms")
        self.assertEqual((report["records"], report["bytes"], report["options"]["idle_ms"]), (20, 2000, 1))
        self.check_latency(report["latency_us"], 20)
        self.check_latency(report["acknowledged_us"], 20)
        text = self.ok("bench", "e2e", topic, "--records", 3).out.decode()
        self.assertRegex(text, rf"^e2e {topic}: 3 records, 3.1 KB in ")
        self.assertRegex(text, r"latency_us:  p50 [\d.]+  p90 ")

    def test_a_report_that_cannot_be_written_is_an_error(self):
        with open("/dev/full", "wb") as full:
            for form in ("text", "json"):
                done = subprocess.run([f"{OPTIONS.bin}/cord", "bench", "e2e", self.topic(), "--records", "1", "-o", form], stdout=full, stderr=subprocess.PIPE,
                                      timeout=COMMAND_SECONDS, env=self.environment())
                self.assertEqual(done.returncode, 1)
                self.assertIn(b"cannot write to stdout", done.stderr)

    def test_an_interrupted_bench_reports_what_it_did(self):
        topic = self.topic()
        with subprocess.Popen([f"{OPTIONS.bin}/cord", "bench", "produce", topic, "--rate", "100/s", "--size", "5", "-o", "json"], stdout=subprocess.PIPE,
                              env=self.environment()) as bench:
            wait_until(lambda: self.values(topic) != b"", "a record arrived")
            bench.send_signal(signal.SIGINT)
            report = json.loads(bench.stdout.read())
            self.assertEqual(bench.wait(COMMAND_SECONDS), 130)
        self.assertEqual((report["records"], report["failed"]), (self.high_watermark(topic), 0))

    def test_bench_fails_as_the_other_commands_do(self):
        topic = self.topic()
        self.assertIn("--rate", self.fails(2, "bench", "produce", topic, "--rate", "fast"))
        self.assertIn("--idle", self.fails(2, "bench", "e2e", topic, "--idle", "long"))
        for command in ("produce", "consume", "e2e"):
            self.fails(3, "bench", command, "nowhere")
            self.fails(3, "bench", command, topic, "-p", "0,1")
            self.fails(6, "-b", "127.0.0.1:1", "bench", command, topic)

    def test_a_record_that_the_topic_does_not_take_is_refused_before_any_is_sent(self):
        topic = self.topic()
        for command in ("produce", "e2e"):
            self.assertIn("--size 2000000", self.fails(1, "bench", command, topic, "--records", 1, "--size", "2MB"))
            self.assertIn(f"cord topic set {topic} -c max.message.bytes=", self.fails(1, "bench", command, topic, "--records", 1, "--size", 1048588))
            self.assertIn("0 to 7999900 bytes", self.fails(2, "bench", command, topic, "--size", 8388608))
        self.bench("produce", topic, "--records", 1, "--size", 1100000, "-z", "zstd", "--payload", "compressible")  # smaller on its way
        self.ok("topic", "set", topic, "-c", "max.message.bytes=8000000")
        self.bench("produce", topic, "--records", 2, "--size", 7999900)

    def test_a_number_that_does_not_fit_is_refused(self):
        topic = self.topic()
        for flag in ("--records", "--keys", "--producers"):
            self.assertIn("write a whole number", self.fails(2, "bench", "produce", topic, flag, "18446744073709551616"))


if __name__ == "__main__":
    main()
