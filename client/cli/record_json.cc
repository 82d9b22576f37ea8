// SPDX-License-Identifier: Apache-2.0
// JSON written by hand: a record's line is on the hot path of `cord consume`.
#include "client/cli/record_json.h"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <cstdio>
#include <optional>

#include "absl/strings/escaping.h"
#include "storage/base/strings.h"

namespace cordwood::client {
namespace {

constexpr std::size_t kEmbeddedJsonBytesMax = 1024 * 1024;  // a longer value stays a string

// Bytes of the UTF-8 sequence at the front of `bytes`, 0 if there is none (overlong, surrogate, beyond U+10FFFF, cut).
std::size_t Utf8Length(std::string_view bytes) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  const auto continues = [&](std::size_t i) { return i < bytes.size() && (at(i) & 0xC0) == 0x80; };
  const unsigned char first = at(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return continues(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    if (!continues(1) || !continues(2)) return 0;
    if (first == 0xE0 && at(1) < 0xA0) return 0;
    if (first == 0xED && at(1) > 0x9F) return 0;
    return 3;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    if (!continues(1) || !continues(2) || !continues(3)) return 0;
    if (first == 0xF0 && at(1) < 0x90) return 0;
    if (first == 0xF4 && at(1) > 0x8F) return 0;
    return 4;
  }
  return 0;
}

void AppendBytes(std::string_view name, const std::optional<std::string_view>& bytes, bool may_be_json, std::string* out) {
  const std::string quoted(name);
  out->append(",\"" + quoted + "\":");
  if (!bytes.has_value()) {
    out->append("null");
  } else if (!IsUtf8(*bytes)) {
    out->append("\"" + absl::Base64Escape(ToAbsl(*bytes)) + "\",\"" + quoted + "_encoding\":\"base64\"");
  } else if (may_be_json && IsJsonDocument(*bytes)) {
    out->append(*bytes);
    out->append(",\"" + quoted + "_encoding\":\"json\"");
  } else {
    AppendJsonString(*bytes, out);
  }
}

}  // namespace

bool IsUtf8(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::size_t length = Utf8Length(bytes);
    if (length == 0) return false;
    bytes.remove_prefix(length);
  }
  return true;
}

bool IsJsonDocument(std::string_view bytes) {
  if (bytes.size() < 2 || bytes.size() > kEmbeddedJsonBytesMax) return false;
  const bool object = bytes.front() == '{' && bytes.back() == '}';
  const bool array = bytes.front() == '[' && bytes.back() == ']';
  if (!object && !array) return false;
  if (bytes.find_first_of("\n\r") != std::string_view::npos) return false;
  return nlohmann::json::accept(bytes.begin(), bytes.end());
}

void AppendJsonString(std::string_view text, std::string* out) {
  out->push_back('"');
  for (const char c : text) {
    switch (c) {
      case '"': out->append("\\\""); break;
      case '\\': out->append("\\\\"); break;
      case '\n': out->append("\\n"); break;
      case '\r': out->append("\\r"); break;
      case '\t': out->append("\\t"); break;
      default:
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
          char escaped[8];
          std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned>(c));
          out->append(escaped);
        } else {
          out->push_back(c);
        }
    }
  }
  out->push_back('"');
}

void AppendJsonLine(const PlacedRecord& placed, std::string* out) {
  const RecordView& record = *placed.record;
  out->append("{\"topic\":");
  AppendJsonString(placed.topic, out);
  out->append(",\"partition\":" + ToString(placed.partition) + ",\"offset\":\"" + ToString(record.offset) + "\"");
  if (record.timestamp_ms >= 0) out->append(",\"timestamp\":\"" + Rfc3339(record.timestamp_ms) + "\"");
  AppendBytes("key", record.key, false, out);
  AppendBytes("value", record.value, true, out);
  if (!record.headers.empty()) {
    out->append(",\"headers\":[");
    bool first = true;
    for (const RecordHeader& header : record.headers) {
      out->append(first ? "{\"key\":" : ",{\"key\":");
      first = false;
      AppendJsonString(IsUtf8(header.key) ? header.key : std::string_view("?"), out);
      AppendBytes("value", header.value, false, out);
      out->push_back('}');
    }
    out->push_back(']');
  }
  out->append("}\n");
}

}  // namespace cordwood::client
