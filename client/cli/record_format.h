// SPDX-License-Identifier: Apache-2.0
// -F format strings: '%p %o %v\n'.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "storage/base/ids.h"
#include "storage/base/reason.h"
#include "storage/record/record.h"

namespace cordwood::client {

// A record and where it is.
struct PlacedRecord {
  std::string_view topic;
  PartitionIndex partition;
  LeaderEpoch leader_epoch = kNoLeaderEpoch;
  const RecordView* record = nullptr;
};

inline constexpr std::string_view kFormatEscapes =
    "%t topic, %p partition, %o offset, %k key, %v or %s value, %d timestamp in ms, %d{rfc3339}, %h headers, %e leader epoch,\n"
    "%T %K %V lengths in bytes, %H number of headers, %k{hex} %k{base64} %v{hex} %v{base64}, %%, \\n \\t \\r \\0 \\\\ \\xHH";

// rpk's escapes, with kcat's %s for the value. Bytes go out as they are. A null key or value prints as nothing.
class RecordFormat {
 public:
  // INVALID_REQUEST names the escape that does not exist and where.
  static StatusOr<RecordFormat> Parse(std::string_view text);

  void Append(const PlacedRecord& placed, std::string* out) const;
  // "%v\n": each record is its value and a line feed.
  bool is_value_line() const;

 private:
  enum class Encoding { kPlain, kHex, kBase64, kRfc3339 };
  struct Piece {
    char what = 0;  // 0: literal text
    Encoding encoding = Encoding::kPlain;
    std::string literal;
  };
  static StatusOr<std::string> Escape(std::string_view text, std::size_t* at);
  static StatusOr<Piece> Percent(std::string_view text, std::size_t* at);

  std::vector<Piece> pieces_;
};

std::string HexOf(std::string_view bytes);
std::string Rfc3339(std::int64_t ms);  // "2026-11-20T10:00:00.000Z"; "-" for none

}  // namespace cordwood::client
