// SPDX-License-Identifier: Apache-2.0
#include "client/cli/group/replay_request.h"

#include <algorithm>
#include <string>

#include "client/cli/position.h"

namespace cordwood::client {
namespace {

Status SetPosition(const char* flag, std::string_view text, std::int64_t now_ms, v1::ReplayPosition* out) {
  const auto position = ParsePosition(text, now_ms);
  if (!position.ok()) return Annotate(position.status(), flag);
  switch (position->kind) {
    case Position::Kind::kStart: out->set_start(true); break;
    case Position::Kind::kEnd: out->set_end(true); break;
    case Position::Kind::kOffset: out->set_offset(position->value); break;
    case Position::Kind::kTimestamp: out->set_timestamp_ms(position->value); break;
    case Position::Kind::kFromEnd:
      if (position->value == 0) out->set_end(true);
      if (position->value > 0) out->set_before_end(position->value);
      break;
  }
  return absl::OkStatus();
}

Status Bad(std::string why) { return Error(Reason::kInvalidRequest, std::move(why)); }

}  // namespace

StatusOr<std::int64_t> ParseByteRate(std::string_view text) {
  const std::size_t slash = std::min(text.find('/'), text.size());
  const std::string_view unit = slash == text.size() ? "s" : text.substr(slash + 1);
  const std::int64_t seconds = unit == "s" ? 1 : unit == "m" ? 60 : unit == "h" ? 3600 : 0;
  const auto bytes = ParseBytes(text.substr(0, slash));
  if (!bytes.ok() || seconds == 0 || *bytes / seconds == 0) return Bad("rate \"" + std::string(text) + "\": write it as 5MB/s, 64KiB/s or 1GB/m, at least one byte a second");
  return *bytes / seconds;
}

StatusOr<v1::CreateReplayRequest> ReplayRequest(const GroupOptions& options, std::int64_t now_ms) {
  if (options.group.empty()) return Bad("beside which group? Say its id");
  if (options.topic.empty()) return Bad("of which topic? Say --topic");
  if (options.from.empty()) return Bad("from where? Say --from");
  if (!options.rate.empty() && !options.pace.empty()) return Bad("--rate or --pace: not both");
  if (!options.pace.empty() && options.pace != "original") return Bad("--pace \"" + options.pace + "\": there is original, by the timestamps of the records");
  v1::CreateReplayRequest request;
  request.set_source(options.group);
  request.set_group(options.as.empty() ? options.group + ".replay" : options.as);
  auto& range = *request.add_ranges();
  range.set_topic(options.topic);
  for (const std::int32_t partition : options.partitions) range.add_partitions(partition);
  CORDWOOD_RETURN_IF_ERROR(SetPosition("--from", options.from, now_ms, range.mutable_from()));
  CORDWOOD_RETURN_IF_ERROR(SetPosition("--to", options.to.empty() ? "end" : options.to, now_ms, range.mutable_to()));
  if (!options.rate.empty()) {
    const auto rate = ParseByteRate(options.rate);
    if (!rate.ok()) return Annotate(rate.status(), "--rate");
    request.set_bytes_per_second(*rate);
  }
  request.set_original_pace(!options.pace.empty());
  return request;
}

}  // namespace cordwood::client
