#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The installed library: a program outside the tree builds with CMake and with pkg-config and speaks with a broker; headers stand alone;
nothing of the inside is shown.

usage: package_test.py --build DIR --bin DIR --cmake FILE --cxx FILE [unittest arguments]     (DIR of --bin holds cordwoodd)
"""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

OPTIONS = argparse.Namespace()
SOURCE = pathlib.Path(__file__).resolve().parent / "package"
START_SECONDS = 30
SPOKEN = ["packaged-0 at 0\nUNKNOWN_TOPIC_OR_PARTITION\n", "packaged-0 at 1\nUNKNOWN_TOPIC_OR_PARTITION\n"]


def run(*command, **environment):
    done = subprocess.run([str(part) for part in command], env={**os.environ, **environment}, text=True, timeout=300,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        raise AssertionError(f"{command} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


class PackageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        files = tempfile.TemporaryDirectory()
        cls.addClassCleanup(files.cleanup)
        cls.dir = pathlib.Path(files.name)
        run(OPTIONS.cmake, "--install", OPTIONS.build, "--component", "client", "--prefix", cls.dir / "first")
        cls.prefix = (cls.dir / "first").rename(cls.dir / "moved")  # nothing in it knows where it was
        cls.lib = next(cls.prefix.rglob("libcordwood-client.so")).parent

    def speak(self, program):
        """What the program says, run twice against a broker of its own."""
        with tempfile.TemporaryDirectory() as directory:
            ports = pathlib.Path(directory) / "ports"
            broker = subprocess.Popen([f"{OPTIONS.bin}/cordwoodd", "--data-dir", f"{directory}/data", "--listen", "127.0.0.1:0",
                                       "--http-listen", "127.0.0.1:0", "--port-file", ports], stderr=subprocess.DEVNULL)
            try:
                deadline = time.monotonic() + START_SECONDS
                while not ports.exists():
                    self.assertLess(time.monotonic(), deadline, "the broker is not ready")
                    time.sleep(0.01)
                address = dict(line.split("=", 1) for line in ports.read_text().split())["grpc"]
                return [run(program, address, LD_LIBRARY_PATH=str(self.lib)) for _ in SPOKEN]
            finally:
                broker.kill()
                broker.wait()

    def test_find_package_builds_a_program_that_speaks(self):
        build = self.dir / "with-cmake"
        run(OPTIONS.cmake, "-S", SOURCE, "-B", build, f"-DCMAKE_PREFIX_PATH={self.prefix}", f"-DCMAKE_CXX_COMPILER={OPTIONS.cxx}")
        run(OPTIONS.cmake, "--build", build)
        self.assertEqual(self.speak(build / "packaged"), SPOKEN)

    def test_pkg_config_builds_a_program_that_speaks(self):
        flags = run("pkg-config", "--cflags", "--libs", "cordwood-client", PKG_CONFIG_PATH=str(self.lib / "pkgconfig")).split()
        program = self.dir / "with-pkg-config"
        run(OPTIONS.cxx, "-std=c++20", SOURCE / "main.cc", "-o", program, *flags)
        self.assertEqual(self.speak(program), SPOKEN)

    def test_every_header_stands_alone_without_a_warning(self):
        headers = sorted((self.prefix / "include" / "cordwood").glob("*.h"))
        self.assertGreater(len(headers), 8)
        compilers = [OPTIONS.cxx] + [found for found in (shutil.which("clang++-14"), shutil.which("g++")) if found]
        for compiler in dict.fromkeys(compilers):
            for header in headers:
                source = self.dir / "one.cc"
                source.write_text(f"#include <cordwood/{header.name}>\n")
                run(compiler, "-std=c++20", "-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Werror", "-fsyntax-only", "-I", self.prefix / "include", source)

    def test_only_public_names_are_shown(self):
        names = re.findall(r" [TVWBDRuw] (.+?)(?:@@?CORDWOOD_0)?$", run("nm", "-DC", "--defined-only", self.lib / "libcordwood-client.so"), re.M)
        self.assertTrue(any(name.startswith("cordwood::Producer::Send(") for name in names), names)
        for name in names:
            self.assertRegex(name, r"(^|for )cordwood::")
            self.assertNotRegex(name, r"^cordwood::(client|v1)::")

    def test_the_library_says_its_version(self):
        self.assertIn("libcordwood-client.so.0", run("readelf", "-d", self.lib / "libcordwood-client.so"))
        self.assertEqual(run("pkg-config", "--modversion", "cordwood-client", PKG_CONFIG_PATH=str(self.lib / "pkgconfig")).strip(), "0.1.0")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for option in ("build", "bin", "cmake", "cxx"):
        parser.add_argument(f"--{option}", required=True)
    rest = parser.parse_known_args(namespace=OPTIONS)[1]
    unittest.main(argv=[sys.argv[0], *rest])
