// SPDX-License-Identifier: Apache-2.0
// Records as JSON Lines.
#pragma once

#include <string>
#include <string_view>

#include "client/cli/record_format.h"

namespace cordwood::client {

// One object on one line, "\n" included:
// {"topic":"orders","partition":1,"offset":"8800317","timestamp":"2026-11-21T00:01:06.412Z","key":"c-9","value":{"id":1},"value_encoding":"json"}
// offset is a string, as protobuf's JSON has 64-bit numbers. A key or value is a string if it is UTF-8, else base64, which key_encoding or
// value_encoding says; a value that is itself a JSON object or array stands as such ("json"); null is null. Headers come last, if any.
void AppendJsonLine(const PlacedRecord& placed, std::string* out);

// With quotes. `text` must be UTF-8.
void AppendJsonString(std::string_view text, std::string* out);
// A whole JSON object or array that stands on one line.
bool IsJsonDocument(std::string_view bytes);

}  // namespace cordwood::client
