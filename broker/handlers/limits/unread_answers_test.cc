// SPDX-License-Identifier: Apache-2.0
// Who is ended when unread answers hold too much.
#include "broker/handlers/limits/unread_answers.h"

#include <gtest/gtest.h>

#include <string>

namespace cordwood::broker {
namespace {

class UnreadAnswersTest : public ::testing::Test {
 protected:
  struct Reader final : UnreadCall {
    Reader(UnreadAnswersTest& test, char name) : test(test), name(name) {}
    void EndUnread() override {
      test.bytes_ -= held;
      test.ended_ += name;
    }
    UnreadAnswersTest& test;
    const char name;
    std::size_t held = 0;
  };
  ~UnreadAnswersTest() override {
    for (Reader* reader : {&a_, &b_, &c_}) unread_.Remove(*reader);
  }
  void Answer(Reader& reader, std::size_t bytes, int seconds) {
    reader.held += bytes;
    bytes_ += bytes;
    unread_.Add(reader, absl::Seconds(seconds));
  }
  // The names of those that were ended.
  std::string Shed(int seconds) {
    ended_.clear();
    const int ended = unread_.Shed(bytes_, absl::Seconds(seconds));
    EXPECT_EQ(ended, static_cast<int>(ended_.size()));
    return ended_;
  }

  std::size_t bytes_ = 0;
  std::string ended_;
  UnreadAnswers unread_{100, absl::Seconds(1)};
  Reader a_{*this, 'a'}, b_{*this, 'b'}, c_{*this, 'c'};
};

TEST_F(UnreadAnswersTest, NobodyIsEndedForWhatFits) {
  Answer(a_, 100, 0);
  EXPECT_EQ(Shed(1000), "");
}

TEST_F(UnreadAnswersTest, TheSlowestIsEndedFirstAndNoMoreThanNeeded) {
  Answer(a_, 40, 0);
  Answer(b_, 40, 1);
  Answer(c_, 40, 2);
  EXPECT_EQ(Shed(10), "a");
}

TEST_F(UnreadAnswersTest, WhoReadsStandsBehindThoseWhoDoNot) {
  Answer(a_, 40, 0);
  Answer(b_, 40, 1);
  Answer(c_, 40, 2);
  unread_.Add(a_, absl::Seconds(3));  // it has read one, and has another
  EXPECT_EQ(Shed(10), "b");
}

TEST_F(UnreadAnswersTest, WhoHasReadEverythingIsNotAmongThem) {
  Answer(a_, 10, 0);
  unread_.Remove(a_);
  Answer(b_, 110, 1);
  EXPECT_EQ(Shed(10), "b");
}

TEST_F(UnreadAnswersTest, ASecondIsLeftToEachUpToTwiceTheBound) {
  Answer(a_, 60, 5);
  Answer(b_, 60, 5);
  EXPECT_EQ(Shed(5), "");
  Answer(c_, 90, 5);
  EXPECT_EQ(Shed(5), "a") << "210 are more than twice 100";
  EXPECT_EQ(Shed(6), "b");
}

}  // namespace
}  // namespace cordwood::broker
