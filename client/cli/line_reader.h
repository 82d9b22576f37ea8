// SPDX-License-Identifier: Apache-2.0
// Lines of a file or pipe, byte for byte.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "storage/base/reason.h"

namespace cordwood::client {

// Where lines come from; stays open until the process ends.
class LineInput {
 public:
  // Empty or "-": standard input. NOT_FOUND names what cannot be opened or is a directory.
  static StatusOr<LineInput> Open(const std::string& file);

  int fd() const { return fd_; }
  const std::string& name() const { return name_; }
  std::uint64_t bytes() const { return bytes_; }  // 0: not known

 private:
  int fd_ = 0;
  std::string name_ = "standard input";
  std::uint64_t bytes_ = 0;
};

// A line ends at \n, which does not belong to it; \r and NUL are bytes like any other; the last line needs no \n. A line above `line_bytes_max` is read to
// its end but only its beginning is kept.
// Threading: none of its own.
class LineReader {
 public:
  struct Line {
    std::string_view text;        // valid until the next call
    std::uint64_t number = 0;     // from 1
    std::uint64_t bytes = 0;      // the whole line's; more than text.size() if it was cut
    bool cut() const { return bytes > text.size(); }
  };

  // `interrupted` is asked when a read is interrupted by a signal, and before each read; true ends the input.
  LineReader(int fd, std::size_t line_bytes_max, std::function<bool()> interrupted);

  // nullopt at the end. A read error carries the system's words.
  StatusOr<std::optional<Line>> Next();
  // A whole line is at hand: Next() will not wait.
  bool ready() const;
  std::uint64_t bytes_read() const { return bytes_read_; }

 private:
  StatusOr<bool> Fill();  // false at the end of the input

  const int fd_;
  const std::size_t line_bytes_max_;
  const std::function<bool()> interrupted_;
  std::string buffer_;
  std::size_t begin_ = 0;        // of what is not handed out, in buffer_
  std::size_t scanned_ = 0;      // up to here there is no \n
  std::uint64_t number_ = 0;
  std::uint64_t bytes_read_ = 0;
  std::uint64_t dropped_ = 0;    // of the present line, beyond line_bytes_max_
  bool end_ = false;
};

}  // namespace cordwood::client
