// SPDX-License-Identifier: Apache-2.0
// gzip: one RFC 1952 member, by zlib.
#include <zlib.h>

#include "storage/record/codecs.h"

namespace cordwood {
namespace {

constexpr int kGzipWindowBits = 15 + 16;  // 32 KiB window; + 16 asks zlib for the gzip wrapper
constexpr int kMemLevel = 8;              // zlib's default

Bytef* Input(std::string_view bytes) { return reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data())); }

// Ends the stream whichever way the function is left.
struct Inflater {
  ~Inflater() { inflateEnd(&stream); }
  z_stream stream{};
};
struct Deflater {
  ~Deflater() { deflateEnd(&stream); }
  z_stream stream{};
};

}  // namespace

Status CompressGzip(std::string_view plain, std::string* out) {
  Deflater deflater;
  z_stream& stream = deflater.stream;
  if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kGzipWindowBits, kMemLevel, Z_DEFAULT_STRATEGY) != Z_OK) {
    return Error(Reason::kUnknownServerError, "gzip: no memory");
  }
  const std::size_t before = out->size();
  const std::size_t bound = deflateBound(&stream, plain.size());
  out->resize(before + bound);
  stream.next_in = Input(plain);
  stream.avail_in = static_cast<uInt>(plain.size());
  stream.next_out = reinterpret_cast<Bytef*>(out->data() + before);
  stream.avail_out = static_cast<uInt>(bound);
  const int result = deflate(&stream, Z_FINISH);
  out->resize(before + bound - stream.avail_out);
  if (result != Z_STREAM_END) return Error(Reason::kUnknownServerError, "gzip: the frame did not fit its bound");
  return absl::OkStatus();
}

StatusOr<std::string> DecompressGzip(std::string_view compressed, std::size_t plain_max) {
  Inflater inflater;
  z_stream& stream = inflater.stream;
  if (inflateInit2(&stream, kGzipWindowBits) != Z_OK) return Error(Reason::kUnknownServerError, "gzip: no memory");
  BoundedOutput out(plain_max, 4 * compressed.size());
  stream.next_in = Input(compressed);
  stream.avail_in = static_cast<uInt>(compressed.size());
  while (true) {
    stream.next_out = reinterpret_cast<Bytef*>(out.next());
    stream.avail_out = static_cast<uInt>(out.room());
    const uInt input_before = stream.avail_in, room = stream.avail_out;
    const int result = inflate(&stream, Z_NO_FLUSH);
    const uInt written = room - stream.avail_out;
    if (!out.Wrote(written)) return FrameTooLarge("gzip", plain_max);
    if (result == Z_STREAM_END) break;
    if (result != Z_OK && result != Z_BUF_ERROR) return CorruptFrame("gzip", stream.msg == nullptr ? "damaged" : stream.msg);
    if (written == 0 && stream.avail_in == input_before) return CorruptFrame("gzip", "cut");
  }
  if (stream.avail_in != 0) return CorruptFrame("gzip", "followed by further bytes");
  return std::move(out).Take();
}

}  // namespace cordwood
