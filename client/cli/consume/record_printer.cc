// SPDX-License-Identifier: Apache-2.0
// From the library's records to lines.
#include "client/cli/consume/record_printer.h"

#include <unistd.h>

#include <utility>

#include "client/cli/record_json.h"

namespace cordwood::client {

RecordPrinter::RecordPrinter(const GlobalOptions& global, std::optional<RecordFormat> format) : format_(std::move(format)) {
  const bool json = global.output == OutputForm::kJson || isatty(STDOUT_FILENO) == 0;
  value_line_ = format_.has_value() ? format_->is_value_line() : !json;
}

void RecordPrinter::Print(const ConsumerRecord& record) {
  if (value_line_) {
    out_.buffer()->append(record.value()).push_back('\n');
    return out_.Wrote();
  }
  view_.offset = Offset(record.offset());
  view_.timestamp_ms = record.timestamp().time_since_epoch().count();
  view_.key = record.has_key() ? std::optional(record.key()) : std::nullopt;
  view_.value = record.has_value() ? std::optional(record.value()) : std::nullopt;
  view_.headers.clear();
  for (const HeaderView& header : record.headers()) view_.headers.push_back({header.key, header.value});
  const PlacedRecord placed{record.topic(), PartitionIndex(record.partition()), LeaderEpoch(record.leader_epoch()), &view_};
  if (format_.has_value()) {
    format_->Append(placed, out_.buffer());
  } else {
    AppendJsonLine(placed, out_.buffer());
  }
  out_.Wrote();
}

}  // namespace cordwood::client
