#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Three processes share a topic as a group while producers run; one is killed with -9, one is added, one is stopped with SIGTERM.

Every record is handled; what is handled twice the killed process had not committed; each process has each partition in order; commits never go back.

usage: shared_work_campaign.py --bin DIR [--logs DIR] [--rounds N] [--seconds N] [--seed N] [--kill-broker]
    --logs: produce these files, a producer each; else generated lines. --kill-broker: it is killed with -9 and started again in the second pass
"""
import argparse
import collections
import pathlib
import random
import subprocess
import sys
import tempfile
import time

from cord_fixture import Broker, OPTIONS, START_SECONDS
from group_witness import MemberProcess, OffsetsLog, Witness, commits_that_went_back, committed, cord, described, owners, wait_for

PARTITIONS = 12
PASSES = 2  # of the producers: one process is killed in the first, one added, one stopped in the second
SETTINGS = ("group.consumer.session.timeout.ms=1000", "group.consumer.heartbeat.interval.ms=200", "offsets.topic.num.partitions=4")
COLUMNS = ("round", "records", "handled", "killed at", "not committed", "twice", "samples", "commits", "went back", "lines a b c d")


class Round:
    def __init__(self, broker, directory, inputs, number, seconds, random_source):
        self.broker, self.directory, self.inputs, self.number, self.seconds, self.random = broker, directory, inputs, number, seconds, random_source
        self.topic = self.group = f"work{number}"
        self.lines = PASSES * [line for path in inputs for line in path.read_bytes().removesuffix(b"\n").split(b"\n")]
        self.members = {}
        self.log = None
        self.producers = []
        self.faults = []

    def expect(self, holds, fault):
        if not holds:
            self.faults.append(fault)

    def start(self, name):
        self.members[name] = MemberProcess(self.broker, self.topic, self.group, name, self.directory)

    def end(self):
        if self.log is not None:
            self.log.end()
        for process in [*self.producers, *(member.process for member in self.members.values())]:
            process.kill()
            process.wait()

    def all_owned_by(self, count):
        group = described(self.broker, self.group)
        return len(group.get("members", [])) == count and group["state"] == "stable" and len(group["partitions"]) == PARTITIONS and all(owners(group).values())

    def produce(self):
        for path in self.inputs:
            rate = max(1, path.read_bytes().count(b"\n") // self.seconds)
            self.producers.append(subprocess.Popen(
                [f"{OPTIONS.bin}/cord", "produce", self.topic, "--file", path, "--rate", f"{rate}/s", "-q", "-b", self.broker.address], stderr=subprocess.DEVNULL))

    def wait_for_lines(self, share):
        count = lambda: sum(member.path.read_bytes().count(b"\n") for member in self.members.values())
        wait_for(lambda: count() >= share * len(self.lines), f"{share:.0%} of the records are handled", self.seconds + START_SECONDS)

    def kill(self, name):
        """What it had handled and not committed; partitions are its own until the session times out."""
        self.members[name].kill()
        group = described(self.broker, self.group)
        ids = {member["member_id"] for member in group["members"]}
        self.killed_at = sum(1 for _ in self.members[name].handled())
        if self.random.random() < 0.5:
            self.start("d")
        wait_for(lambda: not ids <= {m["member_id"] for m in described(self.broker, self.group).get("members", [])}, "the killed one is put out", START_SECONDS)
        gone = ids - {member["member_id"] for member in described(self.broker, self.group)["members"]}
        own = {partition for partition, owner in owners(group).items() if owner in gone}
        self.expect(len(gone) == 1 and own, f"the killed one is {gone}, which had the partitions {own}")
        self.not_committed = {(p, o) for p, o, _ in self.members[name].handled() if p in own and o >= committed(group).get(p, 0)}
        if "d" not in self.members:
            self.start("d")

    def run(self):
        cord(self.broker, "topic", "create", self.topic, "-p", PARTITIONS)
        for name in "abc":
            self.start(name)
        wait_for(lambda: cord(self.broker, "group", "describe", self.group, check=False).returncode == 0 and self.all_owned_by(3), "three members have all", START_SECONDS)
        self.log = OffsetsLog(self.broker, self.directory, self.group)
        witness = Witness(self.broker, self.group)
        try:
            self.produce()
            self.wait_for_lines(self.random.uniform(0.05, 0.45))
            self.kill("a")
            wait_for(lambda: self.all_owned_by(3), "the newcomer has its share", START_SECONDS)
            self.produce()
            self.wait_for_lines(self.random.uniform(0.6, 0.8))
            if OPTIONS.kill_broker:
                self.broker.kill()
                self.broker.start()
                self.wait_for_lines(self.random.uniform(0.8, 0.95))
            self.members["b"].stop()
            for producer in self.producers:
                self.expect(producer.wait(self.seconds + START_SECONDS) == 0, "a producer failed")
            wait_for(lambda: described(self.broker, self.group)["lag"] == "0", "all is committed", START_SECONDS)
        finally:
            witness.close()
        for name in "cd":
            self.members[name].stop()
        return self.check(witness)

    def check(self, witness):
        handled = collections.Counter()
        values = {}
        for name, member in self.members.items():
            last = collections.defaultdict(lambda: -1)
            for partition, offset, value in member.handled():
                self.expect(offset > last[partition], f"{name} handled {partition}-{offset} after {last[partition]}")
                last[partition] = offset
                handled[partition, offset] += 1
                self.expect(values.setdefault((partition, offset), value) == value, f"{partition}-{offset} has two values")
        self.expect(collections.Counter(values.values()) == collections.Counter(self.lines), "what was handled is not what was produced")
        twice = {place: count for place, count in handled.items() if count > 1}
        self.expect(set(twice) <= self.not_committed, f"handled twice, but committed: {sorted(set(twice) - self.not_committed)[:9]}")
        self.expect(all(count == 2 for count in twice.values()), "something was handled three times")
        commits = self.log.commits()
        went_back = witness.faults + commits_that_went_back(commits)
        self.faults += went_back
        self.expect(witness.samples > 0 and commits, "no commit was seen")
        counts = [sum(1 for _ in self.members[name].handled()) for name in "abcd"]
        self.expect(all(counts), f"a process had nothing to do: {counts}")
        return (self.number, len(self.lines), len(values), self.killed_at, len(self.not_committed), len(twice), witness.samples, len(commits), len(went_back), " ".join(map(str, counts)))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True)
    parser.add_argument("--logs", default="")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seconds", type=int, default=1, help="how long each of the two passes of the producers takes")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--kill-broker", action="store_true")
    parser.parse_args(namespace=OPTIONS)
    print(f"seed {OPTIONS.seed}", "  ".join(COLUMNS), sep="\n")
    failed = False
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        inputs = sorted(pathlib.Path(OPTIONS.logs).glob("*.log")) if OPTIONS.logs else [directory / "generated"]
        if not OPTIONS.logs:
            inputs[0].write_text("".join(f"line {i} of some log\n" for i in range(1000)))
        broker = Broker(directory, SETTINGS)
        try:
            for number in range(OPTIONS.rounds):
                one = Round(broker, directory, inputs, number, OPTIONS.seconds, random.Random(OPTIONS.seed + number))
                try:
                    print("  ".join(f"{cell!s:>{len(column)}}" for cell, column in zip(one.run(), COLUMNS)), flush=True)
                finally:
                    one.end()
                for fault in one.faults:
                    print("FAILED:", fault)
                failed |= bool(one.faults)
        finally:
            broker.stop()
    print("FAILED" if failed else "ok: every record handled, twice only what was not committed, commits never went back")
    return failed


if __name__ == "__main__":
    sys.exit(main())
