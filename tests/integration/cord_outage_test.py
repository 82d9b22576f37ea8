#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`cord` and a broker that is killed, stays away or hangs."""
import contextlib
import signal
import subprocess
import time

from cord_fixture import COMMAND_SECONDS, CordCase, OPTIONS, main, wait_until


class CordAndDyingBrokersTest(CordCase):
    """Its broker is one that it may kill."""

    @contextlib.contextmanager
    def producer_after_one_record(self, topic):
        with subprocess.Popen([f"{OPTIONS.bin}/cord", "produce", topic, "--timeout", "2s"], stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=self.environment()) as producer:
            producer.stdin.write(b"one\n")
            producer.stdin.flush()
            wait_until(lambda: self.values(topic) == b"one\n", "the first record arrived")
            yield producer

    def test_a_kill_in_the_middle_loses_and_doubles_nothing(self):
        topic = self.topic(3)
        lines = [b"line %06d" % i for i in range(60_000)]
        with subprocess.Popen([f"{OPTIONS.bin}/cord", "produce", topic, "--batch-size", "4KiB", "--key-regex", r"(\d)$"], stdin=subprocess.PIPE, stderr=subprocess.PIPE,
                              env=self.environment()) as producer:
            for third in range(3):
                producer.stdin.write(b"".join(line + b"\n" for line in lines[third * 20_000:(third + 1) * 20_000]))
                producer.stdin.flush()
                if third < 2:
                    self.broker.kill()
                    self.broker.start()
            producer.stdin.close()
            self.assertEqual(producer.wait(COMMAND_SECONDS), 0, producer.stderr.read())
        back = self.values(topic).split(b"\n")[:-1]
        self.assertEqual(len(back), len(lines))
        self.assertCountEqual(back, lines)
        for partition in range(3):
            part = self.values(topic, "-p", partition).split(b"\n")[:-1]
            self.assertEqual(part, sorted(part))

    def test_a_follower_goes_on_after_a_kill(self):
        topic = self.topic()
        with subprocess.Popen([f"{OPTIONS.bin}/cord", "consume", topic, "-f", "--from", "start", "-F", "%v\\n"], stdout=subprocess.PIPE, env=self.environment()) as follower:
            self.ok("produce", topic, stdin=b"before\n")
            self.assertEqual(follower.stdout.readline(), b"before\n")
            self.broker.kill()
            self.broker.start()
            self.ok("produce", topic, stdin=b"after\n")
            self.assertEqual(follower.stdout.readline(), b"after\n")
            follower.send_signal(signal.SIGINT)
            self.assertEqual(follower.wait(COMMAND_SECONDS), 0)

    def test_a_broker_that_stays_away_is_told_in_time(self):
        topic = self.topic()
        with self.producer_after_one_record(topic) as producer:
            self.broker.kill()
            start = time.monotonic()
            producer.stdin.write(b"two\n")
            producer.stdin.flush()
            self.assertIn(b"connection lost", producer.stderr.readline())
            producer.stdin.write(b"three\n")
            producer.stdin.close()
            self.assertEqual(producer.wait(COMMAND_SECONDS), 7)
            self.assertLess(time.monotonic() - start, 15)
            errors = producer.stderr.read().decode()
        self.broker.start()
        self.assertRegex(errors, r"(?m)^error: line 2: .*\[REQUEST_TIMED_OUT\]$")
        self.assertRegex(errors, r"(?m)^error: line 3: could not be sent within .*\[REQUEST_TIMED_OUT\]$")
        self.assertEqual(self.values(topic), b"one\n")

    def test_after_a_long_outage_the_input_is_read_on(self):
        topic = self.topic()
        with self.producer_after_one_record(topic) as producer:
            self.broker.kill()
            producer.stdin.write(b"given up\n")
            producer.stdin.flush()
            while b"error: line 2: " not in producer.stderr.readline():
                pass
            self.broker.start()

            def goes_through():
                producer.stdin.write(b"perhaps\n")
                producer.stdin.flush()
                return b"perhaps\n" in self.values(topic)
            wait_until(goes_through, "the producer is connected again")
            producer.stdin.write(b"later\n" * 600)
            producer.stdin.close()
            self.assertEqual(producer.wait(COMMAND_SECONDS), 7, producer.stderr.read())
        self.assertEqual(self.values(topic).count(b"later\n"), 600)

    def test_a_bench_ends_in_time_when_its_broker_does(self):
        benches = {"produce": ("--rate", "100/s"), "consume": ("--from", "end"), "e2e": ("--idle", "1ms", "--records", "100000")}
        topics = {name: self.topic() for name in benches}
        processes = {}
        for name, arguments in benches.items():
            processes[name] = subprocess.Popen([f"{OPTIONS.bin}/cord", "bench", name, topics[name], "--timeout", "1s", *arguments], stdout=subprocess.PIPE,
                                               stderr=subprocess.PIPE, env=self.environment())
            self.addCleanup(processes[name].kill)
        self.assertIn(b"at the end of", processes["consume"].stderr.readline())
        wait_until(lambda: min(self.high_watermark(topics["produce"]), self.high_watermark(topics["e2e"])) >= 10, "both send")
        self.broker.kill()
        start = time.monotonic()
        ended = {name: (process.communicate(timeout=COMMAND_SECONDS)[1].decode(), process.returncode) for name, process in processes.items()}
        self.assertLess(time.monotonic() - start, 15)
        self.broker.start()
        self.assertEqual({name: code for name, (_, code) in ended.items()}, {"produce": 7, "consume": 6, "e2e": 6}, ended)
        for errors, _ in ended.values():
            self.assertEqual([line[:7] for line in errors.splitlines() if not line.startswith("  hint")], ["error: "], errors)

    def test_a_broker_that_hangs_is_told_in_time(self):
        topic = self.topic()
        with self.producer_after_one_record(topic) as producer:
            self.broker.pause()
            self.addCleanup(self.broker.process.send_signal, signal.SIGCONT)
            start = time.monotonic()
            producer.stdin.write(b"two\n" * 300)
            producer.stdin.close()
            self.assertEqual(producer.wait(COMMAND_SECONDS), 7)
            self.assertLess(time.monotonic() - start, 15)
            errors = producer.stderr.read().decode()
        self.fails(6, "consume", topic, "--timeout", "1s")
        self.broker.process.send_signal(signal.SIGCONT)
        self.assertIn("error: line 2: ", errors)
        self.assertIn("done: 1 records, 3 B", errors)
        self.assertLess(errors.count("error: "), 10)


if __name__ == "__main__":
    main()
