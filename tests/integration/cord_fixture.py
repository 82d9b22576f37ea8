# SPDX-License-Identifier: Apache-2.0
"""What the tests of `cord` share: a real broker of their own and the command itself. Each file of them is a program:

usage: cord_SUBJECT_test.py --bin DIR [--logs DIR] [unittest arguments]     (DIR holds cordwoodd and cord; --logs: real log files to carry besides)
"""
import argparse
import collections
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest

OPTIONS = argparse.Namespace()
START_SECONDS = 30
COMMAND_SECONDS = 60

Result = collections.namedtuple("Result", "code out err")


class Broker:
    """A cordwoodd of its own on free ports; comes back under the same address after a kill."""

    def __init__(self, directory, settings=()):
        self.directory = directory
        self.settings = [word for setting in settings for word in ("--set", setting)]
        self.listen = "127.0.0.1:0"
        self.start()

    def start(self):
        ports = self.directory / "ports"
        ports.unlink(missing_ok=True)
        self.log = open(self.directory / "broker.log", "ab")
        self.process = subprocess.Popen(
            [f"{OPTIONS.bin}/cordwoodd", "--data-dir", self.directory / "data", "--listen", self.listen, "--http-listen", "127.0.0.1:0", "--port-file", ports, *self.settings],
            stderr=self.log, stdout=self.log)
        wait_until(lambda: ports.exists() or self.process.poll() is not None, "the broker is ready")
        if self.process.poll() is not None:
            raise RuntimeError((self.directory / "broker.log").read_text())
        self.address = self.listen = dict(line.split("=", 1) for line in ports.read_text().split())["grpc"]

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)
        os.waitpid(self.process.pid, os.WUNTRACED)  # stands still from here on

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.log.close()

    def stop(self):
        self.process.terminate()
        try:
            return self.process.wait(timeout=START_SECONDS)
        finally:
            self.kill()


def wait_until(condition, what):
    deadline = time.monotonic() + START_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited in vain until {what}")
        time.sleep(0.01)


class CordCase(unittest.TestCase):
    """One broker for all tests of a class."""

    topics = 0  # made so far
    settings = ()  # key=value of the broker

    @classmethod
    def setUpClass(cls):
        cls.files = tempfile.TemporaryDirectory()
        cls.dir = pathlib.Path(cls.files.name)
        cls.broker = Broker(cls.dir, cls.settings)

    @classmethod
    def tearDownClass(cls):
        code = cls.broker.stop()
        cls.files.cleanup()
        assert code == 0, f"cordwoodd ended with {code}"

    def environment(self, **more):
        return {**os.environ, "CORD_BROKERS": self.broker.address, **more}

    def cord(self, *args, stdin=b"", env=None):
        done = subprocess.run([f"{OPTIONS.bin}/cord", *(arg if isinstance(arg, bytes) else str(arg) for arg in args)], input=stdin, capture_output=True, timeout=COMMAND_SECONDS, env=env or self.environment())
        return Result(done.returncode, done.stdout, done.stderr.decode())

    def ok(self, *args, stdin=b"", env=None):
        result = self.cord(*args, stdin=stdin, env=env)
        self.assertEqual(result.code, 0, result)
        return result

    def fails(self, code, *args, stdin=b""):
        result = self.cord(*args, stdin=stdin)
        self.assertEqual(result.code, code, result)
        self.assertEqual(result.out, b"")
        self.assertTrue(result.err.startswith("error: "), result.err)
        return result.err

    def topic(self, partitions=1, *configs):
        CordCase.topics += 1
        name = f"t{CordCase.topics}"
        self.ok("topic", "create", name, "-p", partitions, "-c", "durability=os", *(word for config in configs for word in ("-c", config)))
        return name

    def values(self, topic, *args):
        return self.ok("consume", topic, "-F", "%v\\n", *args).out

    def high_watermark(self, topic):
        return sum(int(p["high_watermark"]) for p in json.loads(self.ok("topic", "offsets", topic, "-o", "json").out)["topic"]["partitions"])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True)
    parser.add_argument("--logs", default="")
    _, rest = parser.parse_known_args(namespace=OPTIONS)
    unittest.main(argv=[sys.argv[0], *rest])
