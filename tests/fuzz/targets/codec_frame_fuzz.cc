// SPDX-License-Identifier: Apache-2.0
// Frames of every codec: arbitrary bytes within bounds, and there and back.
#include <string>

#include "storage/base/check.h"
#include "storage/record/compression.h"
#include "tests/fuzz/fuzz_input.h"

namespace cordwood::testing {
namespace {

void CheckFrame(Codec codec, std::string_view frame, std::size_t plain_max) {
  const StatusOr<std::string> plain = Decompress(codec, frame, plain_max);
  if (!plain.ok()) {
    CORDWOOD_CHECK(ReasonOf(plain.status()) == Reason::kCorruptMessage);
    return;
  }
  CORDWOOD_CHECK(plain->size() <= plain_max);
  const StatusOr<std::string> exact = Decompress(codec, frame, plain->size());
  CORDWOOD_CHECK(exact.ok() && *exact == *plain);
  if (!plain->empty()) CORDWOOD_CHECK(!Decompress(codec, frame, plain->size() - 1).ok());
}

void CheckThereAndBack(Codec codec, std::string_view plain) {
  std::string frame = "kept";
  CORDWOOD_CHECK(Compress(codec, plain, &frame).ok() && frame.starts_with("kept"));
  frame.erase(0, 4);
  const StatusOr<std::string> back = Decompress(codec, frame, plain.size());
  CORDWOOD_CHECK(back.ok() && *back == plain);
  if (!plain.empty()) CORDWOOD_CHECK(!Decompress(codec, frame, plain.size() - 1).ok());
  // What follows a frame is refused; snappy's blocks go on, so there only what is no block is.
  if (codec != Codec::kNone) CORDWOOD_CHECK(!Decompress(codec, frame + "\xFF", plain.size() + 1).ok());
}

}  // namespace
}  // namespace cordwood::testing

int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace cordwood;
  using namespace cordwood::testing;
  FuzzInput in(bytes, size);
  const auto codec = static_cast<Codec>(in.Below(5));
  const std::size_t plain_max = std::size_t{1} << in.Below(21);
  CheckFrame(codec, in.rest(), plain_max);
  CheckThereAndBack(codec, in.rest());
  return 0;
}
