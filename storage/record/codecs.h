// SPDX-License-Identifier: Apache-2.0
// One pair of functions per codec, and the bounded buffer they decompress into. Only compression.h is for other rooms.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "storage/base/reason.h"

namespace cordwood {

// Grows with what was really written, never with what a frame claims: at most twice the written bytes plus the first piece are
// held, so a small frame cannot make us allocate much.
//
//     while (…) { decode into [out.next(), out.room()); if (!out.Wrote(n)) return error; }
class BoundedOutput {
 public:
  BoundedOutput(std::size_t plain_max, std::size_t first_piece);

  char* next();        // where to write
  std::size_t room();  // how much, >= 1; once plain_max is reached, one byte of scratch to see whether there is more
  // `n` <= room() bytes were written at next(). False: the frame holds more than plain_max bytes.
  bool Wrote(std::size_t n);
  std::string Take() &&;

 private:
  bool full() const { return size_ == plain_max_; }

  const std::size_t plain_max_;
  std::string plain_;
  std::size_t size_ = 0;
  char scratch_ = 0;
};

// CORRUPT_MESSAGE "codec: what".
Status CorruptFrame(std::string_view codec, std::string_view what);
Status FrameTooLarge(std::string_view codec, std::size_t plain_max);

Status CompressGzip(std::string_view plain, std::string* out);
Status CompressSnappy(std::string_view plain, std::string* out);
Status CompressLz4(std::string_view plain, std::string* out);
Status CompressZstd(std::string_view plain, std::string* out);

// Each reads exactly one frame that must end where `compressed` ends.
StatusOr<std::string> DecompressGzip(std::string_view compressed, std::size_t plain_max);
StatusOr<std::string> DecompressSnappy(std::string_view compressed, std::size_t plain_max);
StatusOr<std::string> DecompressLz4(std::string_view compressed, std::size_t plain_max);
StatusOr<std::string> DecompressZstd(std::string_view compressed, std::size_t plain_max);

}  // namespace cordwood
