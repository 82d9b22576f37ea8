// SPDX-License-Identifier: Apache-2.0
// Records on stdout, in the form that was asked for.
#pragma once

#include <optional>

#include "client/cli/options.h"
#include "client/cli/record_format.h"
#include "client/cli/stdout_writer.h"
#include "cordwood/record.h"
#include "storage/record/record.h"

namespace cordwood::client {

// By `format`, else values as lines on a terminal, JSON lines in a pipe.
// Threading: none of its own.
class RecordPrinter {
 public:
  RecordPrinter(const GlobalOptions& global, std::optional<RecordFormat> format);

  void Print(const ConsumerRecord& record);
  StdoutWriter& out() { return out_; }

 private:
  const std::optional<RecordFormat> format_;
  bool value_line_ = false;  // of a record only the value is asked for
  RecordView view_;          // its headers' memory is used again
  StdoutWriter out_;
};

}  // namespace cordwood::client
