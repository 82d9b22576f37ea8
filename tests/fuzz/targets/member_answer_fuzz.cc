// SPDX-License-Identifier: Apache-2.0
// What a coordinator says to a member of a group: through the member's state machine, between what its application does.

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "client/internal/group/member_core.h"
#include "storage/base/check.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/quiet_protobuf.h"

namespace cordwood::testing {
namespace {

constexpr std::size_t kCommitsMax = 200;  // in one input

// How a stream may end.
Status EndOf(std::uint16_t number) {
  constexpr Reason kReasons[] = {Reason::kFencedMemberEpoch, Reason::kUnknownMemberId,   Reason::kNotCoordinator, Reason::kCoordinatorLoadInProgress,
                                 Reason::kShuttingDown,      Reason::kFencedInstanceId, Reason::kThrottled,      Reason::kGroupMaxSizeReached};
  if (number % 10 == 8) return absl::OkStatus();
  if (number % 10 == 9) return absl::UnavailableError("connection reset");
  return Error(kReasons[number % 10], "ended");
}

// The application of one member. Every commit is answered once; epochs rise within an incarnation; what the application is told hangs together.
class Application {
 public:
  Application() : core_(Options(), now_) { Settle(); }

  void Hear(std::string_view bytes) {
    v1::CoordinatorMessage message;
    if (!open_ || !message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return;
    const Status heard = core_.Received(message, now_);
    if (!heard.ok()) {
      CORDWOOD_CHECK(ReasonOf(heard) == Reason::kMalformedRequest);
      End(absl::UnavailableError("the stream was broken"));
    }
    static_cast<void>(core_.TakeMoved());
    Settle();
  }
  void Break(const Status& why) {
    if (open_) End(why);
    Settle();
  }
  void Open() {
    if (!open_ && core_.wants_stream()) {
      core_.StreamOpened(now_);
      open_ = true;
    }
    Settle();
  }
  void Pass(absl::Duration time, bool polls) {
    now_ += time;
    if (polls) core_.Polled(now_);
    core_.Tick(now_);
    if (core_.overdue(now_)) End(absl::UnavailableError("an answer is owed"));
    static_cast<void>(core_.TakeSlowPoll());
    Settle();
  }
  // Takes what there is to take, and answers it.
  void Poll(bool gives_up) {
    const client::MemberChanges changes = core_.TakeChanges();
    for (const client::MemberPlace& place : changes.lost) CORDWOOD_CHECK(has_.erase(place.tenure) == 1);
    for (const client::MemberPlace& place : changes.revoked) CORDWOOD_CHECK(has_.contains(place.tenure));
    for (const client::MemberPlace& place : changes.moved) CORDWOOD_CHECK(has_.contains(place.tenure));
    for (const client::MemberPlace& place : changes.assigned) {
      CORDWOOD_CHECK(has_.insert(place.tenure).second);
      last_ = place;
    }
    core_.Taken(changes.moved);
    revoked_.insert(revoked_.end(), changes.revoked.begin(), changes.revoked.end());
    if (gives_up) {
      core_.GaveUp(revoked_);
      for (const client::MemberPlace& place : std::exchange(revoked_, {})) has_.erase(place.tenure);
    }
    Settle();
  }
  void Commit(Offset offset) {
    if (++commits_ > kCommitsMax) return;
    const auto seq = core_.Commit({{last_.at, last_.tenure, offset, LeaderEpoch(0), last_.position_epoch, ""}, {}}, now_);
    CORDWOOD_CHECK(seq.ok() && open_commits_.insert(*seq).second);
    core_.Progressed(last_.at, offset, false);
    Settle();
  }
  void Subscribe() {
    core_.Subscribe(Options().subscription);
    Settle();
  }
  // With nobody to answer.
  void Leave() {
    for (int life = 0; life < 3 && !core_.left(); ++life) {
      core_.Leave();
      Open();
      Break(Error(Reason::kFencedMemberEpoch, "no longer"));
    }
    CORDWOOD_CHECK(core_.left() && open_commits_.empty());
  }

 private:
  static client::MemberCoreOptions Options() {
    client::MemberCoreOptions options;
    options.group = "g";
    options.subscription.add_topics("t");
    options.new_member_id = [id = 0]() mutable { return "m" + std::to_string(++id); };
    return options;
  }
  void End(const Status& why) {
    open_ = false;
    core_.StreamEnded(why, now_);
  }
  void Settle() {
    if (open_ && !core_.wants_stream()) End(absl::OkStatus());
    if (member_ != core_.member_id()) epoch_ = 0;
    member_ = core_.member_id();
    CORDWOOD_CHECK(core_.epoch() >= epoch_);
    epoch_ = core_.epoch();
    for (std::size_t messages = 0; core_.NextMessage(now_).has_value(); ++messages) CORDWOOD_CHECK(messages <= kCommitsMax + 10);
    for (const client::MemberCommitAnswer& answer : core_.TakeAnswers()) {
      CORDWOOD_CHECK(answer.entries.size() == 2 && !answer.entries[1].ok());
      CORDWOOD_CHECK(open_commits_.erase(answer.seq) == 1);
    }
    static_cast<void>(core_.next_wake());
    const Status sound = core_.Invariants();
    CORDWOOD_CHECK(sound.ok());
  }

  absl::Duration now_ = absl::Hours(1);
  client::MemberCore core_;
  bool open_ = false;
  std::string member_;
  std::int32_t epoch_ = 0;
  std::set<client::Tenure> has_;  // the application
  std::vector<client::MemberPlace> revoked_;
  client::MemberPlace last_;
  std::size_t commits_ = 0;
  std::set<std::uint64_t> open_commits_;
};

}  // namespace
}  // namespace cordwood::testing

// A step is a byte and two more; a message's length is in those two.
int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace cordwood;
  using namespace cordwood::testing;
  QuietProtobuf();
  FuzzInput in(bytes, size);
  Application application;
  while (!in.done()) {
    const std::uint8_t what = in.Byte();
    const auto number = in.Raw<std::uint16_t>();
    switch (what) {
      case 1: application.Open(); break;
      case 2: application.Break(EndOf(number)); break;
      case 3: application.Pass(absl::Milliseconds(number), number % 2 == 0); break;
      case 4: application.Poll(number % 4 != 0); break;
      case 5: application.Commit(Offset(number)); break;
      case 6: application.Subscribe(); break;
      case 7: application.Pass(absl::Seconds(number), false); break;
      default: application.Hear(in.Bytes(number)); break;
    }
  }
  application.Leave();
  return 0;
}
