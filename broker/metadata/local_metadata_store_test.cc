// SPDX-License-Identifier: Apache-2.0
// The contract over the local store, and what only it promises.
#include "broker/metadata/local_metadata_store.h"

#include <fstream>

#include "broker/metadata/metadata_fixture.h"
#include "broker/metadata/metadata_store_contract.h"

namespace cordwood::broker {
namespace {

class LocalHarness {
 public:
  LocalHarness() {
    options_.clock = &clock_;
    Open();
  }
  MetadataStore& store() { return *store_; }
  void CrashAndReopen() {
    store_.reset();
    Open();
  }
  void PassTime(absl::Duration by) {
    clock_.Advance(by);
    store_->Tick();
  }

 private:
  void Open() { store_ = LocalMetadataStore::Open(directory_.path() + "/meta", options_).value(); }

  TempDir directory_;
  SimulatedClock clock_;
  LocalMetadataOptions options_;
  std::unique_ptr<LocalMetadataStore> store_;
};
INSTANTIATE_TYPED_TEST_SUITE_P(Local, MetadataStoreContract, LocalHarness);

class LocalMetadataStoreTest : public MetadataStoreContract<LocalHarness> {};

TEST_F(LocalMetadataStoreTest, WatchOlderThanTheProcessIsCompacted) {
  const Revision before = Write({Put("a", "1")});
  harness_.CrashAndReopen();
  const auto seen = std::make_shared<Seen>();
  const auto watch = Watch(seen, "a", "", before);
  EXPECT_THAT(seen->error, HasReason(Reason::kConflict));
  EXPECT_THAT(seen->error, SaysThat("compacted"));
}

TEST_F(LocalMetadataStoreTest, LeaseBeginsAnewAfterARestart) {
  const LeaseId lease = store().GrantLease(absl::Seconds(4)).value();
  Write({Put("mine", "1", lease)});
  harness_.PassTime(absl::Seconds(3));
  harness_.CrashAndReopen();
  harness_.PassTime(absl::Seconds(3));
  EXPECT_EQ(Read("mine"), "mine=1");
  harness_.PassTime(absl::Seconds(2));
  EXPECT_EQ(Read("mine"), "");
}

TEST_F(LocalMetadataStoreTest, LeaseIdsAreNotReusedAfterARestart) {
  const LeaseId lease = store().GrantLease(absl::Seconds(4)).value();
  EXPECT_EQ(store().RevokeLease(lease), absl::OkStatus());
  harness_.CrashAndReopen();
  EXPECT_GT(store().GrantLease(absl::Seconds(4)).value(), lease);
}

TEST(LocalMetadataStoreHistoryTest, LongHistoryForgetsWholeTransactionsFromItsBeginning) {
  const TempDir directory;
  LocalMetadataOptions options;
  options.history_events_max = 3;
  const auto store = LocalMetadataStore::Open(directory.Sub("meta"), options).value();
  for (const char* key : {"a", "b", "c"}) {
    ASSERT_TRUE(store->Transact({}, {{MetadataWrite::Kind::kPut, key, "1", 0}, {MetadataWrite::Kind::kPut, key + std::string("2"), "1", 0}}).ok());
  }
  std::size_t missed = 0;
  Status error;
  const auto count = [&](StatusOr<std::vector<WatchEvent>> events, Revision) { events.ok() ? missed += events->size() : (error = events.status(), 0); };
  const auto from_second = store->Watch("a", "z", 2, count);
  EXPECT_THAT(error, HasReason(Reason::kConflict));
  const auto from_third = store->Watch("a", "z", 3, count);
  EXPECT_EQ(missed, 2u);
}

TEST(LocalMetadataStoreOpenTest, SecondOpeningOfTheSameDirectoryIsRefused) {
  const TempDir directory;
  const auto store = LocalMetadataStore::Open(directory.Sub("meta"));
  ASSERT_TRUE(store.ok());
  EXPECT_THAT(LocalMetadataStore::Open(directory.Sub("meta")).status(), HasReason(Reason::kStorageError));
}

TEST(LocalMetadataStoreOpenTest, DamagedDirectoryIsRefusedByName) {
  const TempDir directory;
  { ASSERT_TRUE(LocalMetadataStore::Open(directory.Sub("meta")).ok()); }
  std::ofstream(directory.Sub("meta/CURRENT")) << "nonsense";
  EXPECT_THAT(LocalMetadataStore::Open(directory.Sub("meta")).status(), SaysThat(directory.Sub("meta")));
}

}  // namespace
}  // namespace cordwood::broker
