// SPDX-License-Identifier: Apache-2.0
// The end of a run: a page that was safely on the platter goes bad. It must be refused by name, or nothing promised is missing.
#include "tests/fault/storage_run.h"

namespace cordwood::testing {
namespace {

constexpr int kOpenTriesMax = 20;

}  // namespace

// What is checked is the promise of the side file: everything that was synced before the kill is there or the shard is refused.
Status StorageRun::Damage() {
  for (int i = 0; i < kOpenTriesMax && store_ == nullptr; ++i) {
    CORDWOOD_RETURN_IF_ERROR(OpenStore());
    if (off() || store_->poisoned()) CORDWOOD_RETURN_IF_ERROR(Stop(StopKind::kPowerLoss));
  }
  if (store_ == nullptr) return Violation("the store cannot be opened");
  for (int i = 0; i < 10; ++i) CORDWOOD_RETURN_IF_ERROR(Turn());
  CORDWOOD_RETURN_IF_ERROR(SyncTurn());
  if (dice_.OneIn(3)) {
    clock_.Advance(shard_options_.synced_file_interval);
    if (const Status ticked = store_->Tick(); !ticked.ok()) return Violation("tick: " + MessageOf(ticked));
  }
  for (std::uint64_t i = dice_.Below(4); i > 0; --i) CORDWOOD_RETURN_IF_ERROR(Turn());
  const std::size_t promised = stable_;
  acknowledged_.clear();  // of what no sync has covered, anything may be gone unnoticed
  CORDWOOD_RETURN_IF_ERROR(Stop(StopKind::kKill));

  const std::string what = DamageSomePage();
  Trace("damaged " + what);
  ++counts_.damages;
  power_was_lost_ = true;
  stable_ = promised;
  const StatusOr<std::unique_ptr<ShardStore>> opened = [&] {
    const BackgroundAllowed allowed(env_);
    StatusOr<std::unique_ptr<ShardStore>> outcome = ShardStore::Open(shard_options_);
    if (outcome.ok()) store_ = *std::move(outcome);
    return outcome;
  }();
  if (store_ == nullptr) {
    Trace("refused: " + MessageOf(opened.status()));
    ++counts_.damages_refused;
    return absl::OkStatus();
  }
  if (const StatusOr<Observed> observed = Observe(); !observed.ok()) {
    Trace("refused while reading: " + MessageOf(observed.status()));
    ++counts_.damages_refused;
    return absl::OkStatus();
  }
  const Status matched = MatchAndAdopt();
  return matched.ok() ? matched : Annotate(matched, "after damage to " + what);
}

std::string StorageRun::DamageSomePage() {
  const std::string directory = shard_options_.directory;
  std::vector<std::string> logs;
  std::vector<std::string> all = {shard_options_.synced_file};
  for (const std::string& name : disk_.List(directory)) {
    const std::string path = directory + "/" + name;
    const SimulatedDisk::File file = disk_.Find(path);
    if (file->directory || disk_.Size(*file) == 0) continue;
    all.push_back(path);
    if (name.size() > 4 && name.substr(name.size() - 4) == ".log") logs.push_back(path);
  }
  const std::vector<std::string>& candidates = logs.empty() || dice_.OneIn(3) ? all : logs;
  const std::string path = candidates[dice_.Below(candidates.size())];
  const SimulatedDisk::File file = disk_.Find(path);
  const std::size_t size = disk_.Size(*file);
  const std::size_t page = dice_.Below((size + kPageBytes - 1) / kPageBytes);
  const std::size_t begin = page * kPageBytes;
  std::string bytes(std::min(kPageBytes, size - begin), '\0');
  std::size_t got = 0;
  disk_.Read(*file, begin, bytes.size(), bytes.data(), &got);
  const bool zeros = dice_.OneIn(2);
  if (zeros) {
    bytes.assign(bytes.size(), '\0');
  } else {
    bytes[dice_.Below(bytes.size())] ^= static_cast<char>(1 << dice_.Below(8));
  }
  disk_.WriteAt(*file, begin, bytes);
  return path + " page " + std::to_string(page) + (zeros ? " zeroed" : " bit flipped");
}

}  // namespace cordwood::testing
