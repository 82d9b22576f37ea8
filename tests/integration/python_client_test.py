#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A client made of nothing but generated stubs: Debian's python3-grpcio against a real broker.

usage: python_client_test.py --broker PATH/cordwoodd --proto PATH/proto
"""
import argparse
import pathlib
import subprocess
import sys
import tempfile
import time
import unittest

import grpc

OPTIONS = argparse.Namespace()
START_SECONDS = 30


def generate_stubs(proto_dir, out_dir):
    protos = ["cordwood/v1/error.proto", "cordwood/v1/log.proto", "cordwood/v1/admin.proto"]
    subprocess.run(["protoc", "-I", proto_dir, f"--python_out={out_dir}", f"--grpc_out={out_dir}",
                    "--plugin=protoc-gen-grpc=/usr/bin/grpc_python_plugin", *protos], check=True)
    sys.path.insert(0, str(out_dir))


class Broker:
    """A cordwoodd of its own, on a free port, over a temporary directory."""

    def __init__(self, directory):
        ports = directory / "ports"
        self.log = open(directory / "broker.log", "wb")
        self.process = subprocess.Popen(
            [OPTIONS.broker, "--data-dir", directory / "data", "--listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0", "--port-file", ports],
            stderr=self.log)
        deadline = time.monotonic() + START_SECONDS
        while not ports.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((directory / "broker.log").read_text())
            time.sleep(0.01)
        self.address = dict(line.split("=", 1) for line in ports.read_text().split())["grpc"]

    def stop(self):
        self.process.terminate()
        try:
            return self.process.wait(timeout=START_SECONDS)
        finally:
            self.process.kill()
            self.log.close()


class PythonClientTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.files = tempfile.TemporaryDirectory()
        directory = pathlib.Path(cls.files.name)
        stubs = directory / "stubs"
        stubs.mkdir()
        generate_stubs(OPTIONS.proto, stubs)
        global admin_pb2, error_pb2, log_pb2
        from cordwood.v1 import admin_pb2, admin_pb2_grpc, error_pb2, log_pb2, log_pb2_grpc
        cls.broker = Broker(directory)
        cls.channel = grpc.insecure_channel(cls.broker.address)
        cls.log = log_pb2_grpc.LogStub(cls.channel)
        cls.admin = admin_pb2_grpc.AdminStub(cls.channel)

    @classmethod
    def tearDownClass(cls):
        cls.channel.close()
        code = cls.broker.stop()
        cls.files.cleanup()
        assert code == 0, f"cordwoodd ended with {code}"

    def create(self, topic, partitions=1):
        self.admin.CreateTopic(admin_pb2.CreateTopicRequest(name=topic, partitions=partitions))

    def produce(self, topic, records, **entry):
        request = log_pb2.ProduceRequest(entries=[log_pb2.ProduceEntry(topic=topic, records=records, **entry)])
        return self.log.Produce(request).done[0]

    def fetch(self, topic, offset=0, partition=0):
        part = log_pb2.FetchPartition(topic=topic, partition=partition, fetch_offset=offset)
        return self.log.Fetch(log_pb2.FetchRequest(as_records=True, partitions=[part])).results[0]

    def test_plain_records_come_back(self):
        self.create("plain")
        sent = [log_pb2.Record(key=b"k", value="v%d ä".encode() % i, headers=[log_pb2.Header(key="h", value=b"x")]) for i in range(3)]
        done = self.produce("plain", sent, partition=0)
        self.assertEqual(list(done.base_offset), [0])
        records = self.fetch("plain").records
        self.assertEqual([(r.offset, r.key, r.value, r.headers[0].value) for r in records],
                         [(i, b"k", "v%d ä".encode() % i, b"x") for i in range(3)])
        self.assertAlmostEqual(records[0].timestamp_ms, time.time() * 1000, delta=60_000)

    def test_null_and_empty_values_differ(self):
        self.create("nulls")
        self.produce("nulls", [log_pb2.Record(), log_pb2.Record(key=b"", value=b"")], partition=0)
        self.assertEqual([(r.HasField("key"), r.HasField("value")) for r in self.fetch("nulls").records], [(False, False), (True, True)])

    def test_the_broker_chooses_the_partition_of_a_key(self):
        self.create("keyed", partitions=4)
        chosen = {self.produce("keyed", [log_pb2.Record(key=b"same", value=b"v")]).partition[0] for _ in range(3)}
        self.assertEqual(len(chosen), 1)
        self.assertEqual(len(self.fetch("keyed", partition=chosen.pop()).records), 3)

    def test_a_long_poll_ends_by_itself(self):
        self.create("empty")
        part = log_pb2.FetchPartition(topic="empty", partition=0)
        answer = self.log.Fetch(log_pb2.FetchRequest(as_records=True, min_bytes=1, max_wait_ms=100, partitions=[part]))
        self.assertEqual(len(answer.results[0].records) if answer.results else 0, 0)

    def test_streams_work_from_generated_stubs(self):
        self.create("stream")
        requests = (log_pb2.ProduceRequest(seq=i, entries=[log_pb2.ProduceEntry(topic="stream", partition=0, records=[log_pb2.Record(value=b"%d" % i)])])
                    for i in range(20))
        seqs = [done.seq for answer in self.log.ProduceStream(requests) for done in answer.done]
        self.assertEqual(sorted(seqs), list(range(20)))
        self.assertEqual([r.value for r in self.fetch("stream").records], [b"%d" % i for i in range(20)])

    def test_an_entrys_error_says_what_was_meant(self):
        self.create("orders")
        error = self.produce("ordres", [log_pb2.Record(value=b"v")], partition=0).errors[0]
        self.assertEqual(error.reason, error_pb2.UNKNOWN_TOPIC_OR_PARTITION)
        self.assertIn("orders", error.message)

    def test_a_failed_call_carries_its_reason(self):
        with self.assertRaises(grpc.RpcError) as caught:
            self.create("no good")
        self.assertEqual(caught.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)
        packed = dict(caught.exception.trailing_metadata())["grpc-status-details-bin"]
        detail = error_pb2.ErrorDetail.FromString(error_pb2.RpcStatus.FromString(packed).details[0].value)
        self.assertEqual(detail.reason, error_pb2.INVALID_TOPIC_EXCEPTION)

    def test_health_answers(self):
        check = self.channel.unary_unary("/grpc.health.v1.Health/Check")
        self.assertEqual(check(b""), b"\x08\x01")  # status: SERVING
        log = "cordwood.v1.Log"
        self.assertEqual(check(b"\x0a" + bytes([len(log)]) + log.encode()), b"\x08\x01")

    def test_reflection_lists_the_services(self):
        ask = self.channel.stream_stream("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")
        answer = next(ask(iter([b"\x3a\x00"])))  # list_services
        for service in (b"cordwood.v1.Log", b"cordwood.v1.Admin", b"grpc.health.v1.Health"):
            self.assertIn(service, answer)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--broker", required=True)
    parser.add_argument("--proto", required=True)
    OPTIONS, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])
