// SPDX-License-Identifier: Apache-2.0
// zstd: one frame. The window is bounded by zstd's own limit for streams, the output by the caller.
#include <zstd.h>

#include <algorithm>
#include <memory>

#include "storage/record/codecs.h"

namespace cordwood {
namespace {

constexpr int kLevel = 3;
// What Kafka's highest level may ask for. Its pages are touched only as far as the frame really fills them.
constexpr int kWindowLogMax = 27;
constexpr std::size_t kTrustedClaim = 256 * 1024;  // a claimed content size up to this is allocated at once

using CompressContext = std::unique_ptr<ZSTD_CCtx, std::size_t (*)(ZSTD_CCtx*)>;
using DecompressContext = std::unique_ptr<ZSTD_DCtx, std::size_t (*)(ZSTD_DCtx*)>;

// The contents claimed by the frame, as far as its size makes them likely; a wrong guess only costs a second allocation.
std::size_t FirstPiece(std::string_view compressed) {
  const unsigned long long claimed = ZSTD_getFrameContentSize(compressed.data(), compressed.size());
  const std::size_t likely = std::max(kTrustedClaim, 32 * compressed.size());
  if (claimed == ZSTD_CONTENTSIZE_UNKNOWN || claimed == ZSTD_CONTENTSIZE_ERROR) return 4 * compressed.size();
  return static_cast<std::size_t>(std::min<unsigned long long>(claimed, likely));
}

}  // namespace

Status CompressZstd(std::string_view plain, std::string* out) {
  // Kept per thread: making its tables costs more than compressing a small batch.
  static thread_local const CompressContext context(ZSTD_createCCtx(), &ZSTD_freeCCtx);
  if (context == nullptr) return Error(Reason::kUnknownServerError, "zstd: no memory");
  const std::size_t before = out->size();
  out->resize(before + ZSTD_compressBound(plain.size()));
  const std::size_t written =
      ZSTD_compressCCtx(context.get(), out->data() + before, out->size() - before, plain.data(), plain.size(), kLevel);
  if (ZSTD_isError(written)) {
    out->resize(before);
    return Error(Reason::kUnknownServerError, std::string("zstd: ") + ZSTD_getErrorName(written));
  }
  out->resize(before + written);
  return absl::OkStatus();
}

StatusOr<std::string> DecompressZstd(std::string_view compressed, std::size_t plain_max) {
  const DecompressContext context(ZSTD_createDCtx(), &ZSTD_freeDCtx);  // per call: it may grow by a foreign frame's window
  if (context == nullptr) return Error(Reason::kUnknownServerError, "zstd: no memory");
  ZSTD_DCtx_setParameter(context.get(), ZSTD_d_windowLogMax, kWindowLogMax);
  BoundedOutput out(plain_max, FirstPiece(compressed));
  ZSTD_inBuffer input{compressed.data(), compressed.size(), 0};
  while (true) {
    ZSTD_outBuffer output{out.next(), out.room(), 0};
    const std::size_t input_before = input.pos;
    const std::size_t hint = ZSTD_decompressStream(context.get(), &output, &input);
    if (ZSTD_isError(hint)) return CorruptFrame("zstd", ZSTD_getErrorName(hint));
    if (!out.Wrote(output.pos)) return FrameTooLarge("zstd", plain_max);
    if (hint == 0) break;
    if (output.pos == 0 && input.pos == input_before) return CorruptFrame("zstd", "cut");
  }
  if (input.pos != input.size) return CorruptFrame("zstd", "followed by further bytes");
  return std::move(out).Take();
}

}  // namespace cordwood
