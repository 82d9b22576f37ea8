#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`cord consume -g`: processes that share a topic, what they commit, how they end."""
import fcntl
import json
import select
import signal
import struct
import subprocess
import termios

from cord_fixture import CordCase, OPTIONS, main, wait_until


class CordGroupTest(CordCase):
    settings = ("group.consumer.session.timeout.ms=2000", "group.consumer.heartbeat.interval.ms=300", "offsets.topic.num.partitions=4")

    def member(self, topic, group, *args, name):
        out = open(self.dir / f"{topic}-{name}", "wb")
        process = subprocess.Popen([f"{OPTIONS.bin}/cord", "consume", topic, "-g", group, "-F", "%p %o %v\\n", *args], stdout=out, stderr=subprocess.PIPE, env=self.environment())
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.addCleanup(out.close)
        process.lines = lambda: (self.dir / f"{topic}-{name}").read_bytes().splitlines()
        return process

    def produce(self, topic, first, count):
        self.ok("produce", topic, "--key-delim", ":", stdin=b"".join(b"%d:%d\n" % (i, i) for i in range(first, first + count)))

    def stop(self, member, how=signal.SIGTERM):
        member.send_signal(how)
        self.assertEqual(member.wait(30), 0, member.stderr.read())

    def error_line(self, member):
        ready, _, _ = select.select([member.stderr], [], [], 30)
        self.assertTrue(ready, "it says nothing")
        return member.stderr.readline()

    def test_a_group_goes_on_where_it_was(self):
        topic = self.topic(2)
        self.produce(topic, 0, 20)
        first = self.ok("consume", topic, "-g", topic, "-n", 15, "-F", "%v\\n").out.split()
        second = self.ok("consume", topic, "-g", topic, "-n", 5, "-F", "%v\\n").out.split()
        self.assertCountEqual(map(int, first + second), range(20))

    def test_members_share_and_signals_commit_and_leave(self):
        topic = self.topic(4)
        members = [self.member(topic, topic, name=name) for name in "ab"]
        lines = lambda: [line for member in members for line in member.lines()]
        self.produce(topic, 0, 1)
        wait_until(lines, "a member reads")
        self.produce(topic, 1, 400)
        wait_until(lambda: len(lines()) >= 401, "all is read")
        self.stop(members[0])
        self.produce(topic, 401, 100)
        wait_until(lambda: len(lines()) >= 501, "the other has all partitions")
        self.stop(members[1], signal.SIGINT)
        values = sorted(int(line.split()[2]) for line in lines())
        self.assertEqual(values, list(range(501)))
        self.produce(topic, 501, 1)
        self.assertEqual(self.ok("consume", topic, "-g", topic, "-n", 1, "-F", "%v\\n").out, b"501\n")

    def test_a_killed_member_is_replaced_and_nothing_is_lost(self):
        topic = self.topic(4)
        members = [self.member(topic, topic, name=name) for name in "ab"]
        lines = lambda: {line for member in members for line in member.lines()}
        self.produce(topic, 0, 200)
        wait_until(lambda: len(lines()) >= 200, "all is read")
        members[0].kill()
        members.append(self.member(topic, topic, name="c"))
        self.produce(topic, 200, 200)
        wait_until(lambda: {int(line.split()[2]) for line in lines()} == set(range(400)), "what the dead one had is read")
        for member in members[1:]:
            self.stop(member)

    def test_without_commit_it_comes_again(self):
        topic = self.topic()
        self.produce(topic, 0, 3)
        for _ in range(2):
            self.assertEqual(self.ok("consume", topic, "-g", topic, "--no-commit", "-n", 3, "-F", "%v\\n").out, b"0\n1\n2\n")

    def test_where_a_new_group_begins(self):
        topic = self.topic()
        self.produce(topic, 0, 2)
        self.assertEqual(self.ok("consume", topic, "-g", "early", "-n", 2, "-F", "%v\\n").out, b"0\n1\n")
        error = self.fails(1, "consume", topic, "-g", "strict", "--reset", "error", "-n", 1)
        self.assertIn(f"group strict has no committed offset for {topic}-0", error)
        self.assertIn("hint: choose where to begin: --reset earliest or --reset latest", error)
        late = self.member(topic, "late", "--reset", "latest", "-n", "1", name="late")
        wait_until(lambda: self.produce(topic, 2, 1) or late.lines(), "it reads what came after it")
        self.assertEqual(late.wait(30), 0)
        self.assertTrue(late.lines()[0].startswith(b"0 "))
        self.assertTrue(late.lines()[0].endswith(b" 2"))

    def test_a_restart_under_its_name_takes_its_place(self):
        topic = self.topic()
        self.produce(topic, 0, 1)
        self.ok("consume", topic, "-g", topic, "--instance-id", "i1", "-n", 1)
        self.produce(topic, 1, 1)
        self.assertEqual(self.ok("consume", topic, "-g", topic, "--instance-id", "i1", "-n", 1, "-F", "%v\\n").out, b"1\n")

    def test_a_topic_that_is_deleted_is_read_again_once_it_is_back(self):
        topic = self.topic(2)
        self.produce(topic, 0, 2)
        member = self.member(topic, topic, name="a")
        wait_until(lambda: len(member.lines()) == 2, "all is read")
        self.ok("topic", "rm", topic, "--yes")
        self.assertRegex(self.error_line(member), rb"^lost: %b-0 %b-1 \(topic %b was deleted\)\n$" % (3 * (topic.encode(),)))
        self.ok("topic", "create", topic)
        self.produce(topic, 7, 1)
        wait_until(lambda: member.lines()[2:] == [b"0 0 7"], "the new one is read")
        self.stop(member)

    def test_who_waits_for_the_broker_says_so(self):
        topic = self.topic()
        self.produce(topic, 0, 1)
        member = self.member(topic, topic, name="a")
        wait_until(member.lines, "it reads")
        self.broker.kill()
        self.assertRegex(self.error_line(member), rb"^connection lost \(.*\); trying again\n$")
        self.broker.start()
        self.assertEqual(self.error_line(member), b"connected again\n")
        self.produce(topic, 1, 1)
        wait_until(lambda: len(member.lines()) == 2, "it goes on")
        self.stop(member)

    def test_it_ends_when_the_reader_of_its_pipe_goes_though_no_record_comes(self):
        topic = self.topic()
        self.produce(topic, 0, 1)
        member = subprocess.Popen([f"{OPTIONS.bin}/cord", "consume", topic, "-g", topic, "-F", "%v\\n"], stdout=subprocess.PIPE, env=self.environment())
        self.addCleanup(member.wait)
        self.addCleanup(member.kill)
        self.assertEqual(member.stdout.readline(), b"0\n")
        member.stdout.close()
        self.assertEqual(member.wait(10), 0)
        self.assertEqual(self.json_members(topic), [])

    def test_a_signal_ends_it_though_the_reader_of_its_pipe_takes_nothing(self):
        topic = self.topic()
        self.ok("produce", topic, stdin=b"%0100d\n" % 7 * 5000)
        member = subprocess.Popen([f"{OPTIONS.bin}/cord", "consume", topic, "-g", topic, "-F", "%v\\n"], stdout=subprocess.PIPE, env=self.environment())
        self.addCleanup(member.stdout.close)
        self.addCleanup(member.wait)
        self.addCleanup(member.kill)
        waiting = lambda: struct.unpack("i", fcntl.ioctl(member.stdout, termios.FIONREAD, b"1234"))[0]
        wait_until(lambda: waiting() > 60_000, "the pipe is full")
        member.terminate()
        self.assertEqual(member.wait(10), 0)
        self.assertEqual(self.json_members(topic), [])
        (place,) = json.loads(self.ok("group", "describe", topic, "-o", "json").out)["partitions"] or [{"committed": 0}]
        self.assertLessEqual(int(place["committed"]), member.stdout.read().count(b"\n"), "only what was written is committed")

    def json_members(self, group):
        return json.loads(self.ok("group", "describe", group, "-o", "json").out)["members"]

    def test_who_loses_its_name_to_another_is_told(self):
        topic = self.topic()
        self.produce(topic, 0, 1)
        older = self.member(topic, topic, "--instance-id", "one", name="a")
        wait_until(older.lines, "it reads")
        newer = self.member(topic, topic, "--instance-id", "one", name="b")
        self.assertEqual(older.wait(30), 5)
        error = older.stderr.read()
        self.assertIn(b"[FENCED_INSTANCE_ID]", error)
        self.assertIn(b"--instance-id of its own", error)
        self.stop(newer)

    def test_what_does_not_go_together(self):
        for args in (["-g", "g", "--from", "start"], ["-g", "g", "--to", "end"], ["-g", "g", "-p", "0"], ["--reset", "latest"], ["--instance-id", "i"], ["--no-commit"],
                     ["-g", ""], ["-g", "g" * 256], ["-g", b"\xff"], ["-g", "g", "--instance-id", b"\xff"], ["-g", "g", "--reset", "never"]):
            self.fails(2, "consume", "t", *args)

    def test_a_topic_that_is_not_there(self):
        self.fails(3, "consume", "nothing", "-g", "g", "-n", 1)


if __name__ == "__main__":
    main()
