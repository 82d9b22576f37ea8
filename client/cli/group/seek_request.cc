// SPDX-License-Identifier: Apache-2.0
// One position syntax for flags and files.
#include "client/cli/group/seek_request.h"

#include <charconv>
#include <optional>
#include <string>
#include <vector>

#include "client/cli/interrupt.h"
#include "client/cli/line_reader.h"
#include "client/cli/position.h"

namespace cordwood::client {
namespace {

using Target = v1::ResetOffsetsRequest::Target;

constexpr std::size_t kLineBytesMax = 4096;

template <class Number>
std::optional<Number> WholeNumber(std::string_view text) {
  Number value = 0;
  if (!text.empty() && text.front() == '+') text.remove_prefix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

Status SetPosition(std::string_view text, std::int64_t now_ms, Target* target) {
  CORDWOOD_ASSIGN_OR_RETURN(const Position position, ParsePosition(text, now_ms));
  switch (position.kind) {
    case Position::Kind::kStart: target->set_start(true); break;
    case Position::Kind::kEnd: target->set_end(true); break;
    case Position::Kind::kOffset: target->set_offset(position.value); break;
    case Position::Kind::kTimestamp: target->set_timestamp_ms(position.value); break;
    case Position::Kind::kFromEnd:
      if (position.value == 0) target->set_end(true);
      if (position.value > 0) target->set_before_end(position.value);
      break;
  }
  return absl::OkStatus();
}

std::vector<std::string_view> Fields(std::string_view line) {
  std::vector<std::string_view> fields;
  while (true) {
    const std::size_t begin = line.find_first_not_of(" \t,\r");
    if (begin == std::string_view::npos) return fields;
    line.remove_prefix(begin);
    const std::size_t end = std::min(line.find_first_of(" \t,\r"), line.size());
    fields.push_back(line.substr(0, end));
    line.remove_prefix(end);
  }
}

StatusOr<v1::ResetOffsetsRequest> FromFile(const GroupOptions& options, std::int64_t now_ms) {
  CORDWOOD_ASSIGN_OR_RETURN(const LineInput input, LineInput::Open(options.file));
  LineReader lines(input.fd(), kLineBytesMax, Interrupted);
  v1::ResetOffsetsRequest request;
  while (true) {
    CORDWOOD_ASSIGN_OR_RETURN(const auto line, lines.Next());
    if (!line.has_value()) break;
    Status status = line->cut() ? Error(Reason::kInvalidRequest, "too long") : AddSeekLine(line->text, now_ms, &request);
    if (status.ok() && static_cast<std::uint64_t>(request.targets_size()) > kSeekLinesMax) status = Error(Reason::kInvalidRequest, "more than 10000 partitions");
    if (!status.ok()) return Annotate(status, input.name() + ", line " + std::to_string(line->number));
  }
  if (request.targets().empty()) return Error(Reason::kInvalidRequest, input.name() + " names no partition; write  TOPIC PARTITION POSITION  on a line");
  return request;
}

}  // namespace

Status AddSeekLine(std::string_view line, std::int64_t now_ms, v1::ResetOffsetsRequest* request) {
  const std::vector<std::string_view> fields = Fields(line);
  if (fields.empty() || fields[0].front() == '#') return absl::OkStatus();
  const auto partition = fields.size() == 3 ? WholeNumber<std::int32_t>(fields[1]) : std::nullopt;
  if (!partition.has_value() || *partition < 0) return Error(Reason::kInvalidRequest, "write  TOPIC PARTITION POSITION,  as  orders 0 123");
  Target target;
  target.set_topic(std::string(fields[0]));
  target.add_partitions(*partition);
  CORDWOOD_RETURN_IF_ERROR(SetPosition(fields[2], now_ms, &target));
  *request->add_targets() = std::move(target);
  return absl::OkStatus();
}

StatusOr<v1::ResetOffsetsRequest> SeekRequest(const GroupOptions& options, std::int64_t now_ms) {
  const int ways = !options.to.empty() + !options.shift.empty() + !options.file.empty();
  if (ways != 1) return Error(Reason::kInvalidRequest, ways == 0 ? "where to? Say --to, --shift or --from-file" : "say one of --to, --shift and --from-file");
  v1::ResetOffsetsRequest request;
  if (!options.file.empty()) {
    if (!options.topic.empty() || !options.partitions.empty()) return Error(Reason::kInvalidRequest, "with --from-file the file names topics and partitions");
    CORDWOOD_ASSIGN_OR_RETURN(request, FromFile(options, now_ms));
  } else {
    if (options.topic.empty()) return Error(Reason::kInvalidRequest, "of which topic? Say --topic");
    Target& target = *request.add_targets();
    target.set_topic(options.topic);
    for (const std::int32_t partition : options.partitions) target.add_partitions(partition);
    if (!options.to.empty()) {
      const Status status = SetPosition(options.to, now_ms, &target);
      if (!status.ok()) return Annotate(status, "--to");
    } else {
      const auto shift = WholeNumber<std::int64_t>(options.shift);
      if (!shift.has_value() || *shift == 0) return Error(Reason::kInvalidRequest, "--shift \"" + options.shift + "\": write so many records, as -1000 or 1000");
      target.set_shift(*shift);
    }
  }
  request.set_group(options.group);
  request.set_dry_run(options.dry_run);
  return request;
}

}  // namespace cordwood::client
