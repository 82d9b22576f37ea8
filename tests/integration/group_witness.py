# SPDX-License-Identifier: Apache-2.0
"""What campaigns of groups see from outside: members as processes, the group as the broker describes it, and what was committed as `__consumer_offsets` has it."""
import collections
import json
import os
import struct
import subprocess
import threading
import time

from cord_fixture import COMMAND_SECONDS, OPTIONS, START_SECONDS

OFFSET_KIND = 1
Commit = collections.namedtuple("Commit", "log_offset partition position_epoch offset")  # log_offset: where in __consumer_offsets


def cord(broker, *args, check=True):
    done = subprocess.run([f"{OPTIONS.bin}/cord", *map(str, args), "-b", broker.address], capture_output=True, timeout=COMMAND_SECONDS, check=False)
    if check and done.returncode != 0:
        raise AssertionError(f"cord {args}: {done}")
    return done


def described(broker, group):
    return json.loads(cord(broker, "group", "describe", group, "-o", "json").stdout)


def committed(description):
    return {p["partition"]: int(p["committed"]) for p in description["partitions"] if "committed" in p}


def owners(description):
    return {p["partition"]: p.get("member_id", "") for p in description["partitions"]}


class MemberProcess:
    """`cord consume TOPIC -g GROUP -F '%p %o %v\\n'`, its output in a file."""

    def __init__(self, broker, topic, group, name, directory, record_format="%p %o %v\\n"):
        self.name = name
        self.path = directory / f"{group}-{name}.out"
        self.errors = directory / f"{group}-{name}.err"
        with open(self.path, "wb") as out, open(self.errors, "wb") as err:
            self.process = subprocess.Popen([f"{OPTIONS.bin}/cord", "consume", topic, "-g", group, "-F", record_format, "-b", broker.address], stdout=out, stderr=err)

    def size(self):
        return os.stat(self.path).st_size

    def handled(self, begin=0):
        """(partition, offset, value) of each whole line from byte `begin` on, in order. A line that a kill has torn was not handled."""
        with open(self.path, "rb") as file:
            file.seek(begin)
            for line in file:
                if line.endswith(b"\n"):
                    partition, offset, value = line[:-1].split(b" ", 2)
                    yield int(partition), int(offset), value

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        """SIGTERM: it commits, leaves and exits 0."""
        self.process.terminate()
        code = self.process.wait(timeout=START_SECONDS)
        if code != 0:
            raise AssertionError(f"member {self.name} ended with {code}: {self.errors.read_text()}")


class Witness:
    """Describes the group again and again until it is ended; notes each commit that went back, and each member epoch that was seen."""

    def __init__(self, broker, group):
        self.broker = broker
        self.group = group
        self.samples = 0
        self.faults = []
        self.epochs = collections.defaultdict(set)  # member id -> epochs
        self.places = {}                            # partition -> (position epoch, committed offset)
        self.end = threading.Event()
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()

    def watch(self):
        while not self.end.wait(0.02):
            done = cord(self.broker, "group", "describe", self.group, "-o", "json", check=False)
            if done.returncode == 0:
                self.look(json.loads(done.stdout))

    def look(self, description):
        self.samples += 1
        for member in description.get("members", []):
            self.epochs[member["member_id"]].add(member["member_epoch"])
        for place in description["partitions"]:
            if "committed" not in place:
                continue
            now = (place["position_epoch"], int(place["committed"]))
            before = self.places.get(place["partition"], (0, 0))
            if now < before:
                self.faults.append(f"partition {place['partition']}: committed {before}, then {now} (position epoch, offset)")
            self.places[place["partition"]] = now

    def close(self):
        self.end.set()
        self.thread.join()


class OffsetsLog:
    """Reads `__consumer_offsets` as it grows, so that what its cleaner takes away was seen: docs/reference/consumer-offsets-format.md."""

    def __init__(self, broker, directory, group):
        self.broker = broker
        self.group = group
        self.path = directory / f"{group}.offsets"
        with open(self.path, "wb") as out:
            self.process = subprocess.Popen([f"{OPTIONS.bin}/cord", "consume", "__consumer_offsets", "-f", "--from", "start", "-F", "%p %o %k{hex} %v{hex}\\n", "-q", "-b", broker.address], stdout=out)

    def ends(self):
        topic = json.loads(cord(self.broker, "topic", "offsets", "__consumer_offsets", "-o", "json").stdout)["topic"]
        return {p["partition"]: int(p["high_watermark"]) for p in topic["partitions"] if p["high_watermark"] != "0"}

    def records(self):
        with open(self.path, "rb") as file:
            for line in file:
                if line.endswith(b"\n"):
                    partition, offset, key, value = line[:-1].split(b" ")
                    yield int(partition), int(offset), bytes.fromhex(key.decode()), bytes.fromhex(value.decode())

    def commits(self):
        """All commits of the group, in the order of the log. The last record of a partition is never cleaned away."""
        ends = self.ends()
        wait_for(lambda: {partition: offset + 1 for partition, offset, _, _ in self.records()}.items() >= ends.items(), "all of __consumer_offsets is read", START_SECONDS)
        self.end()
        begin = struct.pack(">BBH", 1, OFFSET_KIND, len(self.group)) + self.group.encode()
        commits = []
        for _, log_offset, key, value in self.records():
            if key.startswith(begin) and value:
                (partition,) = struct.unpack_from(">i", key, len(begin) + 16)
                offset, _, _, epoch = struct.unpack_from(">qiqI", value, 1)
                commits.append(Commit(log_offset, partition, epoch, offset))
        return commits

    def end(self):
        self.process.kill()
        self.process.wait()


def commits_that_went_back(commits):
    faults, last = [], {}
    for commit in commits:
        now = (commit.position_epoch, commit.offset)
        if now < last.get(commit.partition, (0, 0)):
            faults.append(f"partition {commit.partition}: {last[commit.partition]} and then {now} (position epoch, offset) in __consumer_offsets at {commit.log_offset}")
        last[commit.partition] = now
    return faults


def wait_for(condition, what, seconds):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s in vain until {what}")
        time.sleep(0.02)
