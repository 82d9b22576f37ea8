// SPDX-License-Identifier: Apache-2.0
#include "tests/fault/simulated_disk.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "tests/fault/page_fates.h"

namespace cordwood::testing {
namespace {

class SimulatedDiskTest : public ::testing::Test {
 protected:
  SimulatedDisk::File Create(const std::string& path) {
    SimulatedDisk::File file;
    EXPECT_EQ(disk_.Create(path, &file), DiskResult::kOk);
    return file;
  }
  // A file of one stable page of 'a', its entry stable as well.
  SimulatedDisk::File StablePage(const std::string& path) {
    const SimulatedDisk::File file = Create(path);
    disk_.Append(*file, std::string(kPageBytes, 'a'));
    disk_.Sync(*file);
    disk_.SyncDirectory("/");
    return file;
  }
  std::string Content(const std::string& path) {
    const SimulatedDisk::File file = disk_.Find(path);
    if (file == nullptr) return "(absent)";
    std::string bytes(disk_.Size(*file), '\0');
    std::size_t got = 0;
    EXPECT_EQ(disk_.Read(*file, 0, bytes.size(), bytes.data(), &got), DiskResult::kOk);
    return bytes.substr(0, got);
  }
  SimulatedDisk disk_;
};

TEST_F(SimulatedDiskTest, SyncedBytesSurviveEveryCase) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    SetUp();
    const SimulatedDisk::File file = StablePage("/f");
    disk_.Append(*file, std::string(3 * kPageBytes, 'b'));
    disk_.PowerLoss(seed, CaseOf(seed));
    ASSERT_EQ(Content("/f").substr(0, kPageBytes), std::string(kPageBytes, 'a')) << seed;
  }
}

TEST_F(SimulatedDiskTest, AllLostGivesBackTheLastSync) {
  const SimulatedDisk::File file = StablePage("/f");
  disk_.Append(*file, "more");
  disk_.PowerLoss(1, PowerLossCase::kAllLost);
  EXPECT_EQ(Content("/f"), std::string(kPageBytes, 'a'));
}

TEST_F(SimulatedDiskTest, ProcessKillLosesNothingAndMakesNothingStable) {
  const SimulatedDisk::File file = StablePage("/f");
  disk_.Append(*file, "more");
  disk_.ProcessKill();
  EXPECT_EQ(Content("/f"), std::string(kPageBytes, 'a') + "more");
  disk_.PowerLoss(1, PowerLossCase::kAllLost);
  EXPECT_EQ(Content("/f"), std::string(kPageBytes, 'a'));
}

TEST_F(SimulatedDiskTest, ZeroPagesLeaveHolesBetweenPagesThatSurvive) {
  bool hole = false;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const SimulatedDisk::File file = StablePage("/f" + std::to_string(seed));
    disk_.Append(*file, std::string(8 * kPageBytes, 'b'));
    disk_.PowerLoss(seed, PowerLossCase::kZeroPages);
    const std::string after = Content("/f" + std::to_string(seed));
    ASSERT_EQ(after.size(), 9 * kPageBytes);
    const std::size_t zero = after.find('\0');
    if (zero == std::string::npos) continue;
    EXPECT_EQ(zero % kPageBytes, 0u);
    hole = hole || after.find('b', zero) != std::string::npos;
  }
  EXPECT_TRUE(hole);
}

TEST_F(SimulatedDiskTest, StalePagesEndAtTheEndOfAWrite) {
  std::set<std::size_t> ends;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    const SimulatedDisk::File file = StablePage("/f" + std::to_string(seed));
    for (int i = 0; i < 4; ++i) disk_.Append(*file, std::string(1000, 'b'));
    disk_.PowerLoss(seed, PowerLossCase::kStalePages);
    ends.insert(Content("/f" + std::to_string(seed)).find('\0'));
  }
  EXPECT_TRUE(ends.contains(kPageBytes + 1000));
  for (const std::size_t end : ends) EXPECT_TRUE(end == std::string::npos || (end - kPageBytes) % 1000 == 0) << end;
}

TEST_F(SimulatedDiskTest, TornPagesMixSectors) {
  bool torn = false;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    const SimulatedDisk::File file = StablePage("/f" + std::to_string(seed));
    disk_.WriteAt(*file, 0, std::string(kPageBytes, 'b'));
    disk_.PowerLoss(seed, PowerLossCase::kTornPages);
    const std::string after = Content("/f" + std::to_string(seed));
    for (std::size_t i = 0; i < kPageBytes; ++i) ASSERT_EQ(after[i], after[i / kSectorBytes * kSectorBytes]);
    torn = torn || (after.find('a') != std::string::npos && after.find('b') != std::string::npos);
  }
  EXPECT_TRUE(torn);
}

TEST_F(SimulatedDiskTest, OlderTailMissingKeepsTheNewestLogWhole) {
  const SimulatedDisk::File older = StablePage("/000004.log");
  const SimulatedDisk::File newer = StablePage("/000009.log");
  disk_.Append(*older, "lost");
  disk_.Append(*newer, "kept");
  disk_.PowerLoss(7, PowerLossCase::kOlderTailMissing);
  EXPECT_EQ(Content("/000004.log"), std::string(kPageBytes, 'a'));
  EXPECT_EQ(Content("/000009.log"), std::string(kPageBytes, 'a') + "kept");
}

TEST_F(SimulatedDiskTest, FailedSyncLeavesPagesCleanAndNotOnThePlatter) {
  const SimulatedDisk::File file = StablePage("/f");
  disk_.WriteAt(*file, 0, "lost");
  disk_.FailCall(DiskCall::kSync, 1, DiskResult::kIoError);
  EXPECT_EQ(disk_.Sync(*file), DiskResult::kIoError);
  EXPECT_EQ(disk_.Sync(*file), DiskResult::kOk);
  EXPECT_EQ(Content("/f").substr(0, 4), "lost");
  disk_.PowerLoss(1, PowerLossCase::kAllKept);
  EXPECT_EQ(Content("/f").substr(0, 4), "aaaa");
}

TEST_F(SimulatedDiskTest, EntriesThatNoDirectorySyncSawMayBeLost) {
  StablePage("/old");
  disk_.Delete("/old");
  disk_.Sync(*Create("/new"));
  disk_.PowerLoss(1, PowerLossCase::kAllLost);
  EXPECT_EQ(Content("/old"), std::string(kPageBytes, 'a'));
  EXPECT_EQ(Content("/new"), "(absent)");
}

TEST_F(SimulatedDiskTest, RenameIsWholeOrAbsent) {
  std::set<std::string> outcomes;
  for (std::uint64_t seed = 0; seed < 64; ++seed) {
    StablePage("/to");
    const SimulatedDisk::File file = StablePage("/from");
    disk_.Append(*file, "b");
    disk_.Sync(*file);
    disk_.Rename("/from", "/to");
    disk_.PowerLoss(seed, PowerLossCase::kMixed);
    outcomes.insert(std::to_string(Content("/to").size()) + (disk_.Find("/from") != nullptr ? " both" : " one"));
  }
  EXPECT_EQ(outcomes, (std::set<std::string>{"4096 both", "4097 one"}));
}

TEST_F(SimulatedDiskTest, NothingAfterThePowerCutCounts) {
  const SimulatedDisk::File file = StablePage("/f");
  disk_.ArmPowerCut(2);
  disk_.Append(*file, "seen");
  disk_.Sync(*file);  // the cut comes right before it
  EXPECT_TRUE(disk_.power_is_off());
  disk_.Delete("/f");
  disk_.PowerLoss(1, PowerLossCase::kAllLost);
  EXPECT_FALSE(disk_.power_is_off());
  EXPECT_EQ(Content("/f"), std::string(kPageBytes, 'a'));
}

TEST_F(SimulatedDiskTest, NthCallFailsAndHalfOfAFullDisksAppendIsThere) {
  const SimulatedDisk::File file = StablePage("/f");
  disk_.FailCall(DiskCall::kAppend, 2, DiskResult::kNoSpace);
  EXPECT_EQ(disk_.Append(*file, "xxxx"), DiskResult::kOk);
  EXPECT_EQ(disk_.Append(*file, "yyyy"), DiskResult::kNoSpace);
  EXPECT_EQ(disk_.Append(*file, "zz"), DiskResult::kOk);
  EXPECT_EQ(Content("/f").substr(kPageBytes), "xxxxyyzz");
  EXPECT_EQ(disk_.failures(), 1u);
}

TEST_F(SimulatedDiskTest, FatesDoNotDependOnTheOrderOfCalls) {
  std::string contents[2];
  for (int i = 0; i < 2; ++i) {
    SimulatedDisk disk;
    SimulatedDisk::File a;
    SimulatedDisk::File b;
    disk.Create(i == 0 ? "/a" : "/b", i == 0 ? &a : &b);
    disk.Create(i == 0 ? "/b" : "/a", i == 0 ? &b : &a);
    disk.SyncDirectory("/");
    for (int n = 0; n < 5; ++n) disk.Append(*a, std::string(3000, 'x'));
    for (int n = 0; n < 5; ++n) disk.Append(*b, std::string(3000, 'y'));
    disk.PowerLoss(11, PowerLossCase::kMixed);
    contents[i] = disk.Find("/a")->stable + disk.Find("/b")->stable;
  }
  EXPECT_EQ(contents[0], contents[1]);
}

}  // namespace
}  // namespace cordwood::testing
