// SPDX-License-Identifier: Apache-2.0
// Buffered standard output that takes a broken pipe for the end of the work.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "storage/base/reason.h"

namespace cordwood::client {

// Threading: none of its own.
class StdoutWriter {
 public:
  explicit StdoutWriter(int fd = 1, std::size_t buffer_bytes = 64 * 1024) : fd_(fd), buffer_bytes_(buffer_bytes) {}
  ~StdoutWriter() { Flush(); }

  // To append to; call Wrote() afterwards.
  std::string* buffer() { return &buffer_; }
  void Wrote() {
    if (buffer_.size() >= buffer_bytes_) Flush();
  }
  void Write(std::string_view text) {
    buffer_.append(text);
    Wrote();
  }
  void Flush();  // with nothing to write: looks whether the reader is there
  // The reader has gone (`| head`), or takes nothing after a signal: nothing more can be written, which is no error.
  bool closed() const { return closed_; }
  // 0, or the errno of a write that failed for another reason, as on a full disk.
  int error() const { return error_; }
  // OK, or error() as LocalError() has it.
  Status status() const;

 private:
  const int fd_;
  const std::size_t buffer_bytes_;
  std::string buffer_;
  bool closed_ = false;
  int error_ = 0;
};

}  // namespace cordwood::client
