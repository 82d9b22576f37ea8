// SPDX-License-Identifier: Apache-2.0
// Parses a format once, then appends record after record.
#include "client/cli/record_format.h"

#include <cstdio>
#include <ctime>

#include "absl/strings/escaping.h"
#include "storage/base/strings.h"

namespace cordwood::client {
namespace {

constexpr std::string_view kLetters = "tpokvsdheTKVH";

Status Bad(std::string_view text, std::size_t at, const std::string& why) {
  return Error(Reason::kInvalidRequest, "format \"" + std::string(text) + "\": " + why + " at character " + std::to_string(at + 1));
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

void AppendHeaders(const std::vector<RecordHeader>& headers, std::string* out) {
  bool first = true;
  for (const RecordHeader& header : headers) {
    if (!first) out->push_back(',');
    first = false;
    out->append(header.key).push_back('=');
    out->append(header.value.value_or(""));
  }
}

}  // namespace

std::string HexOf(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  hex.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    hex.push_back(kDigits[static_cast<unsigned char>(c) >> 4]);
    hex.push_back(kDigits[static_cast<unsigned char>(c) & 15]);
  }
  return hex;
}

std::string Rfc3339(std::int64_t ms) {
  if (ms < 0) return "-";
  const std::time_t seconds = static_cast<std::time_t>(ms / 1000);
  std::tm parts{};
  if (gmtime_r(&seconds, &parts) == nullptr) return "-";
  char date[64];
  std::strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &parts);
  char whole[80];
  std::snprintf(whole, sizeof whole, "%s.%03dZ", date, static_cast<int>(ms % 1000));
  return whole;
}

StatusOr<std::string> RecordFormat::Escape(std::string_view text, std::size_t* at) {
  const std::size_t start = (*at)++;
  if (*at >= text.size()) return Bad(text, start, "a lone \\ (write \\\\)");
  const char c = text[(*at)++];
  switch (c) {
    case 'n': return std::string("\n");
    case 't': return std::string("\t");
    case 'r': return std::string("\r");
    case '0': return std::string(1, '\0');
    case '\\': return std::string("\\");
    case 'x': {
      const int high = *at < text.size() ? HexDigit(text[*at]) : -1;
      const int low = *at + 1 < text.size() ? HexDigit(text[*at + 1]) : -1;
      if (high < 0 || low < 0) return Bad(text, start, "\\x takes two hex digits");
      *at += 2;
      return std::string(1, static_cast<char>(high * 16 + low));
    }
    default: return Bad(text, start, std::string("there is no \\") + c);
  }
}

StatusOr<RecordFormat::Piece> RecordFormat::Percent(std::string_view text, std::size_t* at) {
  const std::size_t start = (*at)++;
  if (*at >= text.size()) return Bad(text, start, "a lone % (write %%)");
  Piece piece;
  piece.what = text[(*at)++];
  if (piece.what == '%') return Piece{0, Encoding::kPlain, "%"};
  if (kLetters.find(piece.what) == std::string_view::npos) return Bad(text, start, std::string("there is no %") + piece.what);
  if (piece.what == 's') piece.what = 'v';
  if (*at >= text.size() || text[*at] != '{') return piece;
  const std::size_t close = text.find('}', *at);
  if (close == std::string_view::npos) return Bad(text, *at, "{ without }");
  const std::string_view encoding = text.substr(*at + 1, close - *at - 1);
  const bool bytes = piece.what == 'k' || piece.what == 'v';
  if (encoding == "hex" && bytes) {
    piece.encoding = Encoding::kHex;
  } else if (encoding == "base64" && bytes) {
    piece.encoding = Encoding::kBase64;
  } else if (encoding == "rfc3339" && piece.what == 'd') {
    piece.encoding = Encoding::kRfc3339;
  } else {
    const std::string letter = "%" + std::string(1, text[start + 1]);
    const std::string right = bytes ? letter + "{hex} or " + letter + "{base64}" : piece.what == 'd' ? "%d{rfc3339}" : letter;
    return Bad(text, *at, "there is no " + letter + "{" + std::string(encoding) + "}; write " + right + ", and \\x7b for a brace as text");
  }
  *at = close + 1;
  return piece;
}

StatusOr<RecordFormat> RecordFormat::Parse(std::string_view text) {
  RecordFormat format;
  const auto literal = [&format](const std::string& more) {
    if (format.pieces_.empty() || format.pieces_.back().what != 0) format.pieces_.emplace_back();
    format.pieces_.back().literal += more;
  };
  for (std::size_t at = 0; at < text.size();) {
    if (text[at] == '\\') {
      CORDWOOD_ASSIGN_OR_RETURN(const std::string escaped, Escape(text, &at));
      literal(escaped);
    } else if (text[at] == '%') {
      CORDWOOD_ASSIGN_OR_RETURN(Piece piece, Percent(text, &at));
      if (piece.what == 0) {
        literal(piece.literal);
      } else {
        format.pieces_.push_back(std::move(piece));
      }
    } else {
      literal(std::string(1, text[at++]));
    }
  }
  return format;
}

bool RecordFormat::is_value_line() const {
  return pieces_.size() == 2 && pieces_[0].what == 'v' && pieces_[0].encoding == Encoding::kPlain && pieces_[1].what == 0 && pieces_[1].literal == "\n";
}

void RecordFormat::Append(const PlacedRecord& placed, std::string* out) const {
  const RecordView& record = *placed.record;
  for (const Piece& piece : pieces_) {
    switch (piece.what) {
      case 0: out->append(piece.literal); break;
      case 't': out->append(placed.topic); break;
      case 'p': out->append(ToString(placed.partition)); break;
      case 'o': out->append(ToString(record.offset)); break;
      case 'e': out->append(ToString(placed.leader_epoch)); break;
      case 'd': out->append(piece.encoding == Encoding::kRfc3339 ? Rfc3339(record.timestamp_ms) : std::to_string(record.timestamp_ms)); break;
      case 'h': AppendHeaders(record.headers, out); break;
      case 'T': out->append(std::to_string(placed.topic.size())); break;
      case 'K': out->append(std::to_string(record.key.value_or("").size())); break;
      case 'V': out->append(std::to_string(record.value.value_or("").size())); break;
      case 'H': out->append(std::to_string(record.headers.size())); break;
      default: {
        const std::string_view bytes = (piece.what == 'k' ? record.key : record.value).value_or("");
        if (piece.encoding == Encoding::kHex) {
          out->append(HexOf(bytes));
        } else if (piece.encoding == Encoding::kBase64) {
          out->append(absl::Base64Escape(ToAbsl(bytes)));
        } else {
          out->append(bytes);
        }
      }
    }
  }
}

}  // namespace cordwood::client
