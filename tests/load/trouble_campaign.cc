// SPDX-License-Identifier: Apache-2.0
// Clients that make trouble, against real brokers.
//   trouble_campaign [--scenario NAME] [--scale short|long] [--report FILE]
// One line of a table for each scenario, also to the end of FILE. Exit 1 if one of them failed.
#include <sys/resource.h>

#include <fstream>
#include <iostream>
#include <string>

#include "tests/load/scenario.h"

namespace cordwood::testing {
namespace {

const Scenario kScenarios[] = {
    {"waiting_fetches", WaitingFetches},
    {"unread_answers", UnreadAnswers},
    {"slow_consumer", SlowConsumer},
    {"vanishing_clients", VanishingClients},
    {"reconnect_storm", ReconnectStorm},
    {"many_partitions", ManyPartitions},
    {"overload", Overload},
    {"full_load_memory", FullLoadMemory},
    {"paused_broker", PausedBroker},
};

void Report(const std::string& file, const std::string& line) {
  std::cout << line << std::endl;
  if (!file.empty()) std::ofstream(file, std::ios::app) << line << "\n";
}

// A connection is a file here, too.
void RaiseFileLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

int Run(const std::string& only, bool is_long, const std::string& report) {
  bool found = false, failed = false;
  Report(report, "| scenario | what was done | figures | outcome |\n|---|---|---|---|");
  for (const Scenario& scenario : kScenarios) {
    if (!only.empty() && only != scenario.name) continue;
    found = true;
    Outcome outcome;
    outcome.Require(scenario.run(is_long, outcome), "ended early");
    Report(report, outcome.Line(scenario.name));
    failed = failed || !outcome.ok();
  }
  if (!found) std::cerr << "no scenario " << only << "\n";
  return failed || !found ? 1 : 0;
}

int Main(int argc, char** argv) {
  std::string only, report;
  bool is_long = false;
  for (int i = 1; i < argc; i += 2) {
    const std::string flag = argv[i], value = i + 1 < argc ? argv[i + 1] : "";
    if (flag == "--scenario" && !value.empty()) {
      only = value;
    } else if (flag == "--scale" && (value == "short" || value == "long")) {
      is_long = value == "long";
    } else if (flag == "--report" && !value.empty()) {
      report = value;
    } else {
      std::cerr << "usage: trouble_campaign [--scenario NAME] [--scale short|long] [--report FILE]\nscenarios:";
      for (const Scenario& scenario : kScenarios) std::cerr << " " << scenario.name;
      std::cerr << "\n";
      return 2;
    }
  }
  RaiseFileLimit();
  return Run(only, is_long, report);
}

}  // namespace
}  // namespace cordwood::testing

int main(int argc, char** argv) { return cordwood::testing::Main(argc, argv); }
