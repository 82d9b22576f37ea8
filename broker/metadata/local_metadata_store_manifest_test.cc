// SPDX-License-Identifier: Apache-2.0
// What a power cut leaves of the last record of the metadata's manifest, and what only damage does to one.
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "broker/metadata/local_metadata_store.h"
#include "broker/metadata/metadata_fixture.h"
#include "rocksdb/db.h"

namespace cordwood::broker {
namespace {

namespace fs = std::filesystem;

// A store whose power went while the record of a flush was on its way into the manifest: the log still has all that the new table has.
class LocalMetadataManifestTest : public ::testing::Test {
 protected:
  LocalMetadataManifestTest() { options_.must_exist = true; }

  void SetUp() override {
    const std::string directory = files_.Sub("meta");
    {
      const auto store = LocalMetadataStore::Open(directory).value();
      ASSERT_TRUE(store->Transact({}, {{MetadataWrite::Kind::kPut, "topic/kept", "1", 0}}).ok());
    }
    rocksdb::DB* raw = nullptr;
    ASSERT_TRUE(rocksdb::DB::Open(rocksdb::Options(), directory, &raw).ok());
    const std::unique_ptr<rocksdb::DB> db(raw);
    std::string revision;
    ASSERT_TRUE(db->Get(rocksdb::ReadOptions(), "r", &revision).ok());
    ASSERT_TRUE(db->Put(rocksdb::WriteOptions(), "r", revision).ok());
    fs::create_directories(files_.Sub("cut"));
    fs::copy(directory, files_.Sub("cut/meta"), fs::copy_options::recursive);
    fs::copy(files_.Sub("meta.synced"), files_.Sub("cut/meta.synced"));
    for (const auto& entry : fs::directory_iterator(directory)) {
      if (entry.path().filename().string().starts_with("MANIFEST")) manifest_ = entry.path().filename().string();
    }
    before_ = fs::file_size(directory + "/" + manifest_);
    ASSERT_TRUE(db->Flush(rocksdb::FlushOptions()).ok());
    bytes_ = testing::ReadFile(directory + "/" + manifest_);
    ASSERT_GT(bytes_.size(), before_);
    for (const auto& entry : fs::directory_iterator(directory)) {
      if (entry.path().extension() == ".sst") fs::copy(entry.path(), files_.Sub("cut/meta"), fs::copy_options::skip_existing);
    }
  }
  // The store that the power cut left, with `manifest` as its manifest.
  StatusOr<std::unique_ptr<LocalMetadataStore>> OpenWith(const std::string& manifest) {
    fs::remove_all(files_.Sub("copy"));
    fs::copy(files_.Sub("cut"), files_.Sub("copy"), fs::copy_options::recursive);
    testing::WriteFile(files_.Sub("copy/meta/" + manifest_), manifest);
    return LocalMetadataStore::Open(files_.Sub("copy/meta"), options_);
  }
  void ExpectWhole(const std::string& manifest) {
    const auto store = OpenWith(manifest);
    ASSERT_TRUE(store.ok()) << store.status();
    EXPECT_EQ((*store)->Range("topic/kept", "")->entries.size(), 1u);
  }

  testing::TempDir files_;
  LocalMetadataOptions options_;
  std::string manifest_;    // its name
  std::string bytes_;       // with the last record whole
  std::size_t before_ = 0;  // bytes before the last record
};

TEST_F(LocalMetadataManifestTest, ALastRecordThatEveryLengthCutsIsForgotten) {
  for (std::size_t left = before_; left <= bytes_.size(); ++left) ExpectWhole(bytes_.substr(0, left));
}

// The file's length was on disk before all of its bytes were.
TEST_F(LocalMetadataManifestTest, ALastRecordThatEndsInZerosIsForgotten) {
  for (std::size_t left = before_; left < bytes_.size(); ++left) ExpectWhole(bytes_.substr(0, left) + std::string(bytes_.size() - left, '\0'));
}

TEST_F(LocalMetadataManifestTest, DamageBeforeAWholeRecordIsRefusedByName) {
  for (std::size_t at = 0; at < before_; at += 5) {
    std::string damaged = bytes_;
    damaged[at] ^= 1;
    const auto store = OpenWith(damaged);
    EXPECT_THAT(store.status(), HasReason(Reason::kShardDamaged)) << at;
    EXPECT_THAT(store.status(), SaysThat(manifest_)) << at;
    EXPECT_EQ(testing::ReadFile(files_.Sub("copy/meta/" + manifest_)), damaged) << at;
  }
}

}  // namespace
}  // namespace cordwood::broker
