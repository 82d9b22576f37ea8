#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Topics and everything around the commands: their help, usage, flags, hints and the words of failures."""
import json
import os
import socket
import subprocess
import time

from cord_fixture import COMMAND_SECONDS, CordCase, OPTIONS, START_SECONDS, main


class CordAdminTest(CordCase):
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

    def test_trim_takes_a_topic_of_any_width(self):
        topic = self.topic(10_001)
        self.ok("produce", topic, "-p", 10_000, stdin=b"x\n")
        self.assertEqual(self.ok("topic", "trim", topic, "--before", "end", "--yes").err, f"trimmed topic {topic}: 1 record deleted\n")
        self.ok("topic", "rm", topic, "--yes")

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


if __name__ == "__main__":
    main()
