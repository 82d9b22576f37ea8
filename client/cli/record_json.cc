// SPDX-License-Identifier: Apache-2.0
// JSON written by hand: a record's line is on the hot path of `cord consume`.
#include "client/cli/record_json.h"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <cstdio>
#include <optional>

#include "absl/strings/escaping.h"
#include "storage/base/names.h"
#include "storage/base/strings.h"

namespace cordwood::client {
namespace {

constexpr std::size_t kEmbeddedJsonBytesMax = 1024 * 1024;  // a longer value stays a string

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
