// SPDX-License-Identifier: Apache-2.0
// The side file survives a torn slot, and says so when it does not survive.
#include "storage/shard/internal/synced_file.h"

#include <fstream>

#include "rocksdb/env.h"
#include "storage/shard/testing/shard_fixture.h"

namespace cordwood::testing {
namespace {

class SyncedFileTest : public ::testing::Test {
 protected:
  void Write(std::uint64_t sequence) { ASSERT_OK(file_->Write(sequence)); }
  StatusOr<std::uint64_t> Reopened() {
    auto file = SyncedFile::Open(env_, path_);
    if (!file.ok()) return file.status();
    return (*file)->sequence();
  }
  void FlipByte(std::size_t at) {
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(at));
    const char flipped = static_cast<char>(file.get() ^ 1);
    file.seekp(static_cast<std::streamoff>(at));
    file.put(flipped);
  }

  TempDir directory_;
  rocksdb::Env& env_ = *rocksdb::Env::Default();
  const std::string path_ = directory_.path() + "/shard-000.synced";
  std::unique_ptr<SyncedFile> file_ = SyncedFile::Create(env_, path_).value();
};

TEST_F(SyncedFileTest, BeginsAtZero) { EXPECT_EQ(Reopened().value(), 0u); }

TEST_F(SyncedFileTest, RemembersTheLastWrite) {
  for (std::uint64_t sequence = 1; sequence <= 5; ++sequence) {
    Write(sequence);
    EXPECT_EQ(Reopened().value(), sequence);
  }
}

TEST_F(SyncedFileTest, GoesOnAfterReopening) {
  Write(3);
  file_ = SyncedFile::Open(env_, path_).value();
  Write(4);
  Write(5);
  EXPECT_EQ(Reopened().value(), 5u);
}

TEST_F(SyncedFileTest, ATornSlotLeavesTheOneBefore) {
  Write(8);  // slot 0
  Write(9);  // slot 1
  for (std::size_t byte = 0; byte < 20; ++byte) {
    FlipByte(4096 + byte);
    EXPECT_EQ(Reopened().value(), 8u) << byte;
    FlipByte(4096 + byte);
  }
  EXPECT_EQ(Reopened().value(), 9u);
}

TEST_F(SyncedFileTest, AMarkIsAheadOfTheSlots) {
  Write(8);
  ASSERT_OK(file_->Mark(11));
  EXPECT_EQ(Reopened().value(), 11u);
  Write(12);
  EXPECT_EQ(Reopened().value(), 12u);
}

TEST_F(SyncedFileTest, ATornMarkLeavesTheSlots) {
  Write(8);
  ASSERT_OK(file_->Mark(11));
  for (std::size_t byte = 0; byte < 20; ++byte) {
    FlipByte(8192 + byte);
    EXPECT_EQ(Reopened().value(), 8u) << byte;
    FlipByte(8192 + byte);
  }
}

TEST_F(SyncedFileTest, TwoTornSlotsAreDamageWhateverTheMarkSays) {
  ASSERT_OK(file_->Mark(11));
  FlipByte(3);
  FlipByte(4096 + 17);
  EXPECT_THAT(Reopened().status(), FailsWith(Reason::kShardDamaged));
}

TEST_F(SyncedFileTest, AMissingFileIsDamage) {
  std::filesystem::remove(path_);
  EXPECT_THAT(Reopened().status(), FailsWith(Reason::kShardDamaged));
}

TEST_F(SyncedFileTest, EveryCutLeavesASlotOrIsDamage) {
  Write(1);
  Write(2);
  ASSERT_OK(file_->Mark(3));
  for (std::uintmax_t size = 8800; size-- > 0;) {
    std::filesystem::resize_file(path_, std::min(size, std::filesystem::file_size(path_)));
    const auto sequence = Reopened();
    EXPECT_EQ(ReasonOf(sequence.status()), size < 20 ? Reason::kShardDamaged : Reason::kNone) << size;
    if (sequence.ok()) {
      EXPECT_EQ(*sequence, size >= 8192 + 20 ? 3u : size >= 4096 + 20 ? 2u : 1u) << size;
    }
  }
}

}  // namespace
}  // namespace cordwood::testing
