// SPDX-License-Identifier: Apache-2.0
// Commits on membership streams, pipelined; and many groups with offsets, for a coordinator that starts again.
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "storage/base/check.h"
#include "tests/bench/group/groups_bench.h"
#include "tests/bench/measure.h"
#include "tests/support/group_client.h"
#include "tests/support/wait_until.h"

namespace cordwood::testing {
namespace {

void SendCommits(MemberStream& member, int partitions, int commits) {
  std::vector<v1::OffsetEntry> places;
  for (int i = 0; i < partitions; ++i) places.push_back(member.Place(i, 0));
  for (int i = 1; i <= commits; ++i) CORDWOOD_CHECK(member.Commit(static_cast<std::uint64_t>(i), places));
}

void AwaitCommits(MemberStream& member, int commits) {
  for (int done = 0; done < commits;) {
    const v1::CommitDone answer = member.AwaitCommit();
    if (answer.seq() == 0 || !answer.errors().empty()) Fail(absl::StrCat("a commit failed: ", answer.ShortDebugString()));
    done = static_cast<int>(answer.seq());
  }
}

std::string GroupName(int number) { return absl::StrCat("group-", number); }

}  // namespace

void BenchCommits(const GroupArguments& arguments) {
  const int streams = arguments.numbers[0];
  const int partitions = arguments.numbers[1];
  const int commits = arguments.numbers[2] / streams;  // of each
  const LogClient client(arguments.address);
  std::vector<std::unique_ptr<MemberStream>> members;
  for (int i = 0; i < streams; ++i) {
    members.push_back(std::make_unique<MemberStream>(client));
    CORDWOOD_CHECK(members.back()->Join(JoinOf(GroupName(i), "m", {arguments.topic})) && members.back()->AwaitPartitions(arguments.numbers[3]) && members.back()->Beat());
  }
  const Span span;
  std::vector<std::thread> threads;
  for (const auto& member : members) {
    threads.emplace_back([&] { SendCommits(*member, partitions, commits); });
    threads.emplace_back([&] { AwaitCommits(*member, commits); });
  }
  for (std::thread& thread : threads) thread.join();
  const double seconds = span.seconds();
  const double all = static_cast<double>(commits) * streams;
  JsonLine("commits").Add("commits", all).Add("seconds", seconds).Add("commits_per_s", all / seconds).Add("partitions_per_s", all * partitions / seconds).Print();
}

void FillOffsets(const GroupArguments& arguments) {
  const LogClient client(arguments.address);
  const auto stub = v1::Groups::NewStub(client.channel());
  for (int group = 0; group < arguments.numbers[0]; ++group) {
    v1::CommitOffsetsRequest request;
    request.set_group(GroupName(group));
    for (int i = 0; i < arguments.numbers[1]; ++i) {
      v1::OffsetEntry& entry = *request.add_entries();
      entry.set_topic(arguments.topic);
      entry.set_partition(i);
    }
    grpc::ClientContext context;
    v1::CommitOffsetsResponse response;
    Require(FromGrpc(stub->CommitOffsets(&context, request, &response)));
    if (!response.errors().empty()) Fail(response.ShortDebugString());
  }
  JsonLine("filled").Add("groups", arguments.numbers[0]).Add("offsets", arguments.numbers[1]).Print();
}

// Until each partition of the offsets topic, or nearly, serves a group.
void AwaitOffsets(const GroupArguments& arguments) {
  const LogClient client(arguments.address);
  const auto stub = v1::Groups::NewStub(client.channel());
  const Span span;
  const int step = std::max(arguments.numbers[0] / 200, 1);
  for (int group = 0; group < arguments.numbers[0]; group += step) {
    v1::FetchOffsetsRequest request;
    request.set_group(GroupName(group));
    request.add_topics()->set_topic(arguments.topic);
    const bool served = WaitUntil([&] {
      grpc::ClientContext context;
      v1::FetchOffsetsResponse response;
      return stub->FetchOffsets(&context, request, &response).ok() && response.answers_size() == arguments.numbers[1] && response.answers(0).has_committed();
    });
    if (!served) Fail(absl::StrCat("group ", group, " has lost its offsets"));
  }
  JsonLine("served").Add("seconds", span.seconds()).Print();
}

}  // namespace cordwood::testing
