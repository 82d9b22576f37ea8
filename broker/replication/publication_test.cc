// SPDX-License-Identifier: Apache-2.0
// The news of a group goes to every thread and comes back.
#include "broker/replication/publication.h"

#include <gtest/gtest.h>

#include <memory>
#include <utility>

#include "broker/replication/test_network.h"

namespace cordwood::broker {
namespace {

struct Ear final : PublicationListener {
  void OnPublication(const Publication& publication) override { heard += publication.updates.size(); }
  std::size_t heard = 0;
};

class GroupNewsTest : public ::testing::Test {
 protected:
  std::unique_ptr<GroupNews> News() {
    auto news = std::make_unique<GroupNews>();
    news->AddThread(outbox_a_, ear_a_);
    news->AddThread(outbox_b_, ear_b_);
    return news;
  }
  Outbox outbox_a_{[] {}};
  Outbox outbox_b_{[] {}};
  Ear ear_a_;
  Ear ear_b_;
  std::shared_ptr<GroupNewsPool> pool_ = std::make_shared<GroupNewsPool>();
};

TEST_F(GroupNewsTest, ComesBackEmptyOnceEveryThreadHasHeardIt) {
  std::unique_ptr<GroupNews> news = News();
  const GroupNews* const sent = news.get();
  news->publication.updates.emplace_back();
  GroupNews::Send(std::move(news), pool_);
  outbox_a_.Drain();
  EXPECT_EQ(pool_->Take(), nullptr);
  outbox_b_.Drain();
  EXPECT_EQ(ear_a_.heard + ear_b_.heard, 2u);
  const std::unique_ptr<GroupNews> back = pool_->Take();
  EXPECT_EQ(back.get(), sent);
  EXPECT_TRUE(back->publication.empty());
}

TEST_F(GroupNewsTest, AnAnswerGoesToItsThreadAloneAndOnce) {
  TestOp op;
  op.outbox = &outbox_b_;
  for (int round = 1; round <= 2; ++round) {
    std::unique_ptr<GroupNews> news = pool_->Take();
    if (news == nullptr) news = News();
    EXPECT_TRUE(news->AddAnswer(op));
    GroupNews::Send(std::move(news), pool_);
    EXPECT_FALSE(outbox_a_.Drain()) << "nothing to hear, nobody woken";
    outbox_b_.Drain();
    EXPECT_EQ(op.answers, round);
  }
}

TEST_F(GroupNewsTest, AnOperationOfAnotherThreadIsLeftToTheCaller) {
  Outbox elsewhere([] {});
  TestOp op;
  op.outbox = &elsewhere;
  EXPECT_FALSE(News()->AddAnswer(op));
}

TEST_F(GroupNewsTest, MayBeHeardAfterTheShardIsGone) {
  std::unique_ptr<GroupNews> news = News();
  news->publication.updates.emplace_back();
  GroupNews::Send(std::move(news), pool_);
  const std::weak_ptr<GroupNewsPool> pool = std::exchange(pool_, nullptr);
  outbox_a_.Drain();
  EXPECT_FALSE(pool.expired());
  outbox_b_.Drain();
  EXPECT_TRUE(pool.expired());
}

}  // namespace
}  // namespace cordwood::broker
