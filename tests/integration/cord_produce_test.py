#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`cord produce`: what a line, a key and an interrupt become, and what is said of a record that is refused."""
import json
import signal
import subprocess
import time

from cord_fixture import COMMAND_SECONDS, CordCase, OPTIONS, main, wait_until


class CordProduceTest(CordCase):
    def test_every_byte_of_a_line_comes_back(self):
        topic = self.topic()
        lines = b"a\r\n\n\0nul\0\n\xff\xfe not utf-8\n" + b"x" * 900_000 + b"\nlast without newline"
        result = self.ok("produce", topic, stdin=lines)
        self.assertEqual(result.out, b"")
        self.assertRegex(result.err, r"^done: 6 records, .*; 0 failed\n$")
        self.assertEqual(self.values(topic), lines + b"\n")

    def test_an_empty_input_is_no_record(self):
        topic = self.topic()
        self.ok("produce", topic)
        self.assertEqual(self.values(topic), b"")
        self.ok("produce", topic, stdin=b"\n")
        self.assertEqual(self.values(topic), b"\n")

    def test_keys_by_delimiter_and_by_expression(self):
        topic = self.topic(4)
        self.ok("produce", topic, "--key-delim", ":", stdin=b"k:v:w\nnokey\n:empty\n")
        lines = self.ok("consume", topic).out.splitlines()
        self.assertCountEqual([(r["key"], r["value"]) for r in map(json.loads, lines)], [("k", "v:w"), (None, "nokey"), ("", "empty")])
        other = self.topic(4)
        self.ok("produce", other, "--key-regex", r"^(\S+)", stdin=b"one two\nthree\n four\n\xffx y\n")
        got = self.ok("consume", other, "-F", "%k|%v\\n").out.splitlines()
        self.assertCountEqual(got, [b"one|one two", b"three|three", b"| four", b"\xffx|\xffx y"])

    def test_a_key_has_kafkas_partition(self):
        topic = self.topic(7)
        self.ok("produce", topic, "--key-delim", ":", stdin=b"21:x\nabc:y\n")
        got = self.ok("consume", topic, "-F", "%k %p\\n").out.splitlines()
        self.assertCountEqual(got, [b"21 %d" % ((-973932308 & 0x7FFFFFFF) % 7), b"abc %d" % (479470107 % 7)])

    def test_acknowledged_records_are_printed_with_their_offsets(self):
        topic = self.topic()
        self.assertEqual(self.ok("produce", topic, "-F", "%p %o %v\\n", stdin=b"a\nb\n").out, b"0 0 a\n0 1 b\n")
        self.assertEqual(self.ok("produce", topic, "-F", "%t %k=%v;", "--key-delim", "=", stdin=b"k=v").out, f"{topic} k=v;".encode())

    def test_codecs_acks_and_batch_sizes_make_no_difference(self):
        lines = b"".join(b"line %d %s\n" % (i, b"ab" * (i % 50)) for i in range(2000))
        for args in (["-z", "gzip"], ["-z", "snappy"], ["-z", "lz4"], ["-z", "zstd"], ["--acks", "leader"], ["--acks", "none"], ["--batch-size", "1"], ["--linger", "0ms"]):
            topic = self.topic()
            self.ok("produce", topic, *args, stdin=lines)
            if args[-1] == "none":
                wait_until(lambda: b"2000" in self.ok("topic", "offsets", topic).out, "all records arrived")
            self.assertEqual(self.values(topic), lines, args)

    def test_an_interrupt_keeps_what_was_acknowledged(self):
        topic = self.topic()
        with subprocess.Popen([f"{OPTIONS.bin}/cord", "produce", topic, "-F", "%v\\n"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env=self.environment()) as producer:
            producer.stdin.write(b"one\ntwo\n")
            producer.stdin.flush()
            self.assertEqual(producer.stdout.readline() + producer.stdout.readline(), b"one\ntwo\n")
            producer.send_signal(signal.SIGINT)
            self.assertEqual(producer.wait(COMMAND_SECONDS), 130)
            self.assertIn(b"done: 2 records", producer.stderr.read())
        self.assertEqual(self.values(topic), b"one\ntwo\n")

    def test_a_rate_is_kept(self):
        topic = self.topic()
        start = time.monotonic()
        self.ok("produce", topic, "--rate", "100/s", stdin=b"x\n" * 51)
        self.assertGreaterEqual(time.monotonic() - start, 0.5)

    def test_a_refused_record_is_named_and_the_rest_goes_on(self):
        topic = self.topic(1, "max.message.bytes=1024")
        result = self.cord("produce", topic, stdin=b"one\n" + b"x" * 2000 + b"\nthree\n")
        self.assertEqual(result.code, 7, result)
        self.assertRegex(result.err, r"(?m)^error: line 2: .*\[MESSAGE_TOO_LARGE\]$")
        self.assertIn("done: 2 records", result.err)
        self.assertIn("1 failed", result.err)
        self.assertEqual(self.values(topic), b"one\nthree\n")

    def test_records_that_are_small_enough_pass_though_their_batch_is_too_large(self):
        topic = self.topic(1, "max.message.bytes=1024")
        lines = b"".join(b"line %d\n" % i for i in range(5000))
        self.ok("produce", topic, stdin=lines)
        self.assertEqual(self.values(topic), lines)

    def test_lines_beyond_every_limit_are_named(self):
        topic = self.topic()
        result = self.cord("produce", topic, stdin=b"a\n" + b"x" * 9_000_000 + b"\n" + b"y" * 2_000_000 + b"\nb\n")
        self.assertEqual(result.code, 7, result)
        self.assertRegex(result.err, r"(?m)^error: line 2: a line of 9000000 bytes; .*\[MESSAGE_TOO_LARGE\]$")
        self.assertRegex(result.err, r"(?m)^error: line 3: .*\[MESSAGE_TOO_LARGE\]$")
        self.assertEqual(self.values(topic), b"a\nb\n")

    def test_a_directory_is_no_input(self):
        topic = self.topic()
        self.assertIn(f"cannot read {self.dir}: Is a directory", self.fails(2, "produce", topic, "--file", self.dir))


if __name__ == "__main__":
    main()
