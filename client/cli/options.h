// SPDX-License-Identifier: Apache-2.0
// What stands on the command line.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace cordwood::client {

enum class OutputForm { kText, kJson };

struct GlobalOptions {
  std::string brokers = "127.0.0.1:9600";  // -b, else CORD_BROKERS
  OutputForm output = OutputForm::kText;
  absl::Duration timeout = absl::Seconds(30);  // of a request; of a produced record's acknowledgement
  bool quiet = false;                          // no summary, no progress
  std::string topic;                           // the command's, for hints; empty: it has none
  std::string group;                           // the same
};

struct TopicOptions {
  std::string topic;
  std::int32_t partitions = 0;        // create: 0 leaves it to the broker; add: the new total
  std::int32_t replication = 0;
  std::vector<std::string> configs;   // key=value
  std::vector<std::string> reset;     // set: keys that go back to their default
  std::string before;                 // trim: a position
  std::int32_t partition = -1;        // trim: -1 all
  bool yes = false;
  bool validate_only = false;
};

struct ProduceCommandOptions {
  std::string topic;
  std::string file;                   // empty or "-": standard input
  std::string key_delim;
  std::string key_regex;
  std::string rate;                   // "1000/s"
  std::string format;
  bool has_format = false;
  std::string compression = "none";
  std::string acks = "all";
  std::string batch_bytes = "128KiB";
  std::string linger = "1ms";
  std::vector<std::string> headers;   // key=value, on every record
  std::int32_t partition = -1;        // -1: by key, or sticky
};

struct ConsumeCommandOptions {
  std::string topic;
  std::string from;                   // empty: end with follow, else start
  std::string to;
  std::vector<std::int32_t> partitions;
  std::int64_t count = -1;            // -1: no limit
  bool follow = false;
  std::string format;
  bool has_format = false;
  std::string group;                  // empty: no group; from, to and partitions are then empty
  std::string instance_id;
  std::string reset;                  // earliest, latest or error; empty: earliest
  bool no_commit = false;
};

}  // namespace cordwood::client
