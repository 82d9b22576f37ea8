// SPDX-License-Identifier: Apache-2.0
// kill -9 at random moments under load, then an exact check of what was acknowledged.
//   kill_campaign --rounds N [--seed S] [--report FILE] [--resume FILE]
// One line a round goes to the report; --resume goes on after the last line of FILE. Exit 1 at the first round that is not clean.
#include <atomic>
#include <charconv>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>
#include <thread>

#include "absl/time/clock.h"
#include "tests/integration/kill_check.h"
#include "tests/integration/kill_producer.h"
#include "tests/support/broker_process.h"
#include "tests/support/wait_until.h"

namespace cordwood::testing {
namespace {

struct Campaign {
  int rounds = 3;
  std::uint64_t seed = 1;
  std::string report;
  int first_round = 0;
};

// A data directory, its broker and its producers.
class KillGround {
 public:
  explicit KillGround(int number) {
    for (const char* topic : {"os", "fsync"}) {
      for (int p = 0; p < 2; ++p) targets_.push_back({topic, p});
    }
    for (int i = 0; i < KillPlan::kProducers; ++i) {
      producers_.push_back(std::make_unique<KillProducer>("d" + std::to_string(number) + "p" + std::to_string(i), targets_));
    }
  }

  Status Open() {
    CORDWOOD_RETURN_IF_ERROR(Start());
    const LogClient client(broker_->address());
    CORDWOOD_RETURN_IF_ERROR(client.CreateTopic("os", 2, {{"durability", "os"}}).status());
    return client.CreateTopic("fsync", 2, {{"durability", "fsync"}}).status();
  }

  // Load, kill -9, start, check.
  StatusOr<KillCounts> Round(const KillPlan& plan) {
    const std::int64_t before = Acknowledged();
    std::atomic<bool> killed{false};
    std::vector<std::thread> threads = RunProducers(plan, true, &killed);
    const absl::Time kill_at = absl::Now() + absl::Milliseconds(plan.kill_after_ms);
    WaitUntil([&] { return absl::Now() >= kill_at; });
    broker_->Kill9();
    killed = true;
    for (std::thread& thread : threads) thread.join();
    if (plan.kill_at_start) KillWhileStarting(plan);
    CORDWOOD_RETURN_IF_ERROR(Start());
    CORDWOOD_ASSIGN_OR_RETURN(KillCounts counts, Check(false));
    counts.acknowledged = Acknowledged() - before;
    return counts;
  }

  // Everything unanswered sent again, an exact check, a clean stop, a last check.
  StatusOr<KillCounts> Close(const KillPlan& plan) {
    std::atomic<bool> killed{false};
    std::vector<std::thread> threads = RunProducers(plan, false, &killed);
    for (std::thread& thread : threads) thread.join();
    CORDWOOD_RETURN_IF_ERROR(Check(true).status());
    if (const int code = broker_->Terminate(); code != 0) {
      return Error(Reason::kUnknownServerError, "SIGTERM ended with " + std::to_string(code) + ":\n" + broker_->Log());
    }
    CORDWOOD_RETURN_IF_ERROR(Start());
    return Check(true);
  }

  // For the post-mortem.
  std::string Keep() {
    files_.Keep();
    return files_.path() + "\n" + (broker_ == nullptr ? "" : broker_->Log());
  }

 private:
  Status Start() {
    BrokerOptions options;
    options.data_dir = files_.Sub("data");
    CORDWOOD_ASSIGN_OR_RETURN(broker_, BrokerProcess::Start(options));
    return absl::OkStatus();
  }

  // A second kill in the midst of recovery.
  void KillWhileStarting(const KillPlan& plan) {
    BrokerOptions options;
    options.data_dir = files_.Sub("data");
    BrokerProcess::RunToExit(options, absl::Milliseconds(plan.seed % 60));
  }

  std::vector<std::thread> RunProducers(const KillPlan& plan, bool more, const std::atomic<bool>* killed) {
    std::vector<std::thread> threads;
    for (int i = 0; i < KillPlan::kProducers; ++i) {
      threads.emplace_back([this, i, &plan, more, killed, address = broker_->address()] {
        producers_[i]->Run(address, plan.producers[i], more, [killed] { return killed->load(); });
      });
    }
    return threads;
  }

  std::int64_t Acknowledged() const {
    std::int64_t sum = 0;
    for (const auto& producer : producers_) sum += producer->acknowledged();
    return sum;
  }

  // Reads everything. `exact`: nothing is in flight, so what was made is there, whole.
  StatusOr<KillCounts> Check(bool exact) {
    KillCounts counts;
    const LogClient client(broker_->address());
    for (const auto& producer : producers_) {
      for (const Status& refusal : producer->refusals()) std::cerr << "refused: " << refusal << "\n";
      counts.refused += static_cast<std::int64_t>(producer->refusals().size()) + (exact && !producer->idle() ? 1 : 0);
    }
    for (const Target& target : targets_) {
      CORDWOOD_ASSIGN_OR_RETURN(const std::vector<v1::Record> records, client.FetchAll(target.topic, target.partition));
      counts.Add(CheckPartition(records, PromisesOf(target), exact));
    }
    if (!counts.clean()) return Error(Reason::kStorageError, "not clean:" + counts.ToString());
    return counts;
  }

  Promises PromisesOf(const Target& target) const {
    Promises promises;
    for (const auto& producer : producers_) {
      const auto lane = producer->lanes().find(target);
      if (lane != producer->lanes().end()) promises[producer->name()] = lane->second;
    }
    return promises;
  }

  TempDir files_;
  std::vector<Target> targets_;
  std::vector<std::unique_ptr<KillProducer>> producers_;
  std::unique_ptr<BrokerProcess> broker_;
};

void Report(const Campaign& campaign, const std::string& line) {
  std::cout << line << std::endl;
  if (!campaign.report.empty()) std::ofstream(campaign.report, std::ios::app) << line << "\n";
}

int Run(const Campaign& campaign) {
  std::unique_ptr<KillGround> ground;
  KillCounts total;
  for (int round = campaign.first_round; round < campaign.rounds; ++round) {
    const KillPlan plan = PlanRound(campaign.seed, round);
    Status status;
    if (ground == nullptr) {
      ground = std::make_unique<KillGround>(round);
      status = ground->Open();
    }
    KillCounts counts;
    if (status.ok()) {
      auto done = ground->Round(plan);
      status = done.status();
      if (done.ok()) counts = *done;
    }
    const bool last = round + 1 == campaign.rounds || (round + 1) % kRoundsOfADirectory == 0;
    if (status.ok() && last) status = ground->Close(plan).status();
    Report(campaign, "seed=" + std::to_string(campaign.seed) + " round=" + std::to_string(round) + " kill_after_ms=" +
                         std::to_string(plan.kill_after_ms) + counts.ToString() + (status.ok() ? " ok" : " FAILED"));
    if (!status.ok()) {
      std::cerr << "round " << round << " of seed " << campaign.seed << ": " << status << "\nkept: " << ground->Keep() << std::endl;
      return 1;
    }
    total.Add(counts);
    if (last) ground.reset();
  }
  std::cout << "seed=" << campaign.seed << " rounds=" << campaign.rounds - campaign.first_round << total.ToString() << std::endl;
  return 0;
}

// The round after the last one that `path` reports for this seed.
int RoundAfter(const std::string& path, std::uint64_t seed) {
  std::ifstream file(path);
  const std::string begin = "seed=" + std::to_string(seed) + " round=";
  int next = 0;
  for (std::string line; std::getline(file, line);) {
    if (line.compare(0, begin.size(), begin) == 0 && line.ends_with(" ok")) next = std::atoi(line.c_str() + begin.size()) + 1;
  }
  return next;
}

bool ParseNumber(const std::string& text, std::uint64_t* number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
  return error == std::errc() && end == text.data() + text.size();
}

int Main(int argc, char** argv) {
  Campaign campaign;
  std::string resume;
  for (int i = 1; i < argc; i += 2) {
    const std::string flag = argv[i], value = i + 1 < argc ? argv[i + 1] : "";
    std::uint64_t number = 0;
    const bool is_number = ParseNumber(value, &number);
    if (flag == "--rounds" && is_number) campaign.rounds = static_cast<int>(number);
    else if (flag == "--seed" && is_number) campaign.seed = number;
    else if (flag == "--report" && !value.empty()) campaign.report = value;
    else if (flag == "--resume" && !value.empty()) campaign.report = resume = value;
    else {
      std::cerr << "usage: kill_campaign --rounds N [--seed S] [--report FILE] [--resume FILE]\n";
      return 2;
    }
  }
  if (!resume.empty()) campaign.first_round = RoundAfter(resume, campaign.seed);
  return Run(campaign);
}

}  // namespace
}  // namespace cordwood::testing

int main(int argc, char** argv) { return cordwood::testing::Main(argc, argv); }
