// SPDX-License-Identifier: Apache-2.0
// Aligned columns; what is unknown is "-".
#include "client/cli/group/group_text.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>

#include "absl/strings/str_replace.h"
#include "client/cli/record_format.h"
#include "client/cli/table.h"

namespace cordwood::client {
namespace {

std::string Number(std::int64_t number) {
  const auto magnitude = static_cast<std::uint64_t>(number);
  return number < 0 ? "-" + WithCommas(0 - magnitude) : WithCommas(magnitude);
}
std::string Records(std::int64_t count) { return Number(count) + (count == 1 ? " record" : " records"); }
std::string Partitions(std::int64_t count) { return Number(count) + (count == 1 ? " partition" : " partitions"); }

template <class Message>
std::string LagTime(const Message& message) {
  return message.has_lag_ms() ? HumanDuration(message.lag_ms()) : "-";
}

std::string NameOf(const v1::GroupMemberDescription& member) {
  if (!member.instance_id().empty()) return member.instance_id();
  return member.client().empty() ? member.member_id() : member.client();
}

// gRPC names a peer "ipv4:10.1.2.3:4242" or "ipv6:%5B::1%5D:4242".
std::string HostOf(const std::string& address) {
  const std::string host = address.rfind("ipv4:", 0) == 0 || address.rfind("ipv6:", 0) == 0 ? address.substr(5) : address;
  return absl::StrReplaceAll(host, {{"%5B", "["}, {"%5D", "]"}});
}

std::string HeadOf(const v1::DescribeGroupResponse& group) {
  std::string lag = "LAG " + Records(group.lag());
  if (group.lag() > 0) lag += " (oldest " + HumanDuration(group.lag_ms()) + ")";
  const std::string replay = group.replay().empty() ? "" : "   REPLAY " + group.replay();
  return "GROUP " + Printable(group.group()) + "   STATE " + group.state() + replay + "   MEMBERS " + std::to_string(group.members_size()) + "   " + lag;
}

// "orders/0,1,2 payments/4"
std::string PlacesOf(const v1::TopicPartitionList& list) {
  std::string text;
  for (const v1::TopicPartitions& topic : list.topics()) {
    text += (text.empty() ? "" : " ") + topic.topic() + "/";
    for (int i = 0; i < topic.partitions_size(); ++i) text += (i == 0 ? "" : ",") + std::to_string(topic.partitions(i));
  }
  return text.empty() ? "-" : text;
}

int CountOf(const v1::TopicPartitionList& list) {
  int count = 0;
  for (const v1::TopicPartitions& topic : list.topics()) count += topic.partitions_size();
  return count;
}

std::string RateOf(const v1::GroupPartitionDescription& p) { return p.has_consume_rate() ? HumanRate(p.consume_rate()) : "-"; }

std::vector<std::string> LagCells(const v1::GroupPartitionDescription& p) {
  return {p.topic(), std::to_string(p.partition()), p.has_committed() ? Number(p.committed()) : "-", Number(p.has_end() ? p.end() : p.high_watermark()), p.has_lag() ? Number(p.lag()) : "-",
          LagTime(p), RateOf(p), p.has_drain_ms() ? (p.drain_ms() == 0 ? "-" : HumanDuration(p.drain_ms())) : (p.has_lag() && p.has_consume_rate() ? "never" : "-")};
}

}  // namespace

std::string HumanDuration(std::int64_t ms) {
  char text[32];
  if (ms == 0) return "0s";
  if (ms < 1000) return std::to_string(ms) + "ms";
  if (ms < 59'950) {
    std::snprintf(text, sizeof text, "%.1fs", static_cast<double>(ms) / 1000);
    return text;
  }
  const std::int64_t seconds = (ms + 500) / 1000;
  if (seconds < 3600) return std::to_string(seconds / 60) + "m" + std::to_string(seconds % 60) + "s";
  const std::int64_t minutes = seconds / 60;
  if (minutes < 24 * 60) return std::to_string(minutes / 60) + "h" + std::to_string(minutes % 60) + "m";
  return std::to_string(minutes / (24 * 60)) + "d" + std::to_string(minutes / 60 % 24) + "h";
}

std::string HumanRate(double per_second) {
  static constexpr const char* kUnits[] = {"", "k", "M", "G"};
  std::size_t unit = 0;
  for (; per_second >= 999.5 && unit + 1 < std::size(kUnits); ++unit) per_second /= 1000;
  const bool whole = unit == 0 && (per_second >= 10 || per_second == std::floor(per_second));
  char text[32];
  std::snprintf(text, sizeof text, whole ? "%.0f%s/s" : "%.1f%s/s", per_second, kUnits[unit]);
  return text;
}

std::string ListText(const v1::ListGroupsResponse& groups) {
  Table table({"GROUP", "STATE", "MEMBERS", "PARTITIONS"});
  for (const v1::GroupListing& group : groups.groups()) {
    table.Add({group.group(), group.state(), std::to_string(group.members()), std::to_string(group.committed_partitions())});
  }
  return table.Text();
}

std::string DescribeText(const v1::DescribeGroupResponse& group) {
  std::map<std::string, std::string> names;
  for (const v1::GroupMemberDescription& member : group.members()) {
    names[member.member_id()] = NameOf(member) + (member.address().empty() ? " (stream lost)" : " (" + HostOf(member.address()) + ")");
  }
  Table table({"TOPIC", "PART", "COMMITTED", "END", "LAG", "LAG-TIME", "RATE", "ETA", "MEMBER"});
  for (const v1::GroupPartitionDescription& partition : group.partitions()) {
    std::vector<std::string> cells = LagCells(partition);
    cells.push_back(partition.member_id().empty() ? "-" : names[partition.member_id()] + (partition.paused() ? " paused" : ""));
    table.Add(std::move(cells));
  }
  return HeadOf(group) + "   ASSIGNOR " + group.assignor() + "   EPOCH " + std::to_string(group.group_epoch()) + "   COORDINATOR broker " +
         std::to_string(group.coordinator()) + "\n" + table.Text();
}

std::string MembersText(const v1::DescribeGroupResponse& group) {
  Table table({"MEMBER", "ID", "ADDRESS", "EPOCH", "HEARD", "PARTITIONS", "LAG", "LAG-TIME", "ASSIGNED", "TO GIVE UP"});
  for (const v1::GroupMemberDescription& member : group.members()) {
    table.Add({NameOf(member), member.member_id(), member.address().empty() ? "-" : HostOf(member.address()), std::to_string(member.member_epoch()),
               HumanDuration(member.since_heard_ms()) + " ago", std::to_string(CountOf(member.assigned())), member.has_lag() ? Number(member.lag()) : "-",
               LagTime(member), PlacesOf(member.assigned()), PlacesOf(member.revoking())});
  }
  return table.Text();
}

std::string LagText(const v1::DescribeGroupResponse& group) {
  Table table({"TOPIC", "PART", "COMMITTED", "END", "LAG", "LAG-TIME", "RATE", "ETA"});
  for (const v1::GroupPartitionDescription& partition : group.partitions()) table.Add(LagCells(partition));
  return HeadOf(group) + "\n" + table.Text();
}

std::string ExplainText(const v1::ExplainGroupResponse& group) {
  std::string text = "GROUP " + Printable(group.group()) + "   STATE " + group.state() + "\n";
  if (group.findings().empty()) return text + "nothing keeps it from going on\n";
  for (const v1::Finding& finding : group.findings()) {
    text += (finding.severity() == "problem" ? "PROBLEM  " : "NOTE     ") + finding.code() + ": " + Printable(finding.text()) + "\n         try: " + Printable(finding.advice()) + "\n";
  }
  return text;
}

std::string SeekText(const v1::ResetOffsetsResponse& reset, bool dry_run) {
  Table table({"TOPIC", "PART", dry_run ? "CURRENT" : "PRIOR", dry_run ? "TARGET" : "CURRENT", "DELTA", "TIMESTAMP"});
  for (const auto& answer : reset.answers()) {
    table.Add({answer.topic(), std::to_string(answer.partition()), answer.has_before() ? Number(answer.before()) : "-", Number(answer.after()),
               answer.has_before() ? Number(answer.after() - answer.before()) : "-", Rfc3339(answer.timestamp_ms())});
  }
  return table.Text();
}

std::string SeekOutcome(const std::string& group, const v1::ResetOffsetsResponse& reset, bool dry_run) {
  std::int64_t again = 0;
  std::int64_t passed_over = 0;
  std::int64_t first = 0;  // partitions without a committed offset so far
  std::map<std::string, std::string> unconfirmed;
  for (const auto& answer : reset.answers()) {
    if (!answer.has_before()) ++first;
    const std::int64_t delta = answer.has_before() ? answer.after() - answer.before() : 0;
    (delta < 0 ? again : passed_over) += std::abs(delta);
    if (answer.unconfirmed_member().empty()) continue;
    std::string& places = unconfirmed[answer.unconfirmed_member()];
    places += (places.empty() ? "" : ", ") + answer.topic() + "/" + std::to_string(answer.partition());
  }
  const auto become = [&](std::int64_t count, const std::string& what) { return Records(count) + (dry_run ? " would be " : count == 1 ? " is " : " are ") + what; };
  std::string text;
  if (again > 0) text += become(again, "delivered again");
  if (passed_over > 0) text += (text.empty() ? "" : ", ") + become(passed_over, "passed over");
  if (first > 0) text += (text.empty() ? "nothing" : "; nothing") + std::string(" was committed in ") + Partitions(first) + " before";
  if (text.empty()) text = dry_run ? "no record would be delivered again or passed over" : "no record is delivered again or passed over";
  if (dry_run) return "Dry run: nothing changed. " + text + ". Re-run without --dry-run to apply.";
  text = "group " + Printable(group) + ": " + Partitions(reset.answers_size()) + " set; " + text;
  for (const auto& [member, places] : unconfirmed) {
    text += "\nmember " + Printable(member) + " has not yet said that it reads from there: " + places +
            "; it does so when it next polls, and commits of the old place are refused meanwhile";
  }
  return text;
}

}  // namespace cordwood::client
