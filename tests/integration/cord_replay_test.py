#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`cord group replay`: a range read again beside a living group, by members that come, die and end by themselves."""
import json
import signal
import subprocess
import time

from cord_fixture import CordCase, OPTIONS, main, wait_until

EXIT_CONFLICT = 5


class CordReplayTest(CordCase):
    settings = ("group.consumer.session.timeout.ms=2000", "group.consumer.heartbeat.interval.ms=300", "offsets.topic.num.partitions=4")

    def member(self, topic, group, *args, name):
        out = self.dir / f"{topic}-{group}-{name}"
        file = open(out, "wb")
        process = subprocess.Popen([f"{OPTIONS.bin}/cord", "consume", topic, "-g", group, "-F", "%p %o\\n", *args], stdout=file, stderr=subprocess.PIPE, env=self.environment())
        for cleanup in (process.stderr.close, process.wait, process.kill, file.close):
            self.addCleanup(cleanup)
        process.places = lambda: [tuple(map(int, line.split())) for line in out.read_bytes().splitlines() if line.count(b" ") == 1]
        return process

    def ends(self, member, code=0):
        self.assertEqual(member.wait(30), code)
        return member.stderr.read().decode()

    def produce(self, topic, count):
        """Of about a hundred bytes, over all partitions."""
        self.produced = getattr(self, "produced", 0)
        lines = b"".join(b"%d:%0100d\n" % (i, i) for i in range(self.produced, self.produced + count))
        self.produced += count
        self.ok("produce", topic, "--key-delim", ":", stdin=lines)

    def ends_of(self, topic):
        return {p["partition"] if "partition" in p else 0: int(p["high_watermark"]) for p in json.loads(self.ok("topic", "offsets", topic, "-o", "json").out)["topic"]["partitions"]}

    def job(self, name):
        return json.loads(self.ok("group", "replay", "show", name, "-o", "json").out)

    def state(self, name):
        return self.job(name)["replay"]["state"]

    def group_with(self, topic, records):
        """A group that has read so many records of a new topic and is alive; where the topic ended then."""
        self.produce(topic, records)
        living = self.member(topic, topic, name="living")
        wait_until(lambda: len(living.places()) == records, "the living group has read")
        return living, self.ends_of(topic)

    def test_members_read_the_range_beside_the_living_group_and_end(self):
        topic = self.topic(4)
        living, ends = self.group_with(topic, 8000)
        made = self.ok("group", "replay", topic, "--topic", topic, "--from", "start", "--to", "end", "--rate", "300kB/s", "--as", "again")
        self.assertIn("8,000 records, pace 300.0 KB/s", made.err)
        self.produce(topic, 1000)  # beyond the job
        self.ok("group", "replay", "pause", "again")  # until both are there
        members = [self.member(topic, "again", name=name) for name in "ab"]
        wait_until(lambda: len({p["member_id"] for p in self.job("again")["partitions"]} - {""}) == 2, "both have partitions")
        self.ok("group", "replay", "resume", "again")
        wait_until(lambda: all(member.places() for member in members), "both read")
        members[0].kill()
        self.assertIn("replay job again is done", self.ends(members[1]))
        places = [place for member in members for place in member.places()]
        self.assertEqual(set(places), {(p, o) for p, end in ends.items() for o in range(end)})
        self.assertLess(len(places), 8000 + 4 * 2000)  # only what the dead one had not committed comes twice
        after = self.job("again")["replay"]
        self.assertEqual((after["state"], after["done"], after["partitions_done"]), ("done", "8000", 4))
        wait_until(lambda: len(living.places()) == 9000, "the living group goes on")
        self.assertEqual(len(set(living.places())), 9000)
        self.ends(self.member(topic, "again", name="late"))  # there is nothing left
        living.send_signal(signal.SIGTERM)
        self.ends(living)

    def test_pause_holds_and_resume_goes_on(self):
        topic = self.topic(2)
        living, _ = self.group_with(topic, 2000)
        self.ok("group", "replay", topic, "--topic", topic, "--from", "start", "--rate", "20kB/s")
        name = f"{topic}.replay"
        member = self.member(topic, name, name="m")
        wait_until(member.places, "it reads")
        self.ok("group", "replay", "pause", name)
        self.ok("group", "replay", "pause", name)  # twice is no error
        wait_until(lambda: self.state(name) == "paused", "it is paused")
        self.assertIn("replay_paused", self.ok("group", "explain", name).out.decode())
        given = []

        def still():
            given.append(len(member.places()))
            return len(given) > 30 and len(set(given[-30:])) == 1

        wait_until(still, "nothing more comes")
        self.assertLess(given[-1], 2000)
        self.ok("group", "replay", "resume", name)
        wait_until(lambda: len(member.places()) > given[-1], "it goes on")
        self.ok("group", "replay", "cancel", name)
        self.assertIn("was cancelled", self.ends(member, EXIT_CONFLICT))
        self.assertIn("is cancelled already", self.fails(1, "group", "replay", "resume", name))
        living.kill()

    def test_a_broker_that_restarts_goes_on_with_the_job(self):
        topic = self.topic(3)
        living, ends = self.group_with(topic, 3000)
        self.ok("group", "replay", topic, "--topic", topic, "--from", "start", "--rate", "200kB/s", "--as", "long")
        member = self.member(topic, "long", name="m")
        wait_until(member.places, "it reads")
        self.broker.kill()
        self.broker.start()
        self.ends(member)
        self.assertEqual(set(member.places()), {(p, o) for p, end in ends.items() for o in range(end)})
        self.assertEqual(self.state("long"), "done")
        living.kill()

    def test_the_original_pace_gives_records_when_they_are_due(self):
        topic = self.topic(2)
        for _ in range(3):
            self.produce(topic, 100)
            produced = time.monotonic()
            wait_until(lambda: time.monotonic() - produced > 0.4, "the records are apart")
        times = sorted(map(int, self.ok("consume", topic, "-F", "%d\\n").out.split()))
        self.ok("consume", topic, "-g", topic, "-n", 1)
        self.ok("group", "replay", topic, "--topic", topic, "--from", "start", "--pace", "original", "--as", "paced")
        self.assertIn("clock_ms", self.job("paced")["replay"])
        started = time.monotonic()
        member = self.member(topic, "paced", name="m")
        for count in (100, 200, 300):
            wait_until(lambda: len(member.places()) >= count, "what is due has come")
            self.assertGreaterEqual((time.monotonic() - started) * 1000, times[count - 1] - times[0], "not before it was due")
        self.ends(member)
        self.assertEqual(len(member.places()), 300)
        self.assertEqual(len(set(member.places())), 300)

    def test_what_retention_deletes_is_skipped_and_said(self):
        topic = self.topic(1)
        living, _ = self.group_with(topic, 100)
        self.ok("group", "replay", topic, "--topic", topic, "--from", "10", "--to", "80", "--as", "trimmed")
        self.ok("topic", "trim", topic, "--before", "30", "--yes")
        member = self.member(topic, "trimmed", name="m")
        self.ends(member)
        self.assertEqual([offset for _, offset in member.places()], list(range(30, 80)))
        job = self.job("trimmed")["replay"]
        self.assertEqual((job["state"], job["done"], job["skipped"]), ("done", "70", "20"))
        self.ok("group", "replay", topic, "--topic", topic, "--from", "40", "--to", "50", "--as", "gone")
        self.ok("topic", "trim", topic, "--before", "60", "--yes")
        gone = self.member(topic, "gone", name="m")
        self.ends(gone)
        self.assertEqual(gone.places(), [])
        self.assertEqual(self.job("gone")["replay"]["skipped"], "10")
        living.kill()

    def test_a_job_as_operators_see_and_move_it(self):
        topic = self.topic(1)
        living, _ = self.group_with(topic, 100)
        self.ok("group", "replay", topic, "--topic", topic, "--from", "10", "--to", "80", "--as", "seen")
        self.assertIn("no_member", self.ok("group", "explain", "seen").out.decode())
        self.assertIn("LAG 70 records", self.ok("group", "describe", "seen").out.decode())
        seek = ("group", "seek", "seen", "--topic", topic, "--to")
        self.ok(*seek, "90")  # beyond its end: there
        self.assertEqual(self.state("seen"), "done")
        self.ok(*seek, "70")
        self.assertEqual(self.values(topic, "-g", "seen").count(b"\n"), 10)
        self.assertEqual(self.state("seen"), "done")
        self.ok("topic", "grow", topic, "-p", 2)
        self.ok(*seek, "start")
        self.assertEqual(self.values(topic, "-g", "seen").count(b"\n"), 70)
        self.assertIn("the replay job does not read it", self.fails(1, *seek, "start", "-p", 1))
        self.assertIn("is done already", self.fails(1, "group", "replay", "cancel", "seen"))
        self.assertIn("seen", self.ok("group", "replay", "ls").out.decode())
        self.ok("group", "rm", "seen", "--yes")
        self.assertIn('no group "seen"', self.fails(3, "group", "replay", "show", "seen"))
        living.kill()

    def test_what_cannot_be(self):
        topic = self.topic(1)
        living, _ = self.group_with(topic, 10)
        replay = ("group", "replay", topic, "--topic", topic)
        self.assertIn("no record lies in the range", self.fails(1, *replay, "--from", "end"))
        self.assertIn("ends before it begins", self.fails(1, *replay, "--from", "5", "--to", "3"))
        self.assertIn("needs a group of its own", self.fails(1, *replay, "--from", "start", "--as", topic))
        self.assertIn("no group", self.fails(3, "group", "replay", topic[:-1] + "x" + topic[-1], "--topic", topic, "--from", "start"))
        self.fails(3, "group", "replay", topic, "--topic", "nothing", "--from", "start")
        self.fails(3, *replay, "-p", "7", "--from", "start")
        for args in (["--from", "start", "--rate", "0"], ["--from", "start", "--rate", "-1"], ["--from", "start", "--rate", "1MB/s", "--pace", "original"],
                     ["--from", "start", "--pace", "double"], ["--from", "nowhere"], [], ["--from", "start", "--as", ""]):
            self.fails(2, *replay, *args)
        refused = self.fails(3, "group", "replay", "pause", topic)
        self.assertIn("is no replay job", refused)
        self.assertIn("cord group replay ls", refused)
        self.fails(1, *replay, "--from", "start", "--as", "x" * 256)
        self.ok(*replay, "--from", "start", "--as", "once")
        self.ok(*replay, "--from", "start", "--as", "two\nlines")
        self.assertEqual(self.ok("group", "replay", "cancel", "two\nlines").err, "replay job two\\x0alines is cancelled\n")
        self.assertIn("not done; cancel it first", self.fails(1, *replay, "--from", "start", "--as", "once"))
        living.kill()


if __name__ == "__main__":
    main()
