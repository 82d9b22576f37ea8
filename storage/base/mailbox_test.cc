// SPDX-License-Identifier: Apache-2.0
// Facts about the hand-over between threads.
#include "storage/base/mailbox.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "storage/base/mutex.h"

namespace cordwood {
namespace {

struct Letter : MailboxNode {
  Letter(int sender, int number) : sender(sender), number(number) {}
  int sender;
  int number;
};

TEST(MailboxTest, LettersComeOutOldestFirst) {
  Mailbox<Letter> box;
  Letter a(0, 1), b(0, 2), c(0, 3);
  for (Letter* letter : {&a, &b, &c}) box.Push(letter);
  Letter* taken = box.TakeAll();
  EXPECT_EQ(taken, &a);
  EXPECT_EQ(Mailbox<Letter>::Next(taken), &b);
  EXPECT_EQ(Mailbox<Letter>::Next(&b), &c);
  EXPECT_EQ(Mailbox<Letter>::Next(&c), nullptr);
}

TEST(MailboxTest, OnlyThePushOntoAnEmptyListAsksForAWakeUp) {
  Mailbox<Letter> box;
  Letter a(0, 1), b(0, 2);
  EXPECT_TRUE(box.empty());
  EXPECT_TRUE(box.Push(&a));
  EXPECT_FALSE(box.Push(&b));
  EXPECT_FALSE(box.empty());
  EXPECT_EQ(box.TakeAll(), &a);
  EXPECT_EQ(box.TakeAll(), nullptr);
  EXPECT_TRUE(box.Push(&a));
}

// Several senders, one receiver that sleeps unless woken: a lost wake-up hangs, a lost or doubled letter miscounts.
class PostOffice {
 public:
  explicit PostOffice(int senders) : last_seen_(static_cast<std::size_t>(senders), -1) {}

  void Send(Letter* letter) {
    if (!box_.Push(letter)) return;
    MutexLock lock(mu_);
    woken_ = true;
    wake_.Signal();
  }

  // Until `total` letters came; false if any sender's came out of order.
  bool Receive(int total) {
    bool in_order = true;
    while (total > 0) {
      WaitForWakeUp();
      for (Letter* letter = box_.TakeAll(); letter != nullptr; letter = Mailbox<Letter>::Next(letter), --total) {
        int& last = last_seen_[static_cast<std::size_t>(letter->sender)];
        in_order = in_order && letter->number == last + 1;
        last = letter->number;
      }
    }
    return in_order;
  }

 private:
  void WaitForWakeUp() {
    MutexLock lock(mu_);
    while (!woken_) wake_.Wait(mu_);
    woken_ = false;
  }

  Mailbox<Letter> box_;
  std::vector<int> last_seen_;  // the receiver's
  Mutex mu_;
  CondVar wake_;
  bool woken_ ABSL_GUARDED_BY(mu_) = false;
};

TEST(MailboxTest, ManySendersLoseNothingAndKeepTheirOrder) {
  constexpr int kSenders = 4, kLetters = 20'000;
  PostOffice office(kSenders);
  std::vector<std::vector<Letter>> letters(kSenders);
  std::vector<std::thread> senders;
  for (int s = 0; s < kSenders; ++s) {
    for (int n = 0; n < kLetters; ++n) letters[s].emplace_back(s, n);
  }
  for (int s = 0; s < kSenders; ++s) {
    senders.emplace_back([&office, &letters, s] {
      for (Letter& letter : letters[s]) office.Send(&letter);
    });
  }
  EXPECT_TRUE(office.Receive(kSenders * kLetters));
  for (std::thread& sender : senders) sender.join();
}

TEST(CondVarTest, WaitForReturnsFalseWhenNobodySignals) {
  Mutex mu;
  CondVar never;
  MutexLock lock(mu);
  EXPECT_FALSE(never.WaitFor(mu, std::chrono::microseconds(10)));
}

}  // namespace
}  // namespace cordwood
