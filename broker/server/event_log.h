// SPDX-License-Identifier: Apache-2.0
// The broker's log: one line per event on stderr (time in UTC, level, text), none per request.
#pragma once

#include <string_view>

namespace cordwood::broker {

enum class EventLevel { kNote, kWarning, kError };

// Newlines in `text` become blanks. One write(2), so that lines of several threads do not mix. Any thread.
void LogEvent(EventLevel level, std::string_view text);

}  // namespace cordwood::broker
