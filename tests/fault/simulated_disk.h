// SPDX-License-Identifier: Apache-2.0
// A disk in memory that tells what is cached from what is stable, and loses power under a seed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/base/mutex.h"

namespace cordwood::testing {

inline constexpr std::size_t kPageBytes = 4096;
inline constexpr std::size_t kSectorBytes = 512;
inline constexpr std::size_t kLogBlockBytes = 32 * 1024;  // of RocksDB's write-ahead log; a record header never crosses its end

enum class DiskResult { kOk, kNotFound, kIoError, kNoSpace };

// The calls that can be made to fail, and (all but reads) that a power cut can be armed at.
enum class DiskCall { kCreate, kAppend, kWriteAt, kTruncate, kSync, kRename, kDelete, kSyncDirectory, kRead };

// What a power loss does to everything that was not synced. The fates of pages and of directory entries follow from a hash of
// (seed, path, page), so that they do not depend on the order of calls.
enum class PowerLossCase {
  kAllKept,           // as after a kill of the process
  kAllLost,
  kTailsLost,         // every file ends somewhere of its own, at any byte
  kTornPages,         // each page: new and old sectors of 512 bytes mixed
  kZeroPages,         // each page for itself: kept, or zero behind what of it was synced
  kStalePages,        // each page as of some earlier write that ended in it, zeros behind that: holes begin at record boundaries
  kOlderTailMissing,  // the newest *.log is whole, the unsynced part of every older one is missing
  kRecordHoles,       // zeros in *.log files from the end of a write to the end of its 32 KiB block, everything behind that is there: RocksDB
                      // alone takes no notice if a record begins there
  kMixed,             // each file has one of the fates above, or each of its pages has
};
inline constexpr int kPowerLossCases = 9;
PowerLossCase CaseOf(std::uint64_t seed);
const char* CaseName(PowerLossCase power_loss);

// One file or directory. All fields are guarded by the disk's lock.
struct DiskFile {
  bool directory = false;
  std::string cached;                   // what a read sees
  std::string stable;                   // what is on the platter
  std::set<std::size_t> dirty;          // pages of `cached` that no sync has seen
  std::vector<std::size_t> write_ends;  // since the last sync
};

// Thread-safe. Paths are absolute; parents are not checked. A directory entry is stable once its directory was synced. Of the changes of entries that
// were not, a power loss leaves those before some point, as every journaling file system does. (RocksDB 7.8.3 relies on it: at recovery it points
// CURRENT to a manifest that names table files whose entries no directory sync has seen.)
class SimulatedDisk {
 public:
  using File = std::shared_ptr<DiskFile>;

  SimulatedDisk();

  // An entry for a new empty file takes the place of an older one of the same path.
  DiskResult Create(const std::string& path, File* file);
  DiskResult CreateDirectory(const std::string& path);
  File Find(const std::string& path) const;  // nullptr if absent
  std::vector<std::string> List(const std::string& directory) const;  // names
  DiskResult Rename(const std::string& from, const std::string& to);
  DiskResult Delete(const std::string& path);
  DiskResult SyncDirectory(const std::string& path);

  DiskResult Append(DiskFile& file, std::string_view bytes);
  DiskResult WriteAt(DiskFile& file, std::size_t offset, std::string_view bytes);
  DiskResult Truncate(DiskFile& file, std::size_t size);
  // A sync that fails leaves the pages clean in the cache and not on the platter: the next one does not write them either.
  DiskResult Sync(DiskFile& file);
  DiskResult Read(const DiskFile& file, std::size_t offset, std::size_t size, char* to, std::size_t* got) const;
  std::size_t Size(const DiskFile& file) const;
  bool Lock(const std::string& path);  // false if locked
  void Unlock(const std::string& path);

  // The power goes right before the `calls`-th changing call from now on (1 = the next). Whoever still runs writes into the void.
  void ArmPowerCut(std::uint64_t calls);
  void CutPower();  // now
  bool power_is_off() const;
  std::uint64_t changing_calls() const;

  // The `nth` call of that kind from now on (1 = the next) fails; with `and_after`, every later one, too. Replaces the last one set.
  void FailCall(DiskCall call, std::uint64_t nth, DiskResult result, bool and_after = false);
  void ClearFailure();
  std::uint64_t failures() const;  // injected so far

  // As of the cut, or of now: what is not stable meets its fate, and the power comes back. Nobody may still use a file.
  void PowerLoss(std::uint64_t seed, PowerLossCase power_loss);
  // The same for a killed process: nothing is lost, nothing is made stable.
  void ProcessKill();
  // Called before each changing call, without the lock.
  void SetGate(std::function<void()> gate) { gate_ = std::move(gate); }
  // Every sync of a path that ends so is answered and not done.
  void IgnoreSyncs(std::string suffix);

  std::uint64_t dirty_pages() const;

 private:
  // One change of directory entries that is done as a whole or not at all; null: the entry goes.
  struct EntryChange {
    std::vector<std::pair<std::string, File>> entries;
  };
  struct Image {
    std::map<std::string, File> live;
    std::map<std::string, File> stable;
    std::vector<EntryChange> pending;  // live = stable with these done
    Image Clone() const;
  };

  void Gate() const {
    if (gate_ != nullptr) gate_();
  }
  DiskResult Enter(DiskCall call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Change(EntryChange change) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  static void Apply(const EntryChange& change, std::map<std::string, File>* entries);
  static void Dirty(DiskFile& file, std::size_t begin, std::size_t end);
  static std::map<std::string, File> SurvivingEntries(const Image& image, std::uint64_t seed, PowerLossCase power_loss);

  std::function<void()> gate_;  // constant while calls are made
  mutable Mutex mu_;
  Image image_ ABSL_GUARDED_BY(mu_);
  std::optional<Image> at_cut_ ABSL_GUARDED_BY(mu_);
  std::set<std::string> locked_ ABSL_GUARDED_BY(mu_);
  std::string ignored_syncs_ ABSL_GUARDED_BY(mu_);
  std::uint64_t changing_calls_ ABSL_GUARDED_BY(mu_) = 0;
  std::uint64_t cut_at_call_ ABSL_GUARDED_BY(mu_) = 0;  // 0: not armed

  mutable struct {
    DiskCall call = DiskCall::kRead;
    std::uint64_t in_calls = 0;  // 0: none
    bool and_after = false;
    DiskResult result = DiskResult::kOk;
    std::uint64_t done = 0;
  } failure_ ABSL_GUARDED_BY(mu_);
  DiskResult Fail(DiskCall call) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
};

// Collapses double and trailing slashes.
std::string NormalPath(std::string_view path);
std::string ParentOf(const std::string& path);

}  // namespace cordwood::testing
