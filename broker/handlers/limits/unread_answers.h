// SPDX-License-Identifier: Apache-2.0
// Whose answers have gone unread for longest, and who is ended when all of them together hold too much.
#pragma once

#include <cstddef>

#include "absl/time/time.h"

namespace cordwood::broker {

// A call whose client has answers to read.
class UnreadCall {
 public:
  virtual ~UnreadCall() = default;
  // The call is to end at once; what its answers held is given back before this returns.
  virtual void EndUnread() = 0;

 private:
  friend class UnreadAnswers;
  UnreadCall* before_ = nullptr;
  UnreadCall* after_ = nullptr;
  bool linked_ = false;
  absl::Duration since_;  // monotonic
};

// Calls in the order in which their oldest unread answers were handed over. Whatever keeps answers small, there may be many calls that read nothing. So beyond
// `bytes_max` whoever has not read for `patience` is ended, the slowest first; beyond twice that nobody has any patience.
// Threading: of one network thread. Each operation but Shed takes constant time and allocates nothing.
class UnreadAnswers {
 public:
  UnreadAnswers(std::size_t bytes_max, absl::Duration patience) : bytes_max_(bytes_max), patience_(patience) {}
  ~UnreadAnswers();  // nobody is left

  // Its oldest unread answer was handed over at `now`. A call that is there already goes to the end.
  void Add(UnreadCall& call, absl::Duration now);
  // Whether it was there.
  bool Remove(UnreadCall& call);
  // `bytes` is what all unread answers hold, and falls as calls are ended. How many were.
  int Shed(const std::size_t& bytes, absl::Duration now);

 private:
  const std::size_t bytes_max_;
  const absl::Duration patience_;
  UnreadCall* oldest_ = nullptr;
  UnreadCall* newest_ = nullptr;
};

}  // namespace cordwood::broker
