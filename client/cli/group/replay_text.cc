// SPDX-License-Identifier: Apache-2.0
#include "client/cli/group/replay_text.h"

#include <cstdio>

#include "client/cli/group/group_text.h"
#include "client/cli/record_format.h"
#include "client/cli/table.h"

namespace cordwood::client {
namespace {

std::string Count(std::int64_t number) { return WithCommas(static_cast<std::uint64_t>(number)); }

std::string Percent(std::int64_t done, std::int64_t total) {
  char text[32];
  // Down, so that 100 % is all of it.
  std::snprintf(text, sizeof text, "%.1f%%", total == 0 ? 100.0 : static_cast<double>(done * 1000 / total) / 10);
  return text;
}

std::string PaceOf(const v1::ReplayListing& replay) {
  if (replay.original_pace()) return "original";
  return replay.bytes_per_second() == 0 ? "unlimited" : HumanBytes(static_cast<std::uint64_t>(replay.bytes_per_second())) + "/s";
}

template <class Description>
std::string RateOf(const Description& replay) { return replay.has_rate() ? HumanRate(replay.rate()) : "-"; }

std::string EtaOf(const v1::ReplayListing& replay) { return replay.has_eta_ms() ? HumanDuration(replay.eta_ms()) : "-"; }

}  // namespace

std::string ReplayCreatedText(const v1::CreateReplayResponse& created) {
  Table table({"TOPIC", "PART", "FROM", "TO", "RECORDS"});
  for (const v1::ReplayPartition& p : created.partitions()) {
    table.Add({p.topic(), std::to_string(p.partition()), Count(p.from()), Count(p.to()), Count(p.to() - p.from())});
  }
  return table.Text();
}

std::string ReplayCreatedNote(const v1::CreateReplayResponse& created) {
  const v1::ReplayListing& replay = created.replay();
  return "replay job " + Printable(replay.group()) + " beside group " + Printable(replay.source()) + ": " + Count(replay.total()) + (replay.total() == 1 ? " record" : " records") + ", pace " +
         PaceOf(replay) + "\nread it with  cord consume " + created.partitions(0).topic() + " -g " + Printable(replay.group()) + "  in one or more processes; each ends when the job is done";
}

std::string ReplayListText(const v1::ListReplaysResponse& replays) {
  Table table({"JOB", "GROUP", "STATE", "PACE", "MEMBERS", "RECORDS", "DONE", "RATE", "ETA", "CREATED"});
  for (const v1::ReplayListing& replay : replays.replays()) {
    table.Add({replay.group(), replay.source(), replay.state(), PaceOf(replay), std::to_string(replay.members()), Count(replay.total()), Percent(replay.done(), replay.total()),
               RateOf(replay), EtaOf(replay), Rfc3339(replay.created_ms())});
  }
  return table.Text();
}

std::string ReplayText(const v1::DescribeReplayResponse& described) {
  const v1::ReplayListing& replay = described.replay();
  std::string text = "REPLAY " + Printable(replay.group()) + "   GROUP " + Printable(replay.source()) + "   STATE " + replay.state() + "   PACE " + PaceOf(replay) + "   MEMBERS " +
                     std::to_string(replay.members()) + "\nDONE " + Count(replay.done()) + " of " + Count(replay.total()) + " records (" + Percent(replay.done(), replay.total()) +
                     ")   PARTITIONS " + std::to_string(replay.partitions_done()) + " of " + std::to_string(replay.partitions()) + "   RATE " + RateOf(replay) +
                     "   ETA " + EtaOf(replay);
  if (replay.skipped() > 0) text += "   SKIPPED " + Count(replay.skipped()) + " (deleted before they were read)";
  if (replay.has_clock_ms()) text += "   CLOCK " + Rfc3339(replay.clock_ms());
  if (replay.next_due_ms() > 0) text += "   NEXT in " + HumanDuration(replay.next_due_ms());
  Table table({"TOPIC", "PART", "FROM", "TO", "COMMITTED", "LEFT", "DONE", "RATE", "MEMBER"});
  for (const v1::ReplayPartition& p : described.partitions()) {
    table.Add({p.topic(), std::to_string(p.partition()), Count(p.from()), Count(p.to()), Count(p.committed()), Count(p.to() - p.committed()),
               Percent(p.committed() - p.from(), p.to() - p.from()), RateOf(p), p.member_id().empty() ? "-" : p.client().empty() ? p.member_id() : p.client()});
  }
  return text + "\n" + table.Text();
}

}  // namespace cordwood::client
