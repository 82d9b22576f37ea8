// SPDX-License-Identifier: Apache-2.0
// The hand-over between threads: many push, one takes everything, in order.
#pragma once

#include <atomic>

namespace cordwood {

// A node to derive from. It is in at most one mailbox at a time; who takes it owns it.
struct MailboxNode {
  MailboxNode* next_in_mailbox = nullptr;
};

// Intrusive multi-producer single-consumer list: a push is one compare-and-swap, a take one exchange.
// T derives from MailboxNode. The mailbox owns nothing; what is left in it at destruction is the owner's to drain.
// Bounds: none of its own; each producer is bounded by the window or the lease that admitted its request.
template <class T>
class Mailbox {
 public:
  // Any thread. True if the list was empty: then, and only then, the receiver must be woken.
  bool Push(T* node) {
    MailboxNode* head = head_.load(std::memory_order_relaxed);
    do {
      node->next_in_mailbox = head;
    } while (!head_.compare_exchange_weak(head, node, std::memory_order_release, std::memory_order_relaxed));
    return head == nullptr;
  }

  // The receiver. All nodes, oldest first, linked by next_in_mailbox; nullptr if none.
  T* TakeAll() {
    MailboxNode* newest_first = head_.exchange(nullptr, std::memory_order_acquire);
    MailboxNode* oldest_first = nullptr;
    while (newest_first != nullptr) {
      MailboxNode* next = newest_first->next_in_mailbox;
      newest_first->next_in_mailbox = oldest_first;
      oldest_first = newest_first;
      newest_first = next;
    }
    return static_cast<T*>(oldest_first);
  }

  // The node after `node` in a taken list.
  static T* Next(const T* node) { return static_cast<T*>(node->next_in_mailbox); }
  bool empty() const { return head_.load(std::memory_order_acquire) == nullptr; }

 private:
  std::atomic<MailboxNode*> head_{nullptr};
};

}  // namespace cordwood
