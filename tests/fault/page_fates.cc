// SPDX-License-Identifier: Apache-2.0
// Page by page: kept, old (zeros where it never was synced), torn, or as of an earlier write.
// Bytes that were synced stay whatever happens to the rest of their page.
#include "tests/fault/page_fates.h"

#include <algorithm>

namespace cordwood::testing {
namespace {

enum class PageFate { kNew, kOld, kTorn, kStale };  // an old page that never was synced is zeros

// The page's bytes of `content`, filled up with zeros.
std::string PageOf(const std::string& content, std::size_t page) {
  std::string bytes = page * kPageBytes < content.size() ? content.substr(page * kPageBytes, kPageBytes) : std::string();
  bytes.resize(kPageBytes, '\0');
  return bytes;
}

std::string Torn(const std::string& fresh, const std::string& old, std::uint64_t hash) {
  std::string bytes = fresh;
  const bool is_prefix = (hash & 1) != 0;  // either the first sectors made it, or any of them
  const std::size_t kept = (hash >> 1) % (kPageBytes / kSectorBytes + 1);
  for (std::size_t sector = 0; sector < kPageBytes / kSectorBytes; ++sector) {
    const bool is_new = is_prefix ? sector < kept : ((hash >> (8 + sector)) & 1) != 0;
    if (!is_new) bytes.replace(sector * kSectorBytes, kSectorBytes, old, sector * kSectorBytes, kSectorBytes);
  }
  return bytes;
}

// The page when the kernel wrote it back after one of the writes that ended inside it.
std::string Stale(const DiskFile& file, std::size_t page, const std::string& fresh, const std::string& old, std::uint64_t hash) {
  std::vector<std::size_t> ends;
  for (const std::size_t end : file.write_ends) {
    if (end > page * kPageBytes && end < (page + 1) * kPageBytes) ends.push_back(end - page * kPageBytes);
  }
  if (ends.empty()) return (hash & 1) != 0 ? fresh : old;
  const std::size_t end = ends[hash % ends.size()];
  return fresh.substr(0, end) + std::string(kPageBytes - end, '\0');
}

std::string PageAfter(const DiskFile& file, std::size_t page, PageFate fate, std::uint64_t hash) {
  const std::string fresh = PageOf(file.cached, page);
  const std::string old = PageOf(file.stable, page);
  switch (fate) {
    case PageFate::kNew: return fresh;
    case PageFate::kOld: return old;
    case PageFate::kTorn: return Torn(fresh, old, hash);
    case PageFate::kStale: return Stale(file, page, fresh, old, hash);
  }
  return fresh;
}

PageFate FateOf(PowerLossCase power_loss, std::uint64_t hash) {
  const bool one_in_four = hash % 4 == 0;
  switch (power_loss) {
    case PowerLossCase::kTornPages: return one_in_four ? PageFate::kTorn : PageFate::kNew;
    case PowerLossCase::kZeroPages: return one_in_four ? PageFate::kOld : PageFate::kNew;
    case PowerLossCase::kStalePages: return one_in_four ? PageFate::kStale : PageFate::kNew;
    case PowerLossCase::kMixed: return static_cast<PageFate>(hash % 4);
    case PowerLossCase::kAllLost: return PageFate::kOld;
    default: return PageFate::kNew;
  }
}

// Sizes are metadata: they reach the disk, or not, apart from the pages.
std::size_t SizeAfter(const DiskFile& file, PowerLossCase power_loss, std::uint64_t hash) {
  const std::size_t low = std::min(file.stable.size(), file.cached.size());
  const std::size_t high = std::max(file.stable.size(), file.cached.size());
  const std::size_t any = low + (hash >> 8) % (high - low + 1);
  switch (power_loss) {
    case PowerLossCase::kAllLost: return file.stable.size();
    case PowerLossCase::kTailsLost: return any;
    case PowerLossCase::kMixed: {
      const std::size_t at_page = std::clamp(any / kPageBytes * kPageBytes, low, high);
      const std::size_t choices[] = {file.stable.size(), file.cached.size(), file.cached.size(), any, at_page};
      return choices[hash % 5];
    }
    default: return file.cached.size();
  }
}

bool IsLog(const std::string& path) { return path.size() > 4 && path.compare(path.size() - 4, 4, ".log") == 0; }

// Whatever was unsynced is there but for one hole, preferably in front of a block that begins with a record.
std::string WithRecordHole(const DiskFile& file, std::uint64_t hash) {
  std::vector<std::size_t> any;
  std::vector<std::size_t> in_front_of_a_record;
  const auto block_end = [](std::size_t at) { return (at / kLogBlockBytes + 1) * kLogBlockBytes; };
  for (const std::size_t end : file.write_ends) {
    if (end % kLogBlockBytes == 0 || block_end(end) >= file.cached.size()) continue;
    any.push_back(end);
    if (std::binary_search(file.write_ends.begin(), file.write_ends.end(), block_end(end))) in_front_of_a_record.push_back(end);
  }
  const std::vector<std::size_t>& candidates = in_front_of_a_record.empty() ? any : in_front_of_a_record;
  std::string after = file.cached;
  if (candidates.empty()) return after;
  const std::size_t begin = candidates[hash % candidates.size()];
  after.replace(begin, block_end(begin) - begin, block_end(begin) - begin, '\0');
  return after;
}

}  // namespace

std::uint64_t Mix(std::uint64_t a, std::uint64_t b) {
  std::uint64_t x = a ^ (b + 0x9E3779B97F4A7C15ULL + (a << 6) + (a >> 2));
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31);
}

std::uint64_t Mix(std::uint64_t seed, std::string_view text) {
  std::uint64_t hash = 0xCBF29CE484222325ULL;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3ULL;
  return Mix(seed, hash);
}

std::string AfterPowerLoss(const DiskFile& file, const std::string& path, std::uint64_t seed, PowerLossCase power_loss, bool newest_log) {
  if (file.dirty.empty() && file.cached.size() == file.stable.size()) return file.stable;
  const std::uint64_t hash = Mix(seed, path);
  if (power_loss == PowerLossCase::kOlderTailMissing) {
    power_loss = IsLog(path) && !newest_log ? PowerLossCase::kAllLost : PowerLossCase::kAllKept;
  }
  if (power_loss == PowerLossCase::kRecordHoles && IsLog(path)) return WithRecordHole(file, hash);
  // Half of the files of a mixed loss share one fate, so that whole tails are lost and kept beside each other.
  if (power_loss == PowerLossCase::kMixed && hash % 2 == 0) power_loss = static_cast<PowerLossCase>((hash >> 1) % 6);
  std::string after = file.stable;
  after.resize(std::max(file.stable.size(), file.cached.size()), '\0');
  for (const std::size_t page : file.dirty) {
    const std::uint64_t page_hash = Mix(hash, page);
    const std::size_t begin = page * kPageBytes;
    if (begin >= after.size()) continue;
    const std::string bytes = PageAfter(file, page, FateOf(power_loss, page_hash), page_hash >> 8);
    after.replace(begin, kPageBytes, bytes, 0, std::min(kPageBytes, after.size() - begin));
  }
  after.resize(SizeAfter(file, power_loss, Mix(hash, 0x512E)));
  return after;
}

}  // namespace cordwood::testing
