// SPDX-License-Identifier: Apache-2.0
// The storage campaign: many seeded runs, each in a process of its own, counted in a file.
#include <sys/personality.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>

#include "tests/fault/storage_run.h"

namespace cordwood::testing {
namespace {

constexpr char kUsage[] =
    "storage_campaign [--rounds N] [--seed S] [--episode N] [--report FILE] [--resume FILE]\n"
    "                 [--no-errors | --many-errors] [--no-damage] [--ignore-syncs SUFFIX] [--expect-violation]\n"
    "                 [--tails-cut-min N] [--twice] [--trace]\n"
    "Runs episodes of --episode power losses (25), with the seeds S, S+1, ..., until there were N.\n"
    "--report keeps counts and the next seed in FILE; --resume goes on from there and keeps them there.\n"
    "--tails-cut-min fails unless so many recoveries ended at a hole of the log.\n"
    "--twice runs each episode a second time, which must count the same.\n"
    "To repeat an episode: --seed <its seed> --rounds 25 --trace.\n";

constexpr int kFruitlessMax = 10;
constexpr unsigned kEpisodeSecondsMax = 120;  // a run that hangs is a finding, too

struct CampaignOptions {
  std::uint64_t rounds = 300;
  std::uint64_t seed = 1;
  int episode = 25;
  std::string report;
  bool resume = false;
  bool expect_violation = false;
  bool twice = false;
  std::uint64_t tails_cut_min = 0;
  RunOptions run;
};

struct Campaign {
  RunCounts counts;
  std::uint64_t next_seed = 1;
  std::string violation;  // the first
};

bool ParseFlags(int argc, char** argv, CampaignOptions* options) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view flag = argv[i];
    const bool has_value = i + 1 < argc;
    if (flag == "--no-errors") {
      options->run.errors = false;
    } else if (flag == "--no-damage") {
      options->run.damage = false;
    } else if (flag == "--expect-violation") {
      options->expect_violation = true;
    } else if (flag == "--many-errors") {
      options->run.many_errors = true;
    } else if (flag == "--twice") {
      options->twice = true;
    } else if (flag == "--trace") {
      options->run.trace = true;
    } else if (flag == "--rounds" && has_value) {
      options->rounds = std::strtoull(argv[++i], nullptr, 10);
    } else if (flag == "--seed" && has_value) {
      options->seed = std::strtoull(argv[++i], nullptr, 10);
    } else if (flag == "--tails-cut-min" && has_value) {
      options->tails_cut_min = std::strtoull(argv[++i], nullptr, 10);
    } else if (flag == "--episode" && has_value) {
      options->episode = std::atoi(argv[++i]);
    } else if (flag == "--ignore-syncs" && has_value) {
      options->run.ignored_syncs = argv[++i];
    } else if ((flag == "--report" || flag == "--resume") && has_value) {
      options->resume = flag == "--resume";
      options->report = argv[++i];
    } else {
      return false;
    }
  }
  return options->episode > 0;
}

std::string ReadAll(int fd) {
  std::string text;
  char buffer[4096];
  for (ssize_t n = 0; (n = read(fd, buffer, sizeof buffer)) > 0;) text.append(buffer, static_cast<std::size_t>(n));
  return text;
}

// The child's last words: counts, then a violation if there was one.
void RunChild(const RunOptions& options, int fd) {
  RunCounts counts;
  std::string violation;
  {
    StorageRun run(options, counts);
    const Status status = run.Run();
    if (!status.ok()) violation = MessageOf(status);
  }
  std::string text = counts.ToText();
  if (!violation.empty()) text += "violation = " + violation + "\n";
  const ssize_t written = write(fd, text.data(), text.size());
  _exit(written == static_cast<ssize_t>(text.size()) ? 0 : 3);
}

void NoteViolation(const std::string& violation, Campaign* campaign) {
  std::printf("VIOLATION %s\n", violation.c_str());
  std::fflush(stdout);
  if (campaign->violation.empty()) campaign->violation = violation;
}

// What the child said. A process of its own, since RocksDB's asserts are live: one that fires is a finding with a seed, not the end of the campaign.
std::string RunEpisode(const RunOptions& options, Campaign* campaign) {
  int fds[2];
  if (pipe(fds) != 0) std::abort();
  const pid_t child = fork();
  if (child == 0) {
    close(fds[0]);
    alarm(kEpisodeSecondsMax);
    RunChild(options, fds[1]);
  }
  close(fds[1]);
  const std::string text = ReadAll(fds[0]);
  close(fds[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (const StatusOr<RunCounts> counts = RunCounts::FromText(text); counts.ok()) campaign->counts.Add(*counts);
  std::string violation;
  if (const std::size_t at = text.find("violation = "); at != std::string::npos) {
    violation = text.substr(at + 12, text.find('\n', at) - at - 12);
  } else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    violation = "seed " + std::to_string(options.seed) + ": the process ended with " +
                (WIFSIGNALED(status) ? "signal " + std::to_string(WTERMSIG(status)) : "status " + std::to_string(WEXITSTATUS(status)));
  }
  if (!violation.empty()) NoteViolation(violation, campaign);
  return text;
}

void Load(const std::string& path, Campaign* campaign) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  const StatusOr<RunCounts> counts = RunCounts::FromText(text.str());
  if (counts.ok()) campaign->counts = *counts;
  for (std::string line; std::getline(text, line);) {
    if (line.compare(0, 12, "next_seed = ") == 0) campaign->next_seed = std::strtoull(line.c_str() + 12, nullptr, 10);
    if (line.compare(0, 12, "violation = ") == 0) campaign->violation = line.substr(12);
  }
}

// Whole or not at all, by rename.
void Save(const std::string& path, const Campaign& campaign) {
  if (path.empty()) return;
  {
    std::ofstream file(path + ".new", std::ios::trunc);
    file << campaign.counts.ToText() << "next_seed = " << campaign.next_seed << "\n";
    if (!campaign.violation.empty()) file << "violation = " << campaign.violation << "\n";
  }
  std::rename((path + ".new").c_str(), path.c_str());
}

int RunCampaign(const CampaignOptions& options) {
  Campaign campaign;
  campaign.next_seed = options.seed;
  if (options.resume) Load(options.report, &campaign);
  const auto start = std::chrono::steady_clock::now();
  const std::uint64_t first = campaign.counts.power_losses;
  int fruitless = 0;  // episodes in a row that ended before the first power loss
  while (campaign.counts.power_losses < options.rounds && (campaign.violation.empty() || !options.expect_violation)) {
    RunOptions run = options.run;
    run.seed = campaign.next_seed++;
    run.power_losses = options.episode;
    const std::uint64_t before = campaign.counts.power_losses;
    const std::string outcome = RunEpisode(run, &campaign);
    if (options.twice && RunEpisode(run, &campaign) != outcome) {
      NoteViolation("seed " + std::to_string(run.seed) + " does not repeat its run", &campaign);
    }
    Save(options.report, campaign);
    fruitless = campaign.counts.power_losses == before ? fruitless + 1 : 0;
    if (fruitless == kFruitlessMax) break;
  }
  if (campaign.counts.tails_cut < options.tails_cut_min) {
    NoteViolation("only " + std::to_string(campaign.counts.tails_cut) + " recoveries met a hole: the campaign misses its point", &campaign);
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  std::printf("%s", campaign.counts.ToText().c_str());
  std::printf("seeds up to %llu, %.1f s, %.1f power losses/s\n", static_cast<unsigned long long>(campaign.next_seed - 1), took.count(),
              static_cast<double>(campaign.counts.power_losses - first) / took.count());
  if (!campaign.violation.empty()) std::printf("first violation: %s\n", campaign.violation.c_str());
  if (options.expect_violation) std::printf("%s\n", campaign.violation.empty() ? "NOT CAUGHT" : "caught, as it should be");
  return campaign.violation.empty() == options.expect_violation ? 1 : 0;
}

}  // namespace
}  // namespace cordwood::testing

int main(int argc, char** argv) {
  // RocksDB's skip lists draw from a generator seeded with an address: without random addresses a seed repeats its run.
  const int persona = personality(0xFFFFFFFF);
  if (persona != -1 && (persona & ADDR_NO_RANDOMIZE) == 0 && personality(static_cast<unsigned long>(persona) | ADDR_NO_RANDOMIZE) != -1) {
    execv("/proc/self/exe", argv);
  }
  cordwood::testing::CampaignOptions options;
  if (!cordwood::testing::ParseFlags(argc, argv, &options)) {
    std::fputs(cordwood::testing::kUsage, stderr);
    return 2;
  }
  return cordwood::testing::RunCampaign(options);
}
