// SPDX-License-Identifier: Apache-2.0
// A doubly linked list through the calls.
#include "broker/handlers/limits/unread_answers.h"

#include "storage/base/check.h"

namespace cordwood::broker {

UnreadAnswers::~UnreadAnswers() { CORDWOOD_CHECK(oldest_ == nullptr); }

void UnreadAnswers::Add(UnreadCall& call, absl::Duration now) {
  Remove(call);
  call.linked_ = true;
  call.since_ = now;
  call.before_ = newest_;
  (newest_ == nullptr ? oldest_ : newest_->after_) = &call;
  newest_ = &call;
}

bool UnreadAnswers::Remove(UnreadCall& call) {
  if (!call.linked_) return false;
  call.linked_ = false;
  (call.before_ == nullptr ? oldest_ : call.before_->after_) = call.after_;
  (call.after_ == nullptr ? newest_ : call.after_->before_) = call.before_;
  call.before_ = call.after_ = nullptr;
  return true;
}

int UnreadAnswers::Shed(const std::size_t& bytes, absl::Duration now) {
  int ended = 0;
  while (oldest_ != nullptr && bytes > bytes_max_ && (now - oldest_->since_ >= patience_ || bytes > 2 * bytes_max_)) {
    UnreadCall& call = *oldest_;
    Remove(call);
    call.EndUnread();
    ++ended;
  }
  return ended;
}

}  // namespace cordwood::broker
