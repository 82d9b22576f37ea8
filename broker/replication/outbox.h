// SPDX-License-Identifier: Apache-2.0
// What other threads send to a network thread.
#pragma once

#include <functional>
#include <utility>

#include "storage/base/mailbox.h"
#include "storage/base/measures.h"

namespace cordwood::broker {

// One thing to do on the network thread. Whoever takes it from the outbox calls Run() once; Run() disposes of the message.
struct OutboxMessage : MailboxNode {
  virtual ~OutboxMessage() = default;
  virtual void Run() = 0;
};

// Push from any thread; only a push onto an empty outbox wakes the receiver, so a shard pushes publications and answers of a whole group and pays
// for one wake-up. Order of pushes from one thread is kept.
//
// Bound: the appends, reads and openings that this thread has outstanding, each bounded where it is made; a message for each commit of a shard since the thread's
// last turn, which does not block; and what the few other threads of the broker say.
class Outbox {
 public:
  explicit Outbox(std::function<void()> wake) : wake_(std::move(wake)) {}
  void Push(OutboxMessage* message) {
    pushed_.Add();
    if (mailbox_.Push(message)) wake_();
  }
  // The network thread: runs everything that is there. True if there was anything.
  bool Drain() {
    OutboxMessage* message = mailbox_.TakeAll();
    const bool any = message != nullptr;
    while (message != nullptr) {
      OutboxMessage* next = Mailbox<OutboxMessage>::Next(message);
      run_.Add();
      message->Run();
      message = next;
    }
    return any;
  }

  // Messages that are not yet being run. Any thread; of late.
  std::int64_t depth() const {
    const std::uint64_t done = run_.value();
    const std::uint64_t all = pushed_.value();
    return all > done ? static_cast<std::int64_t>(all - done) : 0;
  }

 private:
  const std::function<void()> wake_;
  Mailbox<OutboxMessage> mailbox_;
  SharedCounter pushed_;
  Counter run_;
};

}  // namespace cordwood::broker
