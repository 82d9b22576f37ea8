// SPDX-License-Identifier: Apache-2.0
// RFC 9113 frames and RFC 7541 literals without a table.
#include "broker/grpc/connections/refused_frames.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "broker/grpc/rpc_status.h"

namespace cordwood::broker {
namespace {

enum FrameType : std::uint8_t { kHeaders = 1, kSettings = 4, kGoAway = 7 };
constexpr std::uint8_t kAck = 1, kEndStream = 1, kEndHeaders = 4;
constexpr std::uint32_t kEnhanceYourCalm = 11;
constexpr std::size_t kFrameHeaderBytes = 9;

void AppendBigEndian(std::string* out, std::uint32_t value, int bytes) {
  for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8) out->push_back(static_cast<char>(value >> shift));
}

std::uint32_t BigEndian(std::string_view bytes) {
  std::uint32_t value = 0;
  for (const char c : bytes) value = value << 8 | static_cast<unsigned char>(c);
  return value;
}

std::string Frame(FrameType type, std::uint8_t flags, std::uint32_t stream, std::string_view payload) {
  std::string frame;
  AppendBigEndian(&frame, static_cast<std::uint32_t>(payload.size()), 3);
  frame.push_back(static_cast<char>(type));
  frame.push_back(static_cast<char>(flags));
  AppendBigEndian(&frame, stream, 4);
  return frame.append(payload);
}

// HPACK's integer of seven bits, then the bytes.
void AppendText(std::string* block, std::string_view text) {
  constexpr std::size_t kPrefixMax = 127;
  block->push_back(static_cast<char>(std::min(text.size(), kPrefixMax)));
  if (text.size() >= kPrefixMax) {
    std::size_t rest = text.size() - kPrefixMax;
    for (; rest >= 128; rest /= 128) block->push_back(static_cast<char>(rest % 128 + 128));
    block->push_back(static_cast<char>(rest));
  }
  block->append(text);
}

void AppendField(std::string* block, std::string_view name, std::string_view value) {
  block->push_back('\0');  // a literal that enters no table
  AppendText(block, name);
  AppendText(block, value);
}

}  // namespace

std::string RefusalOpening() { return Frame(kSettings, 0, 0, ""); }

std::string SettingsTaken() { return Frame(kSettings, kAck, 0, ""); }

std::string RefusedCall(std::uint32_t stream, std::string_view why) {
  const grpc::Status status = ToGrpcStatus(Error(Reason::kThrottled, std::string(why)), kRefusedRetryAfterMs);
  std::string block = "\x88";  // :status 200
  AppendField(&block, "content-type", "application/grpc");
  AppendField(&block, "grpc-status", std::to_string(status.error_code()));
  AppendField(&block, "grpc-message", status.error_message());
  AppendField(&block, "grpc-status-details-bin", absl::Base64Escape(status.error_details()));
  return Frame(kHeaders, kEndStream | kEndHeaders, stream, block);
}

std::string RefusalEnd(std::uint32_t last_stream, std::string_view why) {
  std::string payload;
  AppendBigEndian(&payload, last_stream, 4);
  AppendBigEndian(&payload, kEnhanceYourCalm, 4);
  return Frame(kGoAway, 0, 0, payload.append(why));
}

CallFrames::Seen CallFrames::Feed(std::string_view bytes) {
  Seen seen;
  while (!bytes.empty()) {
    const std::size_t skipped = std::min(skip_, bytes.size());
    skip_ -= skipped;
    bytes.remove_prefix(skipped);
    const std::size_t wanted = std::min(kFrameHeaderBytes - header_.size(), bytes.size());
    header_.append(bytes.substr(0, wanted));
    bytes.remove_prefix(wanted);
    if (header_.size() < kFrameHeaderBytes) break;
    const std::string_view header = header_;
    skip_ = BigEndian(header.substr(0, 3));
    if (header[3] == kHeaders) seen.calls.push_back(BigEndian(header.substr(5, 4)));
    if (header[3] == kSettings && (header[4] & kAck) == 0) seen.settings = true;
    header_.clear();
  }
  return seen;
}

}  // namespace cordwood::broker
