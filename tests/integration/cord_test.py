#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`cord` as people use it, against real brokers: what goes in comes out, and every way to fail has its words and its exit code.

usage: cord_test.py --bin DIR [--logs DIR] [unittest arguments]     (DIR holds cordwoodd and cord; --logs: real log files to carry besides)
"""
import argparse
import collections
import datetime
import json
import os
import pathlib
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

OPTIONS = argparse.Namespace()
START_SECONDS = 30
COMMAND_SECONDS = 60

Result = collections.namedtuple("Result", "code out err")


class Broker:
    """A cordwoodd of its own on free ports; comes back under the same address after a kill."""

    def __init__(self, directory):
        self.directory = directory
        self.listen = "127.0.0.1:0"
        self.start()

    def start(self):
        ports = self.directory / "ports"
        ports.unlink(missing_ok=True)
        self.log = open(self.directory / "broker.log", "ab")
        self.process = subprocess.Popen(
            [f"{OPTIONS.bin}/cordwoodd", "--data-dir", self.directory / "data", "--listen", self.listen, "--http-listen", "127.0.0.1:0", "--port-file", ports],
            stderr=self.log, stdout=self.log)
        wait_until(lambda: ports.exists() or self.process.poll() is not None, "the broker is ready")
        if self.process.poll() is not None:
            raise RuntimeError((self.directory / "broker.log").read_text())
        self.address = self.listen = dict(line.split("=", 1) for line in ports.read_text().split())["grpc"]

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)
        os.waitpid(self.process.pid, os.WUNTRACED)  # stands still from here on

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.log.close()

    def stop(self):
        self.process.terminate()
        try:
            return self.process.wait(timeout=START_SECONDS)
        finally:
            self.kill()


def wait_until(condition, what):
    deadline = time.monotonic() + START_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited in vain until {what}")
        time.sleep(0.01)


class CordTest(unittest.TestCase):
    topics = 0  # made so far

    @classmethod
    def setUpClass(cls):
        cls.files = tempfile.TemporaryDirectory()
        cls.dir = pathlib.Path(cls.files.name)
        cls.broker = Broker(cls.dir)

    @classmethod
    def tearDownClass(cls):
        code = cls.broker.stop()
        cls.files.cleanup()
        assert code == 0, f"cordwoodd ended with {code}"

    def environment(self, **more):
        return {**os.environ, "CORD_BROKERS": self.broker.address, **more}

    def cord(self, *args, stdin=b"", env=None):
        done = subprocess.run([f"{OPTIONS.bin}/cord", *map(str, args)], input=stdin, capture_output=True, timeout=COMMAND_SECONDS, env=env or self.environment())
        return Result(done.returncode, done.stdout, done.stderr.decode())

    def ok(self, *args, stdin=b"", env=None):
        result = self.cord(*args, stdin=stdin, env=env)
        self.assertEqual(result.code, 0, result)
        return result

    def fails(self, code, *args, stdin=b""):
        result = self.cord(*args, stdin=stdin)
        self.assertEqual(result.code, code, result)
        self.assertEqual(result.out, b"")
        self.assertTrue(result.err.startswith("error: "), result.err)
        return result.err

    def topic(self, partitions=1, *configs):
        CordTest.topics += 1
        name = f"t{CordTest.topics}"
        self.ok("topic", "create", name, "-p", partitions, "-c", "durability=os", *(word for config in configs for word in ("-c", config)))
        return name

    def values(self, topic, *args):
        return self.ok("consume", topic, "-F", "%v\\n", *args).out

    def high_watermark(self, topic):
        return sum(int(p["high_watermark"]) for p in json.loads(self.ok("topic", "offsets", topic, "-o", "json").out)["topic"]["partitions"])

    # --- topics

    def test_a_topics_life(self):
        self.ok("-b", self.broker.address, "topic", "create", "life", "-p", 4, "-c", "durability=os", "-c", "retention.ms=60000")
        self.assertIn(b"life", self.ok("topic", "ls").out)
        self.assertIn(b"retention.ms                     60000", self.ok("topic", "describe", "life").out)
        self.ok("topic", "set", "life", "-c", "retention.ms=90000")
        configs = json.loads(self.ok("topic", "describe", "life", "-o", "json").out)["topic"]["configs"]
        self.assertIn(("retention.ms", "90000", "TOPIC"), [(c["key"], c["value"], c["source"]) for c in configs])
        self.ok("topic", "grow", "life", "-p", 6)
        self.assertEqual(len(self.ok("topic", "offsets", "life").out.splitlines()), 7)
        self.assertIn("--yes", self.fails(2, "topic", "rm", "life"))
        self.ok("topic", "rm", "life", "--yes")
        self.fails(3, "topic", "describe", "life")

    def test_json_is_the_rpcs_answer_with_proto_field_names(self):
        topic = self.topic(2)
        listed = json.loads(self.ok("topic", "ls", "-o", "json").out)["topics"]
        self.assertIn((topic, 2, 1, "os"), [(t["name"], t["partitions"], t["replication_factor"], t["durability"]) for t in listed])
        offsets = json.loads(self.ok("topic", "offsets", topic, "-o", "json").out)["topic"]["partitions"]
        self.assertEqual([p["high_watermark"] for p in offsets], ["0", "0"])
        self.assertEqual(json.loads(self.ok("-o", "json", "cluster", "status").out)["brokers"][0]["state"], "ready")
        self.assertEqual(json.loads(self.ok("broker", "describe", "-o", "json").out)["shards"][0]["state"], "online")
        self.assertIn(b"HEALTHY", self.ok("cluster", "status").out)

    def test_global_flags_stand_before_or_after(self):
        nowhere = {**os.environ, "CORD_BROKERS": "127.0.0.1:1"}
        for args in (("-b", self.broker.address, "topic", "ls"), ("topic", "-b", self.broker.address, "ls"), ("topic", "ls", "-b", self.broker.address)):
            self.ok(*args, env=nowhere)
        self.assertEqual(self.cord("topic", "ls", env=nowhere).code, 6)

    # --- produce and consume

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

    def test_positions(self):
        topic = self.topic(2)
        for partition in (0, 1):
            self.ok("produce", topic, "-p", partition, stdin=b"".join(b"%d\n" % i for i in range(100 * partition, 100 * partition + 50)))
        take = lambda *args: sorted(map(int, self.values(topic, *args).split()))
        self.assertEqual(len(take()), 100)
        self.assertEqual(take("--from", "-10"), [*range(40, 50), *range(140, 150)])
        self.assertEqual(take("-p", 1, "--from", 45), [145, 146, 147, 148, 149])
        self.assertEqual(take("-p", 0, "--from", 10, "--to", 13), [10, 11, 12])
        self.assertEqual(take("--from", "start", "--to", "-48"), [0, 1, 100, 101])
        self.assertEqual(take("--from", "end"), [])
        self.assertEqual(take("--from", 50), [])
        self.assertEqual(take("-p", 0, "--from", 12, "-n", 3), [12, 13, 14])
        self.assertEqual(len(take("-n", 7)), 7)
        self.assertEqual(len(take("-n", 1000)), 100)
        self.assertEqual(take("-n", 0), [])

    def test_times(self):
        topic = self.topic()
        self.ok("produce", topic, stdin=b"a\nb\n")
        time.sleep(0.05)
        between = datetime.datetime.now(datetime.timezone.utc)
        time.sleep(0.05)
        self.ok("produce", topic, stdin=b"c\n")
        stamp = between.strftime("%Y-%m-%dT%H:%M:%S.") + f"{between.microsecond // 1000:03d}"
        self.assertEqual(self.values(topic, "--from", f"@{stamp}Z"), b"c\n")
        self.assertEqual(self.values(topic, "--to", f"@{stamp}Z"), b"a\nb\n")
        self.assertEqual(self.values(topic, "--from", f"@{int(between.timestamp() * 1000)}"), b"c\n")
        here = self.environment(TZ="UTC+5")  # POSIX: five hours west
        local = (between - datetime.timedelta(hours=5)).strftime("%Y-%m-%dT%H:%M:%S.") + stamp[-3:]
        self.assertEqual(self.ok("consume", topic, "-F", "%v\\n", "--from", f"@{local}", env=here).out, b"c\n")
        self.assertEqual(self.values(topic, "--from", "@-15m"), b"a\nb\nc\n")
        self.assertEqual(self.values(topic, "--from", "@2100-01-01"), b"")

    def test_out_of_range_names_both_ends(self):
        topic = self.topic()
        self.ok("produce", topic, stdin=b"x\n" * 20)
        self.ok("topic", "trim", topic, "--before", 5, "--yes")
        self.assertIn("the log starts at 5 and ends at 20", self.fails(1, "consume", topic, "--from", 4))
        self.assertIn("the log starts at 5 and ends at 20", self.fails(1, "consume", topic, "--from", 21))
        self.assertIn("the log starts at 5 and ends at 20", self.fails(1, "consume", topic, "--to", 21))
        self.assertEqual(self.values(topic, "--from", 5).count(b"\n"), 15)
        self.assertEqual(self.values(topic, "--from", 20), b"")

    def test_json_lines_in_a_pipe(self):
        topic = self.topic()
        self.ok("produce", topic, "-H", "source=test", stdin=b'{"id": 1}\n\xff\ntext\n')
        first, second, third = map(json.loads, self.ok("consume", topic).out.splitlines())
        self.assertEqual((first["value"], first["value_encoding"], first["offset"]), ({"id": 1}, "json", "0"))
        self.assertEqual((second["value"], second["value_encoding"]), ("/w==", "base64"))
        self.assertEqual((third["value"], third["key"], third["headers"]), ("text", None, [{"key": "source", "value": "test"}]))
        self.assertRegex(third["timestamp"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")

    def test_following_sees_what_comes_and_ends_with_0(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            topic = self.topic(2)
            self.ok("produce", topic, stdin=b"before\n")
            with subprocess.Popen([f"{OPTIONS.bin}/cord", "consume", topic, "-f", "--from", "start", "-F", "%v\\n"], stdout=subprocess.PIPE, env=self.environment()) as follower:
                self.assertEqual(follower.stdout.readline(), b"before\n")
                self.ok("produce", topic, stdin=b"after\n")
                self.assertEqual(follower.stdout.readline(), b"after\n")
                follower.send_signal(number)
                self.assertEqual(follower.wait(COMMAND_SECONDS), 0)

    def test_following_begins_at_the_end(self):
        topic = self.topic()
        self.ok("produce", topic, stdin=b"before\n")
        with subprocess.Popen([f"{OPTIONS.bin}/cord", "consume", topic, "-f", "-n", "1", "-F", "%v\\n"], stdout=subprocess.PIPE, env=self.environment()) as follower:
            wait_until(lambda: follower.poll() is not None or self.ok("produce", topic, stdin=b"after\n") and follower.poll() is not None, "one came")
            self.assertEqual(follower.stdout.read(), b"after\n")
            self.assertEqual(follower.returncode, 0)

    def test_reading_while_a_producer_is_still_writing(self):
        topic = self.topic()
        lines = [b"line %d\r" % i for i in range(3000)]
        path = self.dir / "slowly"
        path.write_bytes(b"\n".join(lines))
        command = [f"{OPTIONS.bin}/cord", "consume", topic, "-f", "--from", "start", "-n", "3000", "-F", "%v\\n"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=self.environment()) as follower, \
                subprocess.Popen([f"{OPTIONS.bin}/cord", "produce", topic, "-q", "--rate", "3000/s", "--file", path], env=self.environment()) as producer:
            sizes = [0]
            while producer.poll() is None:
                seen = self.values(topic).split(b"\n")[:-1]
                self.assertEqual(seen, lines[:len(seen)])
                sizes.append(len(seen))
            self.assertEqual(sizes, sorted(sizes))
            self.assertTrue(any(0 < size < 3000 for size in sizes), "no read fell into the writing")
            self.assertEqual(follower.stdout.read(), b"".join(line + b"\n" for line in lines))
            self.assertEqual(follower.wait(COMMAND_SECONDS), 0)

    def test_on_a_terminal_values_are_plain_lines(self):
        topic = self.topic()
        self.ok("produce", topic, stdin=b'{"id": 1}\ntext\n')
        done = subprocess.run(["script", "-qec", f"{OPTIONS.bin}/cord consume {topic}", "/dev/null"], stdin=subprocess.DEVNULL, capture_output=True, env=self.environment(),
                              timeout=COMMAND_SECONDS)
        self.assertEqual(done.stdout, b'{"id": 1}\r\ntext\r\n')  # \r: the terminal's

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

    def test_a_broken_pipe_is_the_end_and_quiet(self):
        topic = self.topic()
        self.ok("produce", topic, stdin=b"".join(b"line %d\n" % i for i in range(200_000)))
        for args in ("consume " + topic, "consume " + topic + " -F '%v\\n'"):
            script = f"set -o pipefail; {OPTIONS.bin}/cord {args} | head -n 1"
            done = subprocess.run(["bash", "-c", script], capture_output=True, env=self.environment(), timeout=COMMAND_SECONDS)
            self.assertEqual((done.returncode, done.stderr), (0, b""), args)

    def test_a_full_disk_behind_stdout_is_an_error(self):
        topic = self.topic()
        lines = b"x\n" * 100_000
        for args in (["produce", topic, "-F", "%o\n"], ["consume", topic], ["topic", "ls"], ["topic", "ls", "-o", "json"]):
            with open("/dev/full", "wb") as full:
                done = subprocess.run([f"{OPTIONS.bin}/cord", *args], input=lines, stdout=full, stderr=subprocess.PIPE, env=self.environment(), timeout=COMMAND_SECONDS)
            self.assertEqual(done.returncode, 1, args)
            self.assertIn(b"cannot write to stdout: No space left on device", done.stderr, args)

    # --- trouble

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

    def test_names_that_do_not_exist(self):
        self.ok("topic", "create", "orders-eu")
        error = self.fails(3, "consume", "ordres-eu")
        self.assertIn("orders-eu", error)
        self.assertIn("[UNKNOWN_TOPIC_OR_PARTITION]", error)
        self.fails(3, "produce", "ordres-eu", stdin=b"x\n")
        self.fails(3, "topic", "rm", "ordres-eu", "--yes")
        self.assertIn("has no partition 7", self.fails(3, "consume", "orders-eu", "-p", 7))
        self.assertIn("has no partition 7", self.fails(3, "produce", "orders-eu", "-p", 7, stdin=b"x\n"))

    def test_what_the_state_of_things_forbids(self):
        topic = self.topic()
        self.fails(5, "topic", "create", topic)
        self.assertIn("[INVALID_CONFIG]", self.fails(1, "topic", "set", topic, "-c", "retention.sm=1"))
        self.assertIn("retention.ms", self.fails(1, "topic", "set", topic, "-c", "retention.sm=1"))
        self.fails(1, "topic", "create", "bad name")
        self.fails(1, "topic", "grow", topic, "-p", 1)

    def test_usage(self):
        topic = self.topic()
        for args in ([], ["topic"], ["topic", "creat", "x"], ["consume"], ["consume", topic, "--from", "yesterday"], ["consume", topic, "-F", "%q"],
                     ["produce", topic, "--rate", "fast"], ["produce", topic, "-z", "rar"], ["produce", topic, "--key-regex", "("], ["topic", "ls", "-o", "xml"],
                     ["produce", topic, "--file", "/nowhere"], ["topic", "trim", topic, "--before", "@-15m", "--yes"], ["topic", "ls", "-b", "host:99999"], ["topic", "ls", "--timeout", "soon"], ["topic", "set", topic]):
            self.fails(2, *args)

    def test_an_unknown_command_is_named_also_beside_global_options(self):
        self.assertIn("did you mean  cord topic create", self.fails(2, "topic", "creat", "x"))
        error = self.fails(2, "-b", self.broker.address, "frob")
        self.assertIn('there is no command "cord frob"', error)
        self.assertIn("the commands are topic, produce, consume", error)

    def test_a_value_that_cannot_be_is_named_with_what_is_right(self):
        topic = self.topic()
        for option, right, *args in (("--from", "@TIME", "consume", topic, "--from", ""), ("--to", "@TIME", "consume", topic, "--to", ""),
                                     ("--count", "from 0 to", "consume", topic, "-n", "-1"), ("--count", "from 0 to", "consume", topic, "-n", "9" * 20),
                                     ("--partition", "from 0 to", "consume", topic, "-p", "x"), ("--format", "%v{hex}", "consume", topic, "-F", "%v{foo}"),
                                     ("--format", "format", "consume", topic, "-F", ""), ("--format", "%v{hex}", "produce", topic, "-F", "%v{foo}"),
                                     ("--key-delim", "between key and value", "produce", topic, "--key-delim", ""), ("--header", "KEY=VALUE", "produce", topic, "-H", "bad"),
                                     ("--batch-size", "1 to 8MiB", "produce", topic, "--batch-size", "0"), ("--batch-size", "1 to 8MiB", "produce", topic, "--batch-size", "9MiB"),
                                     ("--linger", "250ms", "produce", topic, "--linger", "soon"), ("--partitions", "from 1 to", "topic", "create", "x", "-p", "0"),
                                     ("--config", "KEY=VALUE", "topic", "set", topic, "-c", "a")):
            error = self.fails(2, *args)
            self.assertIn(option, error)
            self.assertIn(right, error)
        self.assertEqual(self.values(topic), b"")

    def test_a_directory_is_no_input(self):
        topic = self.topic()
        self.assertIn(f"cannot read {self.dir}: Is a directory", self.fails(2, "produce", topic, "--file", self.dir))

    def test_hints_name_the_topic_at_hand(self):
        topic = self.topic()
        self.assertIn("cord topic create nowhere -p 4", self.fails(3, "consume", "nowhere"))
        self.assertIn(f"cord topic describe {topic}", self.fails(5, "topic", "create", topic))
        for args in (["consume", topic, "-p", 9], ["produce", topic, "-p", 9], ["topic", "trim", topic, "-p", 9, "--before", "end", "--yes"]):
            error = self.fails(3, *args)
            self.assertIn(f'topic "{topic}" has no partition 9; it has 1, from 0  [UNKNOWN_TOPIC_OR_PARTITION]', error)
            self.assertIn(f"hint: see its partitions with  cord topic offsets {topic}", error)

    def test_trim_says_what_it_did(self):
        topic = self.topic(2)
        self.ok("produce", topic, "-p", 1, stdin=b"x\n" * 20)
        self.assertEqual(self.ok("topic", "trim", topic, "--before", 5, "-p", 1, "--yes").err, f"trimmed topic {topic}: 5 records deleted\n")
        answers = json.loads(self.ok("topic", "trim", topic, "--before", "end", "--yes", "-o", "json").out)["answers"]
        self.assertEqual([answer["log_start"] for answer in answers], ["0", "20"])

    def test_a_dry_run_claims_no_state(self):
        answer = json.loads(self.ok("topic", "create", "dry", "-p", 2, "--dry-run", "-o", "json").out)
        self.assertEqual([p["state"] for p in answer["topic"]["partitions"]], ["not created"] * 2)
        self.fails(3, "topic", "describe", "dry")

    def test_a_broker_that_is_still_starting_is_waited_for(self):
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))  # refuses as long as it does not listen
            address = "127.0.0.1:%d" % listener.getsockname()[1]
            with subprocess.Popen([f"{OPTIONS.bin}/cord", "-q", "topic", "ls", "-b", address], stderr=subprocess.PIPE, env=self.environment()) as waiting:
                self.assertRaises(subprocess.TimeoutExpired, waiting.wait, 0.2)
                listener.listen()
                listener.settimeout(START_SECONDS)
                listener.accept()[0].close()  # it has come again
                self.assertEqual(waiting.wait(COMMAND_SECONDS), 6)

    def test_no_broker_is_said_soon(self):
        start = time.monotonic()
        error = self.fails(6, "consume", "x", "-b", "127.0.0.1:1")
        self.assertLess(time.monotonic() - start, 5)
        self.assertIn("127.0.0.1:1 (connection refused)", error)
        self.assertIn("cordwoodd --data-dir", error)
        answer = self.cord("-o", "json", "topic", "ls", "-b", "127.0.0.1:1")
        error = json.loads(answer.err)["error"]
        self.assertEqual((error["code"], error["reason"]), ("UNAVAILABLE", "UNAVAILABLE"))

    def test_the_second_broker_is_tried(self):
        self.ok("topic", "ls", "-b", f"127.0.0.1:1,{self.broker.address}")

    def test_help_is_quick_and_has_examples(self):
        times = []
        for _ in range(5):
            start = time.monotonic()
            self.assertIn(b"Examples:", self.ok("--help").out)
            times.append(time.monotonic() - start)
        self.assertLess(min(times), 0.1)  # 10 ms on a quiet machine
        for command in (["produce"], ["consume"], ["topic"], ["topic", "create"]):
            self.assertIn(b"Examples:", self.ok(*command, "--help").out)

    # --- logs

    def test_a_log_comes_back_byte_for_byte_in_the_order_of_each_partition(self):
        random_bytes = random.Random(7)
        lines = [b"%s %d %s%s" % (random_bytes.choice([b"alpha", b"beta", b"gamma"]), i, bytes(random_bytes.choice(b"abc\t \xe4") for _ in range(i % 80)),
                                  b"\r" if i % 3 == 0 else b"") for i in range(5000)]
        self.carry(b"".join(line + b"\n" for line in lines), r"^(\S+)")

    # --- bench

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
        self.fails(1, "bench", "produce", topic, "--records", 1, "--size", "2MB")

    def test_real_logs_come_back_byte_for_byte(self):
        keys = {"Apache": r"\[(\w+)\] ", "HDFS": r"(blk_-?\d+)", "Hadoop": r" (\[[^]]*\]) ", "Linux": r" (\w+)(?:\[|\()", "OpenSSH": r"sshd\[(\d+)\]", "OpenStack": r"^(\S+)",
                "Thunderbird": r"^\S+ \S+ \S+ (\S+)", "Zookeeper": r" - (\w+) "}
        files = sorted(pathlib.Path(OPTIONS.logs).glob("*.log")) if OPTIONS.logs else []
        if not files:
            self.skipTest("no --logs")
        for file in files:
            with self.subTest(file.name):
                self.carry(file.read_bytes(), keys.get(file.name.split("_")[0], r"^(\S+)"))

    def carry(self, content, key):
        topic = self.topic(4)
        path = self.dir / "input"
        path.write_bytes(content)
        self.ok("produce", topic, "--file", path, "--key-regex", key)
        lines = content.split(b"\n")
        if lines[-1] == b"":
            lines.pop()
        back = []
        for partition in range(4):
            got = self.values(topic, "-p", partition, "--from", "start", "--to", "end")
            back.append(got.split(b"\n")[:-1])
        self.assertCountEqual([line for part in back for line in part], lines)
        for part in back:
            rest = iter(lines)
            self.assertTrue(all(line in rest for line in part), "a partition is not in the order of the file")
        self.assertEqual(self.values(topic, "-p", 1, "--from", "-10").split(b"\n")[:-1], back[1][-10:])
        middle = len(back[2]) // 2
        to = min(middle + 5, len(back[2]))
        self.assertEqual(self.values(topic, "-p", 2, "--from", middle, "--to", to).split(b"\n")[:-1], back[2][middle:to])


class CordAndDyingBrokersTest(CordTest):
    """Its own broker, which it may kill."""

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
        with subprocess.Popen([f"{OPTIONS.bin}/cord", "produce", topic, "--timeout", "2s"], stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=self.environment()) as producer:
            producer.stdin.write(b"one\n")
            producer.stdin.flush()
            wait_until(lambda: self.values(topic) == b"one\n", "the first record arrived")
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
        with subprocess.Popen([f"{OPTIONS.bin}/cord", "produce", topic, "--timeout", "2s"], stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=self.environment()) as producer:
            producer.stdin.write(b"one\n")
            producer.stdin.flush()
            wait_until(lambda: self.values(topic) == b"one\n", "the first record arrived")
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


def load_tests(loader, _tests, _pattern):
    suite = loader.loadTestsFromTestCase(CordTest)
    for name in loader.getTestCaseNames(CordAndDyingBrokersTest):
        if name not in CordTest.__dict__:
            suite.addTest(CordAndDyingBrokersTest(name))
    return suite


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True)
    parser.add_argument("--logs", default="")
    OPTIONS, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])
