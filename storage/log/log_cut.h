// SPDX-License-Identifier: Apache-2.0
// Where recovery stopped believing a write-ahead log.
#pragma once

#include <cstdint>
#include <string>

namespace cordwood {

// Something stands in the log that is not believed: a torn end, or what lies behind a hole.
struct LogCut {
  std::string file;                 // its name without the directory
  std::uint64_t byte = 0;           // of that file: what is believed ends before it
  std::uint64_t last_sequence = 0;  // the last one that is believed
  std::uint64_t next_sequence = 0;  // of the first record behind the hole; 0: none behind it can be read
};

// "byte 4711 of 000012.log, behind sequence 99: what follows is torn", or "…: sequence 120 follows, what was between is lost".
inline std::string Describe(const LogCut& cut) {
  return "byte " + std::to_string(cut.byte) + " of " + cut.file + ", behind sequence " + std::to_string(cut.last_sequence) +
         (cut.next_sequence == 0 ? ": what follows is torn" : ": sequence " + std::to_string(cut.next_sequence) + " follows, what was between is lost");
}

}  // namespace cordwood
