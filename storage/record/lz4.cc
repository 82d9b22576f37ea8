// SPDX-License-Identifier: Apache-2.0
// lz4: one LZ4 frame. Kafka's own reader wants independent blocks; like Kafka's writer we make them of 64 KiB.
#include <lz4frame.h>

#include <memory>

#include "storage/record/codecs.h"

namespace cordwood {

Status CompressLz4(std::string_view plain, std::string* out) {
  LZ4F_preferences_t preferences{};
  preferences.frameInfo.blockSizeID = LZ4F_max64KB;
  preferences.frameInfo.blockMode = LZ4F_blockIndependent;
  const std::size_t before = out->size();
  out->resize(before + LZ4F_compressFrameBound(plain.size(), &preferences));
  const std::size_t written =
      LZ4F_compressFrame(out->data() + before, out->size() - before, plain.data(), plain.size(), &preferences);
  if (LZ4F_isError(written)) {
    out->resize(before);
    return Error(Reason::kUnknownServerError, std::string("lz4: ") + LZ4F_getErrorName(written));
  }
  out->resize(before + written);
  return absl::OkStatus();
}

StatusOr<std::string> DecompressLz4(std::string_view compressed, std::size_t plain_max) {
  LZ4F_dctx* raw_context = nullptr;
  if (LZ4F_isError(LZ4F_createDecompressionContext(&raw_context, LZ4F_VERSION))) {
    return Error(Reason::kUnknownServerError, "lz4: no memory");
  }
  const std::unique_ptr<LZ4F_dctx, LZ4F_errorCode_t (*)(LZ4F_dctx*)> context(raw_context, &LZ4F_freeDecompressionContext);
  BoundedOutput out(plain_max, 4 * compressed.size());
  std::string_view rest = compressed;
  while (true) {
    char* const to = out.next();
    std::size_t written = out.room(), consumed = rest.size();
    const std::size_t hint = LZ4F_decompress(context.get(), to, &written, rest.data(), &consumed, nullptr);
    if (LZ4F_isError(hint)) return CorruptFrame("lz4", LZ4F_getErrorName(hint));
    rest.remove_prefix(consumed);
    if (!out.Wrote(written)) return FrameTooLarge("lz4", plain_max);
    if (hint == 0) break;
    if (written == 0 && consumed == 0) return CorruptFrame("lz4", "cut");
  }
  if (!rest.empty()) return CorruptFrame("lz4", "followed by further bytes");
  return std::move(out).Take();
}

}  // namespace cordwood
