#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`cord consume`: positions, times, following, what it prints where; and whole logs that come back byte for byte."""
import datetime
import json
import pathlib
import random
import signal
import subprocess

from cord_fixture import COMMAND_SECONDS, CordCase, OPTIONS, main, wait_until


class CordConsumeTest(CordCase):
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
        self.ok("produce", topic, stdin=b"c\n")
        stamp = json.loads(self.ok("consume", topic, "--from", 2).out)["timestamp"].removesuffix("Z")  # of c, to the millisecond
        moment = datetime.datetime.fromisoformat(stamp + "+00:00")
        self.assertEqual(self.values(topic, "--from", f"@{stamp}Z"), b"c\n")
        self.assertEqual(self.values(topic, "--to", f"@{stamp}Z"), b"a\nb\n")
        epoch_ms = (moment - datetime.datetime.fromtimestamp(0, datetime.timezone.utc)) // datetime.timedelta(milliseconds=1)
        self.assertEqual(self.values(topic, "--from", f"@{epoch_ms}"), b"c\n")
        self.assertEqual(self.values(topic, "--from", f"@{epoch_ms + 1}"), b"")
        here = self.environment(TZ="UTC+5")  # POSIX: five hours west
        local = (moment - datetime.timedelta(hours=5)).strftime("%Y-%m-%dT%H:%M:%S.") + stamp[-3:]
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
            if "json" in args:
                error = json.loads(done.stderr)["error"]
                self.assertEqual((error["code"], error["reason"]), ("RESOURCE_EXHAUSTED", "ENOSPC"))
            else:
                self.assertIn(b"[ENOSPC]", done.stderr, args)

    def test_a_log_comes_back_byte_for_byte_in_the_order_of_each_partition(self):
        random_bytes = random.Random(7)
        lines = [b"%s %d %s%s" % (random_bytes.choice([b"alpha", b"beta", b"gamma"]), i, bytes(random_bytes.choice(b"abc\t \xe4") for _ in range(i % 80)),
                                  b"\r" if i % 3 == 0 else b"") for i in range(5000)]
        self.carry(b"".join(line + b"\n" for line in lines), r"^(\S+)")

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


if __name__ == "__main__":
    main()
