// SPDX-License-Identifier: Apache-2.0
// Entries and pages of the simulated disk; what a power loss does to a page is in page_fates.cc.
#include "tests/fault/simulated_disk.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "tests/fault/page_fates.h"

namespace cordwood::testing {

PowerLossCase CaseOf(std::uint64_t seed) { return static_cast<PowerLossCase>(Mix(seed, "case") % kPowerLossCases); }

const char* CaseName(PowerLossCase power_loss) {
  switch (power_loss) {
    case PowerLossCase::kAllKept: return "all kept";
    case PowerLossCase::kAllLost: return "all lost";
    case PowerLossCase::kTailsLost: return "tails lost";
    case PowerLossCase::kTornPages: return "torn pages";
    case PowerLossCase::kZeroPages: return "zero pages";
    case PowerLossCase::kStalePages: return "stale pages";
    case PowerLossCase::kOlderTailMissing: return "older tail missing";
    case PowerLossCase::kRecordHoles: return "record holes";
    case PowerLossCase::kMixed: return "mixed";
  }
  return "?";
}

std::string NormalPath(std::string_view path) {
  std::string normal;
  for (const char c : path) {
    if (c != '/' || normal.empty() || normal.back() != '/') normal += c;
  }
  while (normal.size() > 1 && normal.back() == '/') normal.pop_back();
  return normal;
}

std::string ParentOf(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
}

SimulatedDisk::SimulatedDisk() {
  MutexLock lock(mu_);
  auto root = std::make_shared<DiskFile>();
  root->directory = true;
  image_.live["/"] = image_.stable["/"] = root;
}

SimulatedDisk::Image SimulatedDisk::Image::Clone() const {
  std::map<const DiskFile*, File> copies;
  const auto copy_of = [&copies](const File& file) {
    if (file == nullptr) return File();
    File& copy = copies[file.get()];
    if (copy == nullptr) copy = std::make_shared<DiskFile>(*file);
    return copy;
  };
  Image clone;
  for (const auto& [path, file] : live) clone.live[path] = copy_of(file);
  for (const auto& [path, file] : stable) clone.stable[path] = copy_of(file);
  for (const EntryChange& change : pending) {
    EntryChange& copy = clone.pending.emplace_back();
    for (const auto& [path, file] : change.entries) copy.entries.emplace_back(path, copy_of(file));
  }
  return clone;
}

DiskResult SimulatedDisk::Fail(DiskCall call) const {
  if (failure_.in_calls == 0 || failure_.call != call || at_cut_.has_value()) return DiskResult::kOk;
  if (--failure_.in_calls > 0) return DiskResult::kOk;
  if (failure_.and_after) failure_.in_calls = 1;
  ++failure_.done;
  return failure_.result;
}

DiskResult SimulatedDisk::Enter(DiskCall call) {
  ++changing_calls_;
  if (changing_calls_ == cut_at_call_) at_cut_ = image_.Clone();
  return Fail(call);
}

void SimulatedDisk::Apply(const EntryChange& change, std::map<std::string, File>* entries) {
  for (const auto& [path, file] : change.entries) {
    if (file == nullptr) {
      entries->erase(path);
    } else {
      (*entries)[path] = file;
    }
  }
}

void SimulatedDisk::Change(EntryChange change) {
  Apply(change, &image_.live);
  image_.pending.push_back(std::move(change));
}

DiskResult SimulatedDisk::Create(const std::string& path, File* file) {
  Gate();
  MutexLock lock(mu_);
  if (const DiskResult result = Enter(DiskCall::kCreate); result != DiskResult::kOk) return result;
  *file = std::make_shared<DiskFile>();
  Change({{{path, *file}}});
  return DiskResult::kOk;
}

DiskResult SimulatedDisk::CreateDirectory(const std::string& path) {
  Gate();
  MutexLock lock(mu_);
  if (const DiskResult result = Enter(DiskCall::kCreate); result != DiskResult::kOk) return result;
  if (image_.live.contains(path)) return DiskResult::kOk;
  auto directory = std::make_shared<DiskFile>();
  directory->directory = true;
  Change({{{path, directory}}});
  return DiskResult::kOk;
}

SimulatedDisk::File SimulatedDisk::Find(const std::string& path) const {
  MutexLock lock(mu_);
  const auto it = image_.live.find(path);
  return it == image_.live.end() ? nullptr : it->second;
}

std::vector<std::string> SimulatedDisk::List(const std::string& directory) const {
  MutexLock lock(mu_);
  std::vector<std::string> names;
  const std::string prefix = directory == "/" ? directory : directory + "/";
  for (auto it = image_.live.lower_bound(prefix); it != image_.live.end() && it->first.compare(0, prefix.size(), prefix) == 0; ++it) {
    const std::string name = it->first.substr(prefix.size());
    if (!name.empty() && name.find('/') == std::string::npos) names.push_back(name);
  }
  return names;
}

DiskResult SimulatedDisk::Rename(const std::string& from, const std::string& to) {
  Gate();
  MutexLock lock(mu_);
  if (const DiskResult result = Enter(DiskCall::kRename); result != DiskResult::kOk) return result;
  const auto it = image_.live.find(from);
  if (it == image_.live.end()) return DiskResult::kNotFound;
  Change({{{from, nullptr}, {to, it->second}}});
  return DiskResult::kOk;
}

DiskResult SimulatedDisk::Delete(const std::string& path) {
  Gate();
  MutexLock lock(mu_);
  if (const DiskResult result = Enter(DiskCall::kDelete); result != DiskResult::kOk) return result;
  if (!image_.live.contains(path)) return DiskResult::kNotFound;
  Change({{{path, nullptr}}});
  return DiskResult::kOk;
}

DiskResult SimulatedDisk::SyncDirectory(const std::string& path) {
  Gate();
  MutexLock lock(mu_);
  if (const DiskResult result = Enter(DiskCall::kSyncDirectory); result != DiskResult::kOk) return result;
  std::vector<EntryChange> rest;
  for (EntryChange& change : image_.pending) {
    if (ParentOf(change.entries.front().first) == path) {
      Apply(change, &image_.stable);
    } else {
      rest.push_back(std::move(change));
    }
  }
  image_.pending = std::move(rest);
  return DiskResult::kOk;
}

void SimulatedDisk::Dirty(DiskFile& file, std::size_t begin, std::size_t end) {
  for (std::size_t page = begin / kPageBytes; page * kPageBytes < end; ++page) file.dirty.insert(file.dirty.end(), page);
}

DiskResult SimulatedDisk::Append(DiskFile& file, std::string_view bytes) {
  Gate();
  MutexLock lock(mu_);
  const DiskResult result = Enter(DiskCall::kAppend);
  if (result == DiskResult::kNoSpace) bytes = bytes.substr(0, bytes.size() / 2);
  if (result == DiskResult::kIoError) return result;
  Dirty(file, file.cached.size(), file.cached.size() + bytes.size());
  file.cached.append(bytes);
  file.write_ends.push_back(file.cached.size());
  return result;
}

DiskResult SimulatedDisk::WriteAt(DiskFile& file, std::size_t offset, std::string_view bytes) {
  Gate();
  MutexLock lock(mu_);
  if (const DiskResult result = Enter(DiskCall::kWriteAt); result != DiskResult::kOk) return result;
  if (file.cached.size() < offset + bytes.size()) file.cached.resize(offset + bytes.size(), '\0');
  file.cached.replace(offset, bytes.size(), bytes);
  Dirty(file, offset, offset + bytes.size());
  return DiskResult::kOk;
}

DiskResult SimulatedDisk::Truncate(DiskFile& file, std::size_t size) {
  Gate();
  MutexLock lock(mu_);
  if (const DiskResult result = Enter(DiskCall::kTruncate); result != DiskResult::kOk) return result;
  file.cached.resize(size, '\0');
  file.dirty.erase(file.dirty.lower_bound((size + kPageBytes - 1) / kPageBytes), file.dirty.end());
  return DiskResult::kOk;
}

DiskResult SimulatedDisk::Sync(DiskFile& file) {
  Gate();
  MutexLock lock(mu_);
  const DiskResult result = Enter(DiskCall::kSync);
  if (!ignored_syncs_.empty()) {
    for (const auto& [path, entry] : image_.live) {
      if (entry.get() == &file && path.size() >= ignored_syncs_.size() &&
          path.compare(path.size() - ignored_syncs_.size(), std::string::npos, ignored_syncs_) == 0) {
        return DiskResult::kOk;
      }
    }
  }
  if (result == DiskResult::kOk) {
    file.stable.resize(file.cached.size(), '\0');
    for (const std::size_t page : file.dirty) {
      const std::size_t begin = page * kPageBytes;
      if (begin < file.cached.size()) file.stable.replace(begin, kPageBytes, file.cached, begin, kPageBytes);
    }
  }
  file.dirty.clear();
  file.write_ends.clear();
  return result;
}

DiskResult SimulatedDisk::Read(const DiskFile& file, std::size_t offset, std::size_t size, char* to, std::size_t* got) const {
  MutexLock lock(mu_);
  *got = 0;
  if (const DiskResult result = Fail(DiskCall::kRead); result != DiskResult::kOk) return result;
  if (offset >= file.cached.size()) return DiskResult::kOk;
  *got = std::min(size, file.cached.size() - offset);
  std::memcpy(to, file.cached.data() + offset, *got);
  return DiskResult::kOk;
}

std::size_t SimulatedDisk::Size(const DiskFile& file) const {
  MutexLock lock(mu_);
  return file.cached.size();
}

bool SimulatedDisk::Lock(const std::string& path) {
  MutexLock lock(mu_);
  return locked_.insert(path).second;
}

void SimulatedDisk::Unlock(const std::string& path) {
  MutexLock lock(mu_);
  locked_.erase(path);
}

void SimulatedDisk::ArmPowerCut(std::uint64_t calls) {
  MutexLock lock(mu_);
  cut_at_call_ = changing_calls_ + calls;
}

void SimulatedDisk::CutPower() {
  MutexLock lock(mu_);
  if (!at_cut_.has_value()) at_cut_ = image_.Clone();
}

bool SimulatedDisk::power_is_off() const {
  MutexLock lock(mu_);
  return at_cut_.has_value();
}

std::uint64_t SimulatedDisk::changing_calls() const {
  MutexLock lock(mu_);
  return changing_calls_;
}

void SimulatedDisk::FailCall(DiskCall call, std::uint64_t nth, DiskResult result, bool and_after) {
  MutexLock lock(mu_);
  failure_ = {call, nth, and_after, result, failure_.done};
}

void SimulatedDisk::ClearFailure() {
  MutexLock lock(mu_);
  failure_.in_calls = 0;
}

std::uint64_t SimulatedDisk::failures() const {
  MutexLock lock(mu_);
  return failure_.done;
}

std::map<std::string, SimulatedDisk::File> SimulatedDisk::SurvivingEntries(const Image& image, std::uint64_t seed,
                                                                           PowerLossCase power_loss) {
  std::map<std::string, File> entries = image.stable;
  std::size_t survivors = image.pending.size();
  if (power_loss == PowerLossCase::kAllLost) survivors = 0;
  const bool by_chance = power_loss != PowerLossCase::kAllLost && power_loss != PowerLossCase::kAllKept &&
                         power_loss != PowerLossCase::kOlderTailMissing && power_loss != PowerLossCase::kRecordHoles;
  if (by_chance && Mix(seed, "entries") % 4 != 0) survivors = Mix(seed, "changes") % (image.pending.size() + 1);
  for (std::size_t i = 0; i < survivors; ++i) Apply(image.pending[i], &entries);
  return entries;
}

void SimulatedDisk::PowerLoss(std::uint64_t seed, PowerLossCase power_loss) {
  MutexLock lock(mu_);
  const Image before = at_cut_.has_value() ? std::move(*at_cut_) : image_.Clone();
  const std::map<std::string, File> entries = SurvivingEntries(before, seed, power_loss);
  std::string newest_log;
  for (const auto& [path, file] : entries) {
    if (path.size() > 4 && path.substr(path.size() - 4) == ".log") newest_log = std::max(newest_log, path);
  }
  image_ = Image();
  for (const auto& [path, file] : entries) {
    if (path != "/" && !image_.live.contains(ParentOf(path))) continue;  // its directory is gone
    auto after = std::make_shared<DiskFile>();
    after->directory = file->directory;
    after->stable = AfterPowerLoss(*file, path, seed, power_loss, path == newest_log);
    after->cached = after->stable;
    image_.live[path] = image_.stable[path] = after;
  }
  at_cut_.reset();
  cut_at_call_ = 0;
  failure_.in_calls = 0;
  locked_.clear();
}

void SimulatedDisk::ProcessKill() {
  MutexLock lock(mu_);
  if (at_cut_.has_value()) image_ = std::move(*at_cut_);
  at_cut_.reset();
  cut_at_call_ = 0;
  failure_.in_calls = 0;
  locked_.clear();
}

void SimulatedDisk::IgnoreSyncs(std::string suffix) {
  MutexLock lock(mu_);
  ignored_syncs_ = std::move(suffix);
}

std::uint64_t SimulatedDisk::dirty_pages() const {
  MutexLock lock(mu_);
  std::uint64_t pages = 0;
  for (const auto& [path, file] : image_.live) pages += file->dirty.size();
  return pages;
}

}  // namespace cordwood::testing
