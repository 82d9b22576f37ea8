// SPDX-License-Identifier: Apache-2.0
// What stands on the command line of cord group.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace cordwood::client {

struct GroupOptions {
  std::string group;
  bool watch = false;                    // describe: again and again
  std::string interval = "2s";           // of watch
  bool yes = false;                      // rm
  // seek: one of to, shift and file.
  std::string topic;
  std::vector<std::int32_t> partitions;  // none: all
  std::string to;                        // a position
  std::string shift;                     // records, to and fro
  std::string file;                      // "TOPIC PARTITION POSITION" a line; "-": standard input
  bool dry_run = false;
  // replay: also topic, partitions and to.
  std::string from;                      // a position
  std::string rate;                      // bytes in a time
  std::string pace;                      // "original"
  std::string as;                        // the job's id; empty: the group's and ".replay"
};

}  // namespace cordwood::client
