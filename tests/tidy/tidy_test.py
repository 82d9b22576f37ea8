#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Shows that each rule of tidy.py catches what it is about."""
import unittest

import tidy

HEAD = "// SPDX-License-Identifier: Apache-2.0\n// What it is for.\n"


class TidyTest(unittest.TestCase):
    def faults(self, path, body):
        return list(tidy.check_file(path, HEAD + body))

    def assert_fault(self, path, body, words):
        self.assertTrue(any(words in fault for fault in self.faults(path, body)), self.faults(path, body))

    def test_a_good_file_has_no_fault(self):
        self.assertEqual(self.faults("storage/log/keys.h", '#include "storage/base/ids.h"\nclass Keys {\n};\n'), [])

    def test_includes_go_one_way(self):
        self.assert_fault("storage/base/a.cc", '#include "storage/log/keys.h"\n', "may not include")
        self.assert_fault("client/internal/a.cc", '#include "storage/shard/shard_store.h"\n', "may not include")
        self.assert_fault("broker/metadata/a.cc", '#include "broker/replication/outbox.h"\n', "may not include")
        self.assert_fault("storage/log/a.cc", '#include "cordwood/v1/log.pb.h"\n', "may not include")

    def test_only_tests_and_their_fixtures_see_the_tests_rooms(self):
        body = '#include "tests/support/temp_dir.h"\n'
        self.assert_fault("storage/shard/a.cc", body, "may not include")
        self.assert_fault("broker/handlers/latest_b.h", body, "may not include")
        for path in ("a_test.cc", "a_fixture.h", "test_a.h", "testing/a.h"):
            self.assertEqual(self.faults("storage/shard/" + path, body), [])

    def test_rocksdb_stays_in_its_rooms(self):
        self.assert_fault("broker/replication/a.cc", "#include <rocksdb/db.h>\n", "RocksDB is not seen")
        self.assert_fault("broker/metadata/strand.cc", "#include <rocksdb/db.h>\n", "RocksDB is not seen")
        self.assertEqual(self.faults("broker/metadata/local_metadata_store.cc", "#include <rocksdb/db.h>\n"), [])
        self.assertEqual(self.faults("storage/rocksdb/log.h", "#include <rocksdb/db.h>\n"), [])
        self.assert_fault("broker/metadata/local_metadata_store.h", "#include <rocksdb/db.h>\n", "shows RocksDB")
        self.assert_fault("broker/replication/a.cc", '#include "storage/rocksdb/torn_manifest.h"\n', "may not include")

    def test_prometheus_stays_in_its_room(self):
        self.assert_fault("broker/server/a.cc", "#include <prometheus/registry.h>\n", "prometheus-cpp is not seen")
        self.assertEqual(self.faults("broker/metrics/a.cc", "#include <prometheus/text_serializer.h>\n"), [])
        self.assert_fault("broker/handlers/a.cc", '#include "broker/metrics/families.h"\n', "may not include")

    def test_grpc_stays_in_the_doors(self):
        self.assert_fault("broker/handlers/a.h", "#include <grpcpp/grpcpp.h>\n", "gRPC is not seen")
        self.assert_fault("broker/grpc/log_service.cc", "#include <grpcpp/alarm.h>\n", "async headers")

    def test_public_headers_show_nothing_of_the_inside(self):
        self.assertEqual(self.faults("client/cordwood/a.h", '#include <map>\n#include <string_view>\n#include "cordwood/result.h"\n'), [])
        for inside in ("absl/status/status.h", "grpcpp/channel.h", "client/connection.h", "storage/base/ids.h", "unistd.h", "cordwood/v1/log.pb.h"):
            self.assert_fault("client/cordwood/a.h", f"#include <{inside}>\n", "a public header includes only")
        self.assert_fault("client/examples/a.cc", '#include "client/internal/call.h"\n', "may not include")
        self.assert_fault("client/producer.cc", '#include "storage/log/keys.h"\n', "may not include")
        self.assert_fault("client/producer.cc", "#include <grpcpp/channel.h>\n", "gRPC is not seen")
        self.assert_fault("client/internal/a.cc", "#include <cordwood/result.h>\n", "may not include")

    def test_sizes_have_limits(self):
        self.assert_fault("storage/log/a.h", "\n" * 199, "at most 200")
        self.assert_fault("storage/log/a.cc", "\n" * 399, "at most 400")
        self.assert_fault("storage/log/a.h", '#include "storage/base/ids.h"\n' * 9, "own includes")
        self.assertTrue(list(tidy.check_folders([f"storage/log/{n}.cc" for n in range(26)])))
        self.assertFalse(list(tidy.check_folders([f"storage/log/{n}_test.cc" for n in range(26)])))

    def test_names_and_loose_ends(self):
        self.assert_fault("storage/log/a.h", "class LogManager {\n};\n", "banned name")
        self.assert_fault("storage/log/a.cc", "// TO" "DO later\n", "loose end")
        self.assert_fault("storage/log/a_test.cc", "usleep(5);\n", "a test sleeps")
        self.assertTrue(list(tidy.check_file("storage/log/a.h", "int x;\n")))


if __name__ == "__main__":
    unittest.main()
