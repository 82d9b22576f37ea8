# SPDX-License-Identifier: Apache-2.0
"""The figures of consumer groups: a real broker on loopback, measured through groups_bench; the assignor and the cleaner alone."""
import json
import pathlib
import subprocess
import time

import serving

SESSION_MS = 1000                # of the members that are killed

# bench, figure, key, comparison, target; as in figures.py
FIGURES = [
    ("group_kill", "1 of 10 members on 1 000 partitions killed: without an owner beyond the session timeout: p99 ms", "p99_ms", "<=", 200),
    ("group_kill", "  p50 ms", "p50_ms", None, None),
    ("group_kill", "  longest ms", "max_ms", None, None),
    ("group_kill", "  partitions moved that were not the dead one's", "others_moved", "<=", 0),
    ("group_join", "a member joins 100 on 1 000 partitions: partitions given up that are not the new one's", "given_up_beyond", "<=", 0),
    ("group_join", "  partitions that others took", "taken_anew", "<=", 0),
    ("group_join", "  members told of it whose partitions all stay", "told", "<=", 0),
    ("group_join", "  partitions that stay and were silent", "silent", "<=", 0),
    ("group_join", "  longest wait of a record in those that stay: p99 ms", "stay_p99_ms", None, None),
    ("group_join", "  the same without a join", "baseline_p99_ms", None, None),
    ("group_join", "  longest of all ms", "stay_max_ms", None, None),
    ("group_join", "  the same without a join", "baseline_max_ms", None, None),
    ("assignor", "assignment, 1 000 members, 10 000 partitions: ms of CPU, slowest case", "cpu_ms", "<=", 100),
    ("assignor", "  moves more than the minimum, worst case", "moves_beyond", "<=", 1),
    ("group_streams", "10 000 membership streams, 1 000 groups, 100 connections, idle: MB more", "more_mb", "<=", 250),
    ("group_streams", "  % of a core, heartbeats each 15 s", "cpu_percent", "<=", 5),
    ("group_streams", "  µs of CPU a heartbeat", "us_per_beat", None, None),
    ("group_streams", "  seconds until all were members", "join_s", None, None),
    ("commits_os", "offset commits, os, one partition each: commits/s", "commits_per_s", ">=", 25_000),
    ("commits_os", "  broker µs of CPU each", "cpu_us", None, None),
    ("commits_os_20", "offset commits, os, 20 partitions each: partitions/s", "partitions_per_s", ">=", 100_000),
    ("commits_os_20", "  broker µs of CPU a partition", "cpu_us", None, None),
    ("commits_fsync", "offset commits, fsync, one partition each: commits/s", "commits_per_s", ">=", 15_000),
    ("commits_fsync", "  broker µs of CPU each", "cpu_us", None, None),
    ("group_restart", "coordinator restart, 10 000 groups, 1 M offsets: s until served", "served_s", "<=", 3),
    ("group_restart", "  broker CPU-s since its start", "cpu_s", None, None),
    ("group_rewind", "live rewind of 100 partitions, 4 members: ms until all read from the new place, slowest round", "all_max_ms", "<=", 500),
    ("group_rewind", "  p50 ms", "all_p50_ms", None, None),
    ("group_rewind", "  rebalances", "rebalances", "<=", 0),
]


class Groups(serving.Serving):
    """Runs the benches by name. gb scales the numbers of what there is (10: as the table says), seconds what takes a time."""

    # --- the programs

    def share_of(self, count, least):
        return max(int(count * min(self.gb / 10, 1)), least)

    def rounds(self, each_s, least=1):
        """So many rounds of each_s seconds as fit."""
        return max(int(self.seconds / each_s), least)

    def groups_bench(self, broker, command, topic, *numbers):
        return self.json_of("groups_bench", command, broker.address, topic, *numbers)

    # --- the benches

    def kill(self, broker):
        partitions = self.share_of(1000, 100)
        return self.groups_bench(broker, "kill", self.topic(broker, "t", partitions, "os"), 10, self.rounds(1.5), SESSION_MS)

    def join(self, broker):
        members = self.share_of(100, 4)
        topic = self.topic(broker, "t", 10 * members, "os")
        return self.groups_bench(broker, "join", topic, members, 10 * members, self.rounds(6), 20 * members, min(int(1000 * self.seconds), 1500))

    def assignor(self, broker):
        return self.json_of("assignor_bench", self.rounds(6))

    def streams(self, broker):
        streams = self.share_of(10_000, 100)
        topic = self.topic(broker, "t", 10, "os")
        broker.settle()
        before = broker.memory_mb("VmRSS")
        arguments = ["streams", broker.address, topic, max(streams // 100, 1), streams, max(streams // 10, 1)]
        with subprocess.Popen([self.binaries / "groups_bench", *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as members:
            joined = json.loads(members.stdout.readline() or "{}")
            broker.settle()
            cpu, began = broker.cpu_seconds(), time.monotonic()
            time.sleep(2 * self.seconds)
            cpu, seconds = broker.cpu_seconds() - cpu, time.monotonic() - began
            after = broker.memory_mb("VmRSS")
            members.stdin.close()
            beats = json.loads(members.stdout.readline() or "{}")
        if members.returncode != 0:
            raise RuntimeError("the members did not stay")
        self.raw += [joined, beats]
        return {"more_mb": after - before, "before_mb": before, "highest_mb": broker.memory_mb("VmHWM"), "cpu_percent": 100 * cpu / seconds,
                "us_per_beat": 1e6 * cpu / max(beats["beats"], 1), "join_s": joined["seconds"]}

    def commits(self, broker, each, per_second):
        topic = self.topic(broker, "t", 100, "os")
        before = broker.cpu_seconds()
        report = self.groups_bench(broker, "commits", topic, 4, each, max(int(per_second * self.seconds), 100), 100)
        return report | {"cpu_us": 1e6 * (broker.cpu_seconds() - before) / (report["commits"] * each)}

    def restart(self, broker):
        groups = self.share_of(10_000, 20)
        topic = self.topic(broker, "t", 100, "os")
        self.groups_bench(broker, "fill", topic, groups, 100)
        broker.stop()
        began = time.monotonic()
        broker.start()
        ready = time.monotonic()
        self.groups_bench(broker, "served", topic, groups, 100)
        return {"served_s": time.monotonic() - began, "ready_s": ready - began, "cpu_s": broker.cpu_seconds()}

    def rewind(self, broker):
        return self.groups_bench(broker, "rewind", self.topic(broker, "t", 100, "os"), 4, 100, self.rounds(3), 5000)


# name: method and its arguments
BENCHES = {
    "group_kill": (Groups.kill,),
    "group_join": (Groups.join,),
    "assignor": (Groups.assignor,),
    "group_streams": (Groups.streams,),
    "commits_os": (Groups.commits, 1, 5000),
    "commits_os_20": (Groups.commits, 20, 1000),
    "commits_fsync": (Groups.commits, 1, 5000),
    "group_restart": (Groups.restart,),
    "group_rewind": (Groups.rewind,),
}
# of the broker, where they are not the defaults
SETTINGS = {
    "group_kill": [f"group.consumer.session.timeout.ms={SESSION_MS}"],
    "group_streams": ["group.consumer.session.timeout.ms=45000", "group.consumer.heartbeat.interval.ms=15000"],
    "commits_os": ["offsets.topic.durability=os"],
    "commits_os_20": ["offsets.topic.durability=os"],
    "group_restart": ["offsets.topic.durability=os"],
}
