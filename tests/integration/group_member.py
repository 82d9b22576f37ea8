# SPDX-License-Identifier: Apache-2.0
"""Members of consumer groups made of generated stubs alone: they do as they are told by the test, and nothing else."""
import queue
import subprocess
import sys
import threading
import uuid

import grpc

WAIT_SECONDS = 30
PROTOS = ["cordwood/v1/error.proto", "cordwood/v1/log.proto", "cordwood/v1/groups.proto", "cordwood/v1/group_admin.proto", "keda/externalscaler.proto"]


def generate_stubs(proto_dir, out_dir):
    subprocess.run(["protoc", "-I", proto_dir, f"--python_out={out_dir}", f"--grpc_out={out_dir}",
                    "--plugin=protoc-gen-grpc=/usr/bin/grpc_python_plugin", *PROTOS], check=True)
    sys.path.insert(0, str(out_dir))


class Member:
    """Joins on a stream of its own and keeps what it was told last. It acknowledges each target at once, unless `obeys` is taken from it."""

    def __init__(self, address, group, topic, client="", obeys=True):
        from cordwood.v1 import groups_pb2, groups_pb2_grpc
        self.pb = groups_pb2
        self.id = str(uuid.uuid4())
        self.obeys = obeys
        self.channel = grpc.insecure_channel(address)
        self.requests = queue.Queue()
        self.changed = threading.Condition()
        self.epoch = 0
        self.assigned = []       # AssignedPartition
        self.positions = {}      # (topic id, partition) -> (offset, position epoch), as told by resets
        self.error = None
        join = groups_pb2.JoinRequest(group=group, member_id=self.id, client=client, subscription=groups_pb2.Subscription(topics=[topic]), rebalance_timeout_ms=60000)
        self.requests.put(groups_pb2.MemberMessage(join=join))
        self.answers = groups_pb2_grpc.GroupsStub(self.channel).Join(iter(self.requests.get, None))
        self.thread = threading.Thread(target=self.listen)
        self.thread.start()

    def listen(self):
        try:
            for message in self.answers:
                with self.changed:
                    self.take(message)
                    self.changed.notify_all()
        except grpc.RpcError as error:
            with self.changed:
                self.error = error
                self.changed.notify_all()

    def take(self, message):
        what = message.WhichOneof("what")
        if what == "target":
            self.epoch = message.target.member_epoch
            self.assigned = list(message.target.assigned)
            if self.obeys:
                self.heartbeat()
        elif what == "positions":
            for place in message.positions.positions:
                self.positions[(place.topic_id, place.partition)] = (place.offset, place.position_epoch)
            if self.obeys:
                self.confirm()

    def owned(self):
        by_topic = {}
        for place in self.assigned:
            by_topic.setdefault(place.topic_id, []).append(place.partition)
        return self.pb.TopicPartitionList(topics=[self.pb.TopicPartitions(topic_id=topic, partitions=sorted(partitions)) for topic, partitions in by_topic.items()])

    def heartbeat(self, position=None, paused=False):
        progress = [] if position is None else [
            self.pb.MemberProgress(topic_id=place.topic_id, partition=place.partition, position=position, paused=paused) for place in self.assigned]
        self.requests.put(self.pb.MemberMessage(heartbeat=self.pb.Heartbeat(member_epoch=self.epoch, owned=self.owned(), progress=progress)))

    def confirm(self):
        taken = [self.pb.PositionTaken(topic_id=topic, partition=partition, position_epoch=epoch) for (topic, partition), (_, epoch) in self.positions.items()]
        self.requests.put(self.pb.MemberMessage(positions_taken=self.pb.PositionsTaken(positions=taken)))

    def wait(self, condition, what):
        with self.changed:
            if not self.changed.wait_for(lambda: self.error is not None or condition(), WAIT_SECONDS) or self.error is not None:
                raise AssertionError(f"waited in vain until {what}: {self.error}")

    def vanish(self):
        """The stream breaks: it is lost, not left."""
        self.answers.cancel()
        self.requests.put(None)
        self.thread.join()
        self.channel.close()

    def leave(self):
        self.requests.put(self.pb.MemberMessage(leave=self.pb.Leave()))
        self.requests.put(None)
        self.thread.join()
        self.channel.close()
