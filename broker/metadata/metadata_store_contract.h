// SPDX-License-Identifier: Apache-2.0
// The contract of MetadataStore as one test suite, run over each implementation.
#pragma once

#include <memory>
#include <string>

#include "broker/metadata/metadata_contract_fixture.h"

namespace cordwood::broker {

TYPED_TEST_SUITE_P(MetadataStoreContract);

TYPED_TEST_P(MetadataStoreContract, RangeGivesKeysInOrderUpToItsEnd) {
  this->Write({this->Put("b", "2"), this->Put("a", "1"), this->Put("c", "3")});
  EXPECT_EQ(this->Read("a", "c"), "a=1 b=2");
  EXPECT_EQ(this->Read("b"), "b=2");
  EXPECT_EQ(this->Read("bb"), "");
}

TYPED_TEST_P(MetadataStoreContract, TransactionRaisesTheRevisionByOne) {
  const Revision first = this->Write({this->Put("a", "1"), this->Put("b", "1")});
  const Revision second = this->Write({this->Put("a", "2")});
  EXPECT_EQ(second, first + 1);
  EXPECT_EQ(this->Entry("a").create_revision, first);
  EXPECT_EQ(this->Entry("a").mod_revision, second);
  EXPECT_EQ(this->Entry("b").mod_revision, first);
}

TYPED_TEST_P(MetadataStoreContract, DeletingNothingChangesNoRevision) {
  const Revision revision = this->Write({this->Put("a", "1")});
  EXPECT_EQ(this->Write({this->Delete("b")}), revision);
}

TYPED_TEST_P(MetadataStoreContract, CreationSucceedsOnce) {
  EXPECT_TRUE(this->WriteIf({"a", 0}, this->Put("a", "mine")));
  EXPECT_FALSE(this->WriteIf({"a", 0}, this->Put("a", "yours")));
  EXPECT_EQ(this->Read("a"), "a=mine");
}

TYPED_TEST_P(MetadataStoreContract, CompareAndSwapOfAnOlderRevisionIsRefused) {
  const Revision old = this->Write({this->Put("a", "1")});
  this->Write({this->Put("a", "2")});
  EXPECT_FALSE(this->WriteIf({"a", old}, this->Put("a", "3")));
  EXPECT_TRUE(this->WriteIf({"a", this->Entry("a").mod_revision}, this->Put("a", "3")));
  EXPECT_EQ(this->Read("a"), "a=3");
}

TYPED_TEST_P(MetadataStoreContract, RefusedTransactionWritesNothing) {
  this->Write({this->Put("a", "1")});
  const auto result = this->store().Transact({{"a", 0}}, {this->Put("b", "2"), this->Delete("a")});
  ASSERT_TRUE(result.ok());
  EXPECT_FALSE(result->succeeded);
  EXPECT_EQ(this->Read("a", "z"), "a=1");
}

TYPED_TEST_P(MetadataStoreContract, DeleteRangeStopsBeforeItsEnd) {
  this->Write({this->Put("a", "1"), this->Put("b", "2"), this->Put("c", "3")});
  this->Write({this->DeleteRange("a", "c")});
  EXPECT_EQ(this->Read("a", "z"), "c=3");
}

TYPED_TEST_P(MetadataStoreContract, RecreatedKeyHasANewCreateRevision) {
  this->Write({this->Put("a", "1")});
  this->Write({this->Delete("a")});
  const Revision revision = this->Write({this->Put("a", "2")});
  EXPECT_EQ(this->Entry("a").create_revision, revision);
}

TYPED_TEST_P(MetadataStoreContract, WatchShowsChangesInOrderOfRevision) {
  const auto seen = std::make_shared<typename TestFixture::Seen>();
  const Revision r = this->Write({this->Put("x", "0")});
  const auto watch = this->Watch(seen, "a", "c", r + 1);
  this->Write({this->Put("a", "1")});
  this->Write({this->Put("c", "not watched")});
  this->Write({this->Delete("a"), this->Put("b", "2")});
  const std::string expected = "a=1" + this->At(r + 1) + " -a" + this->At(r + 3) + " b=2" + this->At(r + 3);
  EXPECT_EQ(seen->Await(expected), expected);
}

TYPED_TEST_P(MetadataStoreContract, WatchFromThePastShowsWhatItMissed) {
  const auto seen = std::make_shared<typename TestFixture::Seen>();
  this->Write({this->Put("a", "0")});
  const Revision from = this->Write({this->Put("a", "1")});
  this->Write({this->Put("a", "2")});
  const auto watch = this->Watch(seen, "a", "", from);
  const std::string expected = "a=1" + this->At(from) + " a=2" + this->At(from + 1);
  EXPECT_EQ(seen->Await(expected), expected);
}

TYPED_TEST_P(MetadataStoreContract, EndedWatchIsNotCalled) {
  const auto seen = std::make_shared<typename TestFixture::Seen>();
  auto watch = this->Watch(seen, "a", "", this->Write({this->Put("x", "0")}) + 1);
  watch.reset();
  this->Write({this->Put("a", "1")});
  EXPECT_EQ(seen->text, "");
}

TYPED_TEST_P(MetadataStoreContract, EverythingAcknowledgedSurvivesACrash) {
  const Revision a = this->Write({this->Put("a", "1"), this->Put("b", std::string("\0\xFF", 2))});
  const Revision revision = this->Write({this->Delete("a")});
  this->harness_.CrashAndReopen();
  EXPECT_EQ(this->Read("a", "z"), "b=" + std::string("\0\xFF", 2));
  EXPECT_EQ(this->Entry("b").mod_revision, a);
  EXPECT_EQ(this->Write({this->Put("c", "3")}), revision + 1);
}

TYPED_TEST_P(MetadataStoreContract, KeysOfALeaseGoWhenItEnds) {
  const LeaseId lease = this->store().GrantLease(absl::Seconds(2)).value();
  this->Write({this->Put("mine", "1", lease), this->Put("other", "2")});
  this->harness_.PassTime(absl::Seconds(3));
  EXPECT_EQ(this->Read("a", "z"), "other=2");
  EXPECT_EQ(ReasonOf(this->store().RenewLease(lease)), Reason::kConflict);
}

TYPED_TEST_P(MetadataStoreContract, RenewedLeaseLives) {
  const LeaseId lease = this->store().GrantLease(absl::Seconds(3)).value();
  this->Write({this->Put("mine", "1", lease)});
  this->harness_.PassTime(absl::Seconds(2));
  EXPECT_EQ(this->store().RenewLease(lease), absl::OkStatus());
  this->harness_.PassTime(absl::Seconds(2));
  EXPECT_EQ(this->Read("mine"), "mine=1");
}

TYPED_TEST_P(MetadataStoreContract, RevokingALeaseIsSeenByWatches) {
  const auto seen = std::make_shared<typename TestFixture::Seen>();
  const LeaseId lease = this->store().GrantLease(absl::Seconds(60)).value();
  const Revision r = this->Write({this->Put("a", "1", lease), this->Put("b", "1", lease)});
  const auto watch = this->Watch(seen, "a", "c", r + 1);
  EXPECT_EQ(this->store().RevokeLease(lease), absl::OkStatus());
  const std::string expected = "-a" + this->At(r + 1) + " -b" + this->At(r + 1);
  EXPECT_EQ(seen->Await(expected), expected);
}

TYPED_TEST_P(MetadataStoreContract, PutUnderAnEndedLeaseIsRefused) {
  const LeaseId lease = this->store().GrantLease(absl::Seconds(60)).value();
  EXPECT_EQ(this->store().RevokeLease(lease), absl::OkStatus());
  EXPECT_FALSE(this->store().Transact({}, {this->Put("a", "1", lease)}).ok());
  EXPECT_EQ(this->Read("a"), "");
}

REGISTER_TYPED_TEST_SUITE_P(MetadataStoreContract, RangeGivesKeysInOrderUpToItsEnd, TransactionRaisesTheRevisionByOne,
                            DeletingNothingChangesNoRevision, CreationSucceedsOnce, CompareAndSwapOfAnOlderRevisionIsRefused,
                            RefusedTransactionWritesNothing, DeleteRangeStopsBeforeItsEnd, RecreatedKeyHasANewCreateRevision,
                            WatchShowsChangesInOrderOfRevision, WatchFromThePastShowsWhatItMissed, EndedWatchIsNotCalled,
                            EverythingAcknowledgedSurvivesACrash, KeysOfALeaseGoWhenItEnds, RenewedLeaseLives,
                            RevokingALeaseIsSeenByWatches, PutUnderAnEndedLeaseIsRefused);

}  // namespace cordwood::broker
