#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A living group of three processes is put elsewhere in every way that `cord group seek` has, while producers run as fast as they can.

Members go on exactly from the new place, without a rebalance; nothing between two resets is passed over or comes twice; no later commit is from before a reset;
producers lose nothing.

usage: live_rewind_campaign.py --bin DIR [--logs DIR] [--rounds N] [--rate N/s] [--seed N]     (--logs: produce these files again and again; else generated lines)
"""
import argparse
import json
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import time

from cord_fixture import Broker, OPTIONS, START_SECONDS
from group_witness import MemberProcess, OffsetsLog, Witness, commits_that_went_back, cord, described, owners, wait_for

PARTITIONS = 6
PRODUCERS = 2
SETTINGS = ("group.consumer.heartbeat.interval.ms=500", "offsets.topic.num.partitions=4")
COLUMNS = ("seek                                ", "partitions", "again     ", "passed over", "told and confirmed after", "produced/s meanwhile")


def high_watermarks(description):
    return {p["partition"]: int(p["high_watermark"]) for p in description["partitions"]}


class Place:
    """Where a partition was put: the first record to be read from there on, and how much its owner had printed when the reset was answered."""

    def __init__(self, after, printed):
        self.after, self.printed = after, printed


class Rewinds:
    def __init__(self, broker, directory, inputs):
        self.broker, self.directory, self.inputs = broker, directory, inputs
        self.topic = self.group = "rewound"
        self.members, self.producers, self.feeders, self.faults = [], [], [], []
        self.places = {partition: [Place(0, 0)] for partition in range(PARTITIONS)}
        self.log = None
        self.owner = {}  # partition -> MemberProcess

    def expect(self, holds, fault):
        if not holds:
            self.faults.append(fault)

    def produce(self):
        loop = 'while cat "$@"; do :; done'
        rate = ["--rate", OPTIONS.rate] if OPTIONS.rate else []
        for _ in range(PRODUCERS):
            feeder = subprocess.Popen(["sh", "-c", loop, "sh", *self.inputs], stdout=subprocess.PIPE)
            self.feeders.append(feeder)
            self.producers.append(subprocess.Popen([f"{OPTIONS.bin}/cord", "produce", self.topic, "-b", self.broker.address, *rate], stdin=feeder.stdout, stderr=subprocess.PIPE))
            feeder.stdout.close()

    def end(self):
        if self.log is not None:
            self.log.end()
        for process in [*self.feeders, *self.producers, *(member.process for member in self.members)]:
            process.kill()
            process.wait()

    def all_owned(self):
        group = described(self.broker, self.group)
        return len(group.get("members", [])) == len(self.members) and len(group["partitions"]) == PARTITIONS and all(owners(group).values())

    def find_owners(self):
        """By what they have printed."""
        for member in self.members:
            for partition in {partition for partition, _, _ in member.handled()}:
                self.expect(partition not in self.owner, f"partition {partition} had two owners before the first reset")
                self.owner[partition] = member
        return len(self.owner) == PARTITIONS

    def seek(self, *words, dry_run=False):
        began, before = time.monotonic(), described(self.broker, self.group)
        answers = json.loads(cord(self.broker, "group", "seek", self.group, *words, "-o", "json").stdout)["answers"]
        seconds = time.monotonic() - began
        sizes = {member: member.size() for member in self.members}
        after = described(self.broker, self.group)
        for answer in answers:
            partition = answer["partition"]
            self.expect("unconfirmed_member" not in answer or not answer["unconfirmed_member"], f"{words}: not confirmed: {answer}")
            if not dry_run:
                self.places[partition].append(Place(int(answer["after"]), sizes[self.owner[partition]]))
                self.expect(answer["position_epoch"] == len(self.places[partition]) - 1, f"{words}: position epoch: {answer}")
        if not dry_run:
            wait_for(lambda: all(self.went_on(answer["partition"]) for answer in answers), f"{words}: all go on from the new place", START_SECONDS)
        moved = [int(answer["after"]) - int(answer.get("before", answer["after"])) for answer in answers]
        produced = sum(high_watermarks(after).values()) - sum(high_watermarks(before).values())
        cells = (" ".join(map(str, words)), len(answers), -sum(m for m in moved if m < 0), sum(m for m in moved if m > 0), f"{seconds * 1000:.0f} ms", f"{produced / (time.monotonic() - began):.0f}")
        print("  ".join(f"{cell!s:{'<' if i == 0 else '>'}{len(column)}}" for i, (cell, column) in enumerate(zip(cells, COLUMNS))), flush=True)

    def went_on(self, partition):
        place = self.places[partition][-1]
        return any(p == partition for p, _, _ in self.owner[partition].handled(self.whole_line(self.owner[partition], place.printed)))

    @staticmethod
    def whole_line(member, byte):
        """The beginning of the first line that begins at `byte` or behind it."""
        with open(member.path, "rb") as file:
            file.seek(max(0, byte - 1))
            return byte if byte == 0 else max(0, byte - 1) + len(file.readline())

    def rounds(self, random_source):
        half = lambda: min(high_watermarks(described(self.broker, self.group)).values()) // 2
        now_ms = lambda ago: int((time.time() - ago) * 1000)
        for _ in range(OPTIONS.rounds):
            ways = [["--to", "start"], ["--to", "end"], ["--to", half()], ["--to", f"@{now_ms(0.5)}"], ["--to", "-50"], ["--shift", "-500"], ["--shift", "+5"],
                    ["--to", "start", "-p", "1"], ["--to", "@-1h"]]
            random_source.shuffle(ways)
            self.seek("--topic", self.topic, "--to", "start", "--dry-run", dry_run=True)
            for way in ways:
                self.seek("--topic", self.topic, *way)
            file = self.directory / "places"
            file.write_text(f"# partition by partition\n{self.topic} 0 start\n{self.topic},2,end\n{self.topic}\t4\t{half()}\n")
            self.seek("--from-file", file)

    def run(self, random_source):
        cord(self.broker, "topic", "create", self.topic, "-p", PARTITIONS)
        self.members = [MemberProcess(self.broker, self.topic, self.group, name, self.directory, "%p %o \\n") for name in "abc"]
        wait_for(lambda: cord(self.broker, "group", "describe", self.group, check=False).returncode == 0 and self.all_owned(), "three members have all", START_SECONDS)
        had = owners(described(self.broker, self.group))
        self.log = OffsetsLog(self.broker, self.directory, self.group)
        witness = Witness(self.broker, self.group)
        try:
            self.produce()
            wait_for(lambda: {p for member in self.members for p, _, _ in member.handled()} == set(range(PARTITIONS)), "all have begun", START_SECONDS)
            self.find_owners()
            self.rounds(random_source)
        finally:
            witness.close()
        for feeder in self.feeders:
            feeder.kill()
            feeder.wait()
        acknowledged = 0
        for producer in self.producers:
            _, summary = producer.communicate(timeout=START_SECONDS)
            self.expect(producer.returncode == 0, f"a producer ended with {producer.returncode}: {summary}")
            acknowledged += int(re.search(rb"([\d,]+) records?", summary)[1].replace(b",", b""))
        cord(self.broker, "group", "seek", self.group, "--topic", self.topic, "--to", "end")
        end = described(self.broker, self.group)
        self.expect(sum(high_watermarks(end).values()) == acknowledged, f"{acknowledged} records were acknowledged, {high_watermarks(end)} are there")
        self.expect(owners(end) == had, "partitions moved")
        self.expect(all(len(epochs) == 1 for epochs in witness.epochs.values()) and len(witness.epochs) == len(self.members), f"a rebalance: {dict(witness.epochs)}")
        for member in self.members:
            member.stop()
        self.check_commits(witness, self.check_outputs())
        print(f"{acknowledged} records produced; member epochs {sorted(e for epochs in witness.epochs.values() for e in epochs)} throughout, seen {witness.samples} times")

    def check_outputs(self):
        """Each owner's lines of a partition are one run of offsets for each place where it was put. Answers partition -> [first, last] of each run."""
        runs = {partition: [] for partition in range(PARTITIONS)}
        for member in self.members:
            end = 0
            for partition, offset, _ in member.handled():
                begin, end = end, end + len(f"{partition} {offset} \n")
                self.expect(self.owner[partition] is member, f"{partition}-{offset} came from {member.name}, which does not have it")
                if not self.goes_on(runs[partition], self.places[partition], offset, begin):
                    self.faults.append(f"partition {partition}: {offset} behind the runs {runs[partition][-2:]}")
                    return runs
        for partition, run in runs.items():
            self.expect(len(run) == len(self.places[partition]), f"partition {partition} was put {len(self.places[partition])} times, and went on {len(run)} times")
        return runs

    @staticmethod
    def goes_on(runs, places, offset, begin):
        """Takes the line at byte `begin` into `runs`, if it is the next of the last run, or the first of the next place, which it must be in once the reset was answered."""
        later = places[len(runs)] if len(runs) < len(places) else None
        follows = bool(runs) and offset == runs[-1][1] + 1
        if follows and (later is None or begin < later.printed):
            runs[-1][1] = offset
        elif later is not None and offset == later.after:
            runs.append([offset, offset])
        elif follows and runs[-1][0] <= later.after <= offset:  # it was put where it was just going
            runs[-1][1] = later.after - 1
            runs.append([later.after, offset])
        else:
            return False
        return True

    def check_commits(self, witness, runs):
        commits = self.log.commits()
        self.faults += witness.faults + commits_that_went_back(commits)
        for commit in commits:
            place, run = self.places[commit.partition], runs[commit.partition]
            if commit.position_epoch < len(run):  # the last reset of all was to the end, and nothing came after it
                self.expect(place[commit.position_epoch].after <= commit.offset <= run[commit.position_epoch][1] + 1, f"a commit of another place: {commit}")
        print(f"{len(commits)} commits in the log, each between its reset and what was printed after it")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True)
    parser.add_argument("--logs", default="")
    parser.add_argument("--rounds", type=int, default=1, help="each puts the group elsewhere in eleven ways")
    parser.add_argument("--rate", default="", help="of each producer, as 1000/s; else as fast as it can")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.parse_args(namespace=OPTIONS)
    print(f"seed {OPTIONS.seed}", "  ".join(COLUMNS), sep="\n")
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        inputs = sorted(pathlib.Path(OPTIONS.logs).glob("*.log")) if OPTIONS.logs else [directory / "generated"]
        if not OPTIONS.logs:
            inputs[0].write_text("".join(f"line {i} of some log\n" for i in range(2000)))
        broker = Broker(directory, SETTINGS)
        rewinds = Rewinds(broker, directory, inputs)
        try:
            rewinds.run(random.Random(OPTIONS.seed))
        finally:
            rewinds.end()
            broker.stop()
    for fault in rewinds.faults[:20]:
        print("FAILED:", fault)
    print(f"FAILED: {len(rewinds.faults)} faults" if rewinds.faults else "ok: members went on from each new place without a rebalance, nothing lost between")
    return bool(rewinds.faults)


if __name__ == "__main__":
    sys.exit(main())
