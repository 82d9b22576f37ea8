// SPDX-License-Identifier: Apache-2.0
// Connections that are not served, for the second that it takes to tell them why.
#pragma once

#include <poll.h>

#include <cstddef>
#include <list>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "broker/grpc/connections/refused_frames.h"

namespace cordwood::broker {

inline constexpr std::size_t kRefusedHeldMax = 256;                           // the oldest goes for a new one
inline constexpr absl::Duration kRefusedHeldFor = absl::Seconds(1);           // until its first call, and again until its end
inline constexpr std::size_t kRefusedBytesMax = 64 * 1024;                    // read of one

// A client that begins a call within a second gets its answer: the one error that every gRPC client shows to its caller with code, text and reason, and
// after which none connects again at once, as they do after a GOAWAY alone. The second also bounds how often a client that makes no call comes back.
//
// Closing with unread bytes would reset the connection and lose what was said: so they are read until the client closes.
//
// Threading: of one thread.
class RefusedConnections {
 public:
  ~RefusedConnections();
  // Owns `fd`, a connected non-blocking socket.
  void Add(int fd, std::string why, absl::Duration now);
  // What to wait for, and until when.
  void AddTo(std::vector<pollfd>* polls) const;
  absl::Duration next_deadline() const;
  // Serves those that `polls` says are readable or ended, closes those whose time is over.
  void Serve(const std::vector<pollfd>& polls, absl::Duration now);
  const std::set<int>& fds() const { return fds_; }

 private:
  struct Refused {
    int fd;
    std::string why;
    absl::Duration deadline;
    CallFrames frames;
    std::size_t bytes_read = 0;
    bool end_said = false;
  };
  using Position = std::list<Refused>::iterator;
  bool Read(Refused& refused, absl::Duration now);
  void SayEnd(Refused& refused, std::uint32_t last_stream);
  Position Close(Position refused);

  std::list<Refused> held_;  // oldest first
  std::set<int> fds_;        // the same
};

}  // namespace cordwood::broker
