#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""cord group: what operators see of consumer groups and do to them; and what autoscalers are told. Members are generated stubs (group_member.py)."""
import json
import pathlib
import signal
import subprocess

import grpc

from cord_fixture import COMMAND_SECONDS, CordCase, OPTIONS, main, wait_until
from group_member import Member, generate_stubs

PROTO = pathlib.Path(__file__).resolve().parents[2] / "proto"


class CordGroupTest(CordCase):
    groups = 0

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        stubs = cls.dir / "stubs"
        stubs.mkdir()
        generate_stubs(PROTO, stubs)
        cls.channel = grpc.insecure_channel(cls.broker.address)
        from cordwood.v1 import group_admin_pb2, group_admin_pb2_grpc
        cls.admin_pb2 = group_admin_pb2
        cls.admin = group_admin_pb2_grpc.GroupAdminStub(cls.channel)
        subprocess.run([f"{OPTIONS.bin}/cord", "topic", "create", "first", "-b", cls.broker.address], check=True, capture_output=True)
        wait_until(cls.can_reset, "the first group is made, and __consumer_offsets with it")

    @classmethod
    def can_reset(cls):
        request = cls.admin_pb2.ResetOffsetsRequest(group="first")
        request.targets.add(topic="first", start=True)
        try:
            cls.admin.ResetOffsets(request, timeout=COMMAND_SECONDS, wait_for_ready=True)
            cls.admin.ListGroups(cls.admin_pb2.ListGroupsRequest(), timeout=COMMAND_SECONDS)
            return True
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.UNAVAILABLE:
                raise
            return False

    @classmethod
    def tearDownClass(cls):
        cls.channel.close()
        super().tearDownClass()

    def setUp(self):
        CordGroupTest.groups += 1
        self.group = f"g{CordGroupTest.groups}"
        self.members = []

    def tearDown(self):
        for member in self.members:
            member.vanish()

    def member(self, topic, partitions, **options):
        member = Member(self.broker.address, self.group, topic, **options)
        self.members.append(member)
        member.wait(lambda: len(member.assigned) == partitions, "it has its partitions")
        return member

    def commit(self, topic, *offsets):
        """Of partitions 0, 1, …, by a reader that is no member."""
        from cordwood.v1 import groups_pb2, groups_pb2_grpc
        request = groups_pb2.CommitOffsetsRequest(group=self.group)
        for partition, offset in enumerate(offsets):
            request.entries.add(topic=topic, partition=partition, offset=offset)
        answer = groups_pb2_grpc.GroupsStub(self.channel).CommitOffsets(request, timeout=COMMAND_SECONDS, wait_for_ready=True)
        self.assertEqual(list(answer.errors), [])

    def produce(self, topic, partition, count):
        self.ok("produce", topic, "-p", partition, stdin=b"x\n" * count)

    def json(self, *args):
        return json.loads(self.ok("group", *args, "-o", "json").out)

    def committed(self):
        return {p["partition"]: int(p["committed"]) for p in self.json("describe", self.group)["partitions"] if "committed" in p}

    def findings(self):
        return [finding["code"] for finding in self.json("explain", self.group)["findings"]]

    def filled(self, *counts):
        topic = self.topic(len(counts))
        for partition, count in enumerate(counts):
            self.produce(topic, partition, count)
        return topic

    def test_a_group_is_listed_described_and_removed(self):
        topic = self.filled(10, 10)
        self.commit(topic, 4, 10)
        self.assertIn({"group": self.group, "state": "empty", "members": 0, "committed_partitions": 2}, self.json("ls")["groups"])
        self.assertIn(self.group.encode(), self.ok("group", "ls").out)
        group = self.json("describe", self.group)
        self.assertEqual((group["state"], group["lag"]), ("empty", "6"))
        self.assertEqual([(p["partition"], p["committed"], p["lag"]) for p in group["partitions"]], [(0, "4", "6"), (1, "10", "0")])
        self.assertGreater(int(group["partitions"][0]["lag_ms"]), 0)
        self.assertEqual(group["partitions"][1]["lag_ms"], "0")
        lines = self.ok("group", "lag", self.group).out.decode().splitlines()
        self.assertRegex(lines[0], rf"^GROUP {self.group}   STATE empty   MEMBERS 0   LAG 6 records \(oldest \d.*\)$")
        self.assertRegex(lines[2], rf"^{topic} +0 +4 +10 +6 ")
        self.assertIn("--yes", self.fails(2, "group", "rm", self.group))
        self.ok("group", "rm", self.group, "--yes")
        self.assertNotIn(self.group, [g["group"] for g in self.json("ls")["groups"]])

    def test_members_and_what_they_have(self):
        topic = self.filled(3, 3)
        member = self.member(topic, 2, client="worker-7")
        member.heartbeat(position=1)
        wait_until(lambda: all("position" in p for p in self.json("describe", self.group)["partitions"]), "the positions are known")
        group = self.json("describe", self.group)
        self.assertEqual(group["state"], "stable")
        (described,) = group["members"]
        self.assertEqual((described["member_id"], described["client"], described["assigned"]["topics"][0]["partitions"]), (member.id, "worker-7", [0, 1]))
        self.assertTrue(described["address"])
        self.assertEqual([p["member_id"] for p in group["partitions"]], [member.id] * 2)
        self.assertIn(f"{topic}/0,1".encode(), self.ok("group", "members", self.group).out)
        self.assertIn(b"worker-7 (", self.ok("group", "describe", self.group).out)
        error = self.fails(5, "group", "rm", self.group, "--yes")
        self.assertIn("[NON_EMPTY_GROUP]", error)
        self.assertIn(f"cord group members {self.group}", error)

    def test_names_that_do_not_exist(self):
        topic = self.filled(1)
        self.group = "billing-eu"
        self.commit(topic, 0)
        for command in ("describe", "members", "lag", "explain"):
            error = self.fails(3, "group", command, "biling-eu")
            self.assertIn('no group "biling-eu"; did you mean "billing-eu"?  [GROUP_ID_NOT_FOUND]', error)
            self.assertIn("cord group ls", error)
        self.fails(3, "group", "rm", "biling-eu", "--yes")
        self.fails(1, "group", "describe", "g" * 256)
        self.assertIn("not UTF-8", self.fails(2, "group", "describe", b"\xff"))
        self.assertIn("did you mean  cord group describe", self.fails(2, "group", "descibe", "x"))

    def test_every_way_to_seek_an_empty_group(self):
        topic = self.filled(10, 20)
        self.commit(topic, 4, 4)
        for args, expected in ((["--to", "start"], {0: 0, 1: 0}), (["--to", "end"], {0: 10, 1: 20}), (["--to", "15"], {0: 10, 1: 15}), (["--to", "-3"], {0: 7, 1: 17}),
                               (["--shift", "-5"], {0: 2, 1: 12}), (["--shift", "4", "-p", "1"], {0: 2, 1: 16}), (["--to", "@-1h"], {0: 0, 1: 0}),
                               (["--to", "@2100-01-01"], {0: 10, 1: 20})):
            self.ok("group", "seek", self.group, "--topic", topic, *args)
            self.assertEqual(self.committed(), expected, args)
        places = self.dir / "places.txt"
        places.write_text(f"# places\n{topic} 0 start\n{topic},1,-2\n")
        self.ok("group", "reset", self.group, "--from-file", places)
        self.assertEqual(self.committed(), {0: 0, 1: 18})

    def test_a_seek_says_what_it_did_and_a_dry_run_what_it_would(self):
        topic = self.filled(10, 10)
        self.commit(topic, 8, 1)
        dry = self.ok("group", "seek", self.group, "--topic", topic, "--to", "3", "--dry-run")
        self.assertRegex(dry.out.decode(), rf"^TOPIC +PART +CURRENT +TARGET +DELTA +TIMESTAMP\n{topic} +0 +8 +3 +-5 +20\d\d-")
        self.assertEqual(dry.err, "Dry run: nothing changed. 5 records would be delivered again, 2 records would be passed over. Re-run without --dry-run to apply.\n")
        self.assertEqual(self.committed(), {0: 8, 1: 1})
        done = self.ok("group", "seek", self.group, "--topic", topic, "--to", "3")
        self.assertRegex(done.out.decode(), r"^TOPIC +PART +PRIOR +CURRENT +DELTA +TIMESTAMP\n")
        self.assertEqual(done.err, f"group {self.group}: 2 partitions set; 5 records are delivered again, 2 records are passed over\n")
        answers = self.json("seek", self.group, "--topic", topic, "--to", "end")["answers"]
        self.assertEqual([(a["before"], a["after"], a["timestamp_ms"], a["position_epoch"]) for a in answers], [("3", "10", "-1", 2)] * 2)

    def test_a_living_group_goes_on_from_the_new_place_without_a_rebalance(self):
        topic = self.filled(10, 10)
        member = self.member(topic, 2)
        epoch = member.epoch
        done = self.ok("group", "seek", self.group, "--topic", topic, "--to", "3", "-p", 1)
        self.assertNotIn("not yet", done.err)
        member.wait(lambda: len(member.positions) == 1, "it was told")
        self.assertEqual([(partition, place) for (_, partition), place in member.positions.items()], [(1, (3, 1))])
        self.assertEqual(member.epoch, epoch)
        self.assertEqual(self.committed(), {1: 3})

    def test_an_owner_that_does_not_confirm_is_named(self):
        topic = self.filled(10)
        member = self.member(topic, 1)
        member.obeys = False
        request = self.admin_pb2.ResetOffsetsRequest(group=self.group, confirm_timeout_ms=-1)
        request.targets.add(topic=topic, start=True)
        answer = self.admin.ResetOffsets(request, timeout=COMMAND_SECONDS)
        self.assertEqual(answer.answers[0].unconfirmed_member, member.id)
        self.assertIn("awaiting_position", self.findings())
        member.wait(lambda: member.positions, "it was told")
        member.confirm()
        wait_until(lambda: "awaiting_position" not in self.findings(), "it has confirmed")

    def test_a_seek_that_cannot_be_changes_nothing(self):
        topic = self.filled(10)
        self.commit(topic, 5)
        places = self.dir / "bad.txt"
        for text, why in ((f"{topic} 0 1\n{topic} 0 2\n", "twice"), (f"{topic} 0 1\nnowhere 0 1\n", "nowhere"), (f"{topic} 0 1\n{topic} 7 1\n", "7")):
            places.write_text(text)
            result = self.cord("group", "seek", self.group, "--from-file", places)
            self.assertIn(result.code, (1, 3), result)
            self.assertIn(why, result.err)
        places.write_text(f"{topic} 0 1\n{topic} zero 1\n")
        self.assertIn("line 2: write  TOPIC PARTITION POSITION", self.fails(2, "group", "seek", self.group, "--from-file", places))
        for args in ([], ["--topic", topic], ["--to", "start"], ["--topic", topic, "--to", "1", "--shift", "1"], ["--topic", topic, "--to", "noon"],
                     ["--topic", topic, "--shift", "x"], ["--topic", topic, "--to", "1", "-p", "x"], ["--from-file", "/nowhere"]):
            self.fails(2, "group", "seek", self.group, *args)
        self.assertIn("did you mean", self.fails(3, "group", "seek", self.group, "--topic", topic + "x", "--to", "start"))
        self.assertIn(f"cord topic offsets {topic}", self.fails(3, "group", "seek", self.group, "--topic", topic, "--to", "start", "-p", 9))
        self.assertEqual(self.committed(), {0: 5})

    def test_explain_finds_what_keeps_a_group_from_going_on(self):
        topic = self.filled(10)
        self.commit(topic, 2)
        self.assertEqual(self.findings(), ["no_member"])
        self.ok("topic", "trim", topic, "--before", 5, "--yes")
        self.assertEqual(self.findings(), ["no_member", "below_log_start"])
        self.ok("group", "seek", self.group, "--topic", topic, "--to", "start")
        first = self.member(topic, 1)
        first.heartbeat(position=5, paused=True)
        wait_until(lambda: self.findings() == ["paused"], "the pause is found")
        first.heartbeat(position=6)
        wait_until(lambda: self.findings() == [], "nothing is found")
        self.assertIn(b"nothing keeps it from going on", self.ok("group", "explain", self.group).out)
        self.member(topic, 0)
        wait_until(lambda: self.findings() == ["idle_member"], "a member has no partition")
        first.vanish()
        self.members.remove(first)
        wait_until(lambda: "stream_lost" in self.findings(), "the stream is lost")
        self.assertIn(b"PROBLEM  stream_lost", self.ok("group", "explain", self.group).out)

    def test_a_revocation_that_is_waited_for_names_who_has_to_give_up(self):
        topic = self.filled(1, 1)
        first = self.member(topic, 2, client="slow")
        first.obeys = False
        self.member(topic, 0)
        wait_until(lambda: "awaiting_revocation" in self.findings(), "the revocation is seen")
        (finding,) = [f for f in self.json("explain", self.group)["findings"] if f["code"] == "awaiting_revocation"]
        self.assertEqual(finding["member_id"], first.id)
        self.assertEqual(self.json("describe", self.group)["state"], "reconciling")

    def test_watch_repeats_until_it_is_interrupted(self):
        topic = self.filled(1)
        self.commit(topic, 0)
        with subprocess.Popen([f"{OPTIONS.bin}/cord", "group", "describe", self.group, "--watch", "--interval", "100ms"], stdout=subprocess.PIPE, env=self.environment()) as watch:
            heads = 0
            for line in watch.stdout:
                heads += line.startswith(b"GROUP ")
                if heads == 3:
                    break
            watch.send_signal(signal.SIGINT)
            watch.communicate(timeout=COMMAND_SECONDS)
            self.assertEqual(watch.returncode, 0)
        self.fails(2, "group", "describe", self.group, "--watch", "--interval", "soon")

    def test_watch_ends_when_the_reader_of_its_pipe_goes(self):
        self.commit(self.filled(1), 0)
        for form in ("text", "json"):
            watch = subprocess.Popen([f"{OPTIONS.bin}/cord", "group", "describe", self.group, "--watch", "--interval", "100ms", "-o", form], stdout=subprocess.PIPE, env=self.environment())
            self.addCleanup(watch.wait)
            self.addCleanup(watch.kill)
            self.assertTrue(watch.stdout.readline())
            watch.stdout.close()
            self.assertEqual(watch.wait(10), 0)

    def test_an_autoscaler_is_told_the_lag_in_seconds(self):
        from keda import externalscaler_pb2, externalscaler_pb2_grpc
        scaler = externalscaler_pb2_grpc.ExternalScalerStub(self.channel)
        topic = self.filled(10)
        nobody = externalscaler_pb2.ScaledObjectRef(name="n", namespace="s", scalerMetadata={"group": "never-began", "scalerAddress": "x"})
        self.assertTrue(scaler.IsActive(nobody).result)
        self.commit(topic, 10)
        asked = externalscaler_pb2.ScaledObjectRef(scalerMetadata={"group": self.group, "lagSeconds": "0.5"})
        self.assertFalse(scaler.IsActive(asked).result)
        self.assertEqual(scaler.GetMetrics(externalscaler_pb2.GetMetricsRequest(scaledObjectRef=asked)).metricValues[0].metricValueFloat, 0)
        self.commit(topic, 4)
        self.assertTrue(scaler.IsActive(asked).result)
        spec = scaler.GetMetricSpec(asked).metricSpecs[0]
        self.assertEqual((spec.metricName, spec.targetSize, spec.targetSizeFloat), ("cordwood-lag-seconds", 1, 0.5))
        metric = scaler.GetMetrics(externalscaler_pb2.GetMetricsRequest(scaledObjectRef=asked, metricName="s0-x")).metricValues[0]
        self.assertEqual((metric.metricName, metric.metricValue), ("s0-x", 1))
        self.assertGreater(metric.metricValueFloat, 0)
        stream = scaler.StreamIsActive(nobody)
        self.assertTrue(next(iter(stream)).result)
        stream.cancel()
        with self.assertRaises(grpc.RpcError) as refused:
            scaler.IsActive(externalscaler_pb2.ScaledObjectRef(scalerMetadata={"group": "g", "lagSecond": "1"}))
        self.assertEqual(refused.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)


if __name__ == "__main__":
    main()
