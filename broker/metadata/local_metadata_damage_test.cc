// SPDX-License-Identifier: Apache-2.0
// A local metadata store whose files were damaged after a kill: it is refused, or has just what was acknowledged.
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "broker/metadata/local_metadata_store.h"
#include "broker/metadata/metadata_fixture.h"
#include "broker/metadata/metadata_store_contract.h"

namespace cordwood::broker {
namespace {

namespace fs = std::filesystem;

class LocalMetadataDamageTest : public ::testing::Test {
 protected:
  LocalMetadataDamageTest() { options_.must_exist = true; }

  static void Write(LocalMetadataStore& store, std::vector<MetadataWrite> writes) { ASSERT_EQ(store.Transact({}, writes).status(), absl::OkStatus()); }
  // What a killed broker leaves: two runs, so that there are table files and a log.
  void MakeStore() {
    {
      const auto store = LocalMetadataStore::Open(directory()).value();
      Write(*store, {{MetadataWrite::Kind::kPut, "topic/gone", "1", 0}});
      Write(*store, {{MetadataWrite::Kind::kPut, "topic/kept", "1", 0}});
    }
    const auto store = LocalMetadataStore::Open(directory()).value();
    Write(*store, {{MetadataWrite::Kind::kPut, "topic/kept", "2", 0}});
    Write(*store, {{MetadataWrite::Kind::kDelete, "topic/gone", "", 0}});
    Write(*store, {{MetadataWrite::Kind::kPut, "topic/new", "1", 0}});
  }
  std::vector<std::string> Files() const {
    std::vector<std::string> names = {"meta.synced"};
    for (const auto& entry : fs::directory_iterator(directory())) names.push_back("meta/" + entry.path().filename().string());
    return names;
  }
  std::string Log() const {
    std::string newest;
    for (const std::string& name : Files()) {
      if (name.ends_with(".log")) newest = std::max(newest, name);
    }
    return newest;
  }
  // A copy of the store, so that one damage does not meet another.
  void Restore() {
    fs::remove_all(files_.Sub("copy"));
    fs::create_directory(files_.Sub("copy"));
    fs::copy(directory(), files_.Sub("copy/meta"), fs::copy_options::recursive);
    fs::copy(files_.Sub("meta.synced"), files_.Sub("copy/meta.synced"));
  }
  std::string Copied(const std::string& name) const { return files_.Sub("copy/" + name); }
  std::string directory() const { return files_.Sub("meta"); }

  // True if refused by name, with nothing changed.
  bool Refused(const std::string& damage) {
    const auto store = LocalMetadataStore::Open(Copied("meta"), options_);
    if (!store.ok()) {
      EXPECT_THAT(store.status(), SaysThat(files_.Sub("copy/meta"))) << damage;
      EXPECT_FALSE(LocalMetadataStore::Open(Copied("meta"), options_).ok()) << damage << ", a second time";
      return true;
    }
    const RangeResult range = (*store)->Range("a", "z").value();
    std::map<std::string, std::string> found;
    for (const MetadataEntry& entry : range.entries) found[entry.key] = entry.value;
    EXPECT_EQ(found, (std::map<std::string, std::string>{{"topic/kept", "2"}, {"topic/new", "1"}})) << damage;
    return false;
  }

  testing::TempDir files_;
  LocalMetadataOptions options_;
};

TEST_F(LocalMetadataDamageTest, AnIntactStoreOpens) {
  MakeStore();
  Restore();
  EXPECT_FALSE(Refused("nothing"));
  EXPECT_FALSE(Refused("nothing, a second time"));
}

TEST_F(LocalMetadataDamageTest, AFlippedByteOfTheLogIsRefused) {
  MakeStore();
  const auto bytes = static_cast<long>(fs::file_size(files_.Sub(Log())));
  for (long at = 0; at < bytes; at += 3) {
    Restore();
    testing::FlipByte(Copied(Log()), at);
    EXPECT_TRUE(Refused("byte " + std::to_string(at) + " of the log"));
  }
}

TEST_F(LocalMetadataDamageTest, ACutFileIsRefusedOrServedWhole) {
  MakeStore();
  for (const std::string& name : Files()) {
    const std::uintmax_t bytes = fs::file_size(files_.Sub(name));
    for (const std::uintmax_t left : {bytes - bytes / 8, bytes / 2, std::uintmax_t{0}}) {
      Restore();
      fs::resize_file(Copied(name), left);
      const bool refused = Refused(name + " cut to " + std::to_string(left));
      EXPECT_TRUE(refused || name != Log()) << left;
    }
  }
}

TEST_F(LocalMetadataDamageTest, ARemovedFileIsRefusedOrServedWhole) {
  MakeStore();
  for (const std::string& name : Files()) {
    Restore();
    fs::remove(Copied(name));
    const bool refused = Refused(name + " removed");
    const bool needed = name == Log() || name == "meta.synced" || name == "meta/CURRENT" || name.ends_with(".sst");
    EXPECT_TRUE(refused || !needed) << name;
  }
}

TEST_F(LocalMetadataDamageTest, AStoreThatWasWholeIsNotCreatedAgain) {
  MakeStore();
  Restore();
  fs::remove_all(Copied("meta"));
  EXPECT_TRUE(Refused("the directory removed"));
  fs::remove(Copied("meta.synced"));
  EXPECT_TRUE(Refused("all removed"));
  EXPECT_FALSE(fs::exists(Copied("meta")));
}

TEST_F(LocalMetadataDamageTest, ACreationThatWasCutShortStartsAgain) {
  { ASSERT_TRUE(LocalMetadataStore::Open(directory()).ok()); }
  fs::resize_file(files_.Sub("meta.synced"), 0);
  { ASSERT_TRUE(LocalMetadataStore::Open(directory()).ok()); }
  fs::remove(files_.Sub("meta.synced"));
  { ASSERT_TRUE(LocalMetadataStore::Open(directory()).ok()); }
  fs::remove_all(directory());
  EXPECT_TRUE(LocalMetadataStore::Open(directory()).ok());
}

// Killed between the transaction and the side file: nobody was told, and it stands.
TEST_F(LocalMetadataDamageTest, ATransactionAheadOfTheSideFileStands) {
  MakeStore();
  Restore();
  const std::string before = testing::ReadFile(Copied("meta.synced"));
  {
    const auto store = LocalMetadataStore::Open(Copied("meta"), options_).value();
    Write(*store, {{MetadataWrite::Kind::kPut, "topic/later", "1", 0}});
  }
  testing::WriteFile(Copied("meta.synced"), before);
  {
    const auto store = LocalMetadataStore::Open(Copied("meta"), options_).value();
    EXPECT_EQ(store->Range("topic/later", "")->entries.size(), 1u);
  }
  EXPECT_NE(testing::ReadFile(Copied("meta.synced")), before);
}

}  // namespace
}  // namespace cordwood::broker
