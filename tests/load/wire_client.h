// SPDX-License-Identifier: Apache-2.0
// gRPC clients of any manners, thousands in one thread: sockets that vanish, do not read, or send whatever the transport takes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace cordwood::testing {

class WireConnection;

// One epoll set. Threading: of one thread, with all its connections.
class WireLoop {
 public:
  WireLoop();
  ~WireLoop();  // after its connections
  WireLoop(const WireLoop&) = delete;
  WireLoop& operator=(const WireLoop&) = delete;

  // Serves the connections until `condition` holds, asked after each round of events and every few ms; false if it did not within `patience`.
  template <class Condition>
  bool RunUntil(Condition condition, absl::Duration patience) {
    const absl::Time deadline = absl::Now() + patience;
    while (!condition()) {
      if (absl::Now() > deadline) return false;
      RunOnce();
    }
    return true;
  }
  void RunFor(absl::Duration time) {
    RunUntil([] { return false; }, time);
  }

 private:
  friend class WireConnection;
  void RunOnce();
  const int epoll_;
};

// How a call ended.
struct WireEnd {
  int grpc_status = -1;   // -1: the connection broke or the stream was reset, without trailers
  std::string trailers;   // as they came, gRPC's message among them
};

struct WireHandlers {
  std::function<void(std::string_view message)> on_message = [](std::string_view) {};
  std::function<void(const WireEnd&)> on_end = [](const WireEnd&) {};  // once; not for calls open when the connection is destroyed
};

struct WireOptions {
  int receive_buffer = 0;         // SO_RCVBUF; 0: the system's
  bool gives_window = true;       // false: HTTP/2's own 64 KiB a stream and connection, and never more
};

// An HTTP/2 connection to a broker. Handlers may open and send, but not destroy a connection.
class WireConnection {
 public:
  // Begins to connect to "127.0.0.1:PORT"; what is sent meanwhile waits.
  WireConnection(WireLoop& loop, const std::string& address, const WireOptions& options = {});
  ~WireConnection();  // closes without a word: a reset, if anything is unread
  WireConnection(const WireConnection&) = delete;
  WireConnection& operator=(const WireConnection&) = delete;

  // Opens a call of "/package.Service/Method"; `timeout` is its deadline on the wire, none if zero. Returns the number of its stream.
  int Open(std::string_view path, WireHandlers handlers, absl::Duration timeout = absl::ZeroDuration());
  void Send(int stream, std::string_view message, bool last = false);
  // One message, then the end: a unary call.
  int Call(std::string_view path, std::string_view message, WireHandlers handlers, absl::Duration timeout = absl::ZeroDuration());
  std::size_t unsent(int stream) const;  // bytes that neither HTTP/2's windows nor the socket took yet
  std::size_t unsent() const { return out_.size() - out_at_; }

  // Bytes as they are, between frames: for frames that are cut. Only while nothing is unsent.
  void SendRaw(std::string_view bytes);
  void StopReading();                    // the socket fills
  bool ready() const { return settled_ && !broken_; }  // the broker's first frame has come
  bool broken() const { return broken_; }
  std::size_t open_calls() const { return streams_.size(); }

 private:
  friend class WireLoop;
  struct Stream;
  void OnEvents(unsigned events);
  void ReadAll();
  void TakeFrames();
  void OnFrame(int type, int flags, int stream, std::string_view payload);
  void OnSettings(std::string_view payload);
  void OnBytes(int stream, std::string_view bytes);
  void OnHeaders(int stream, int flags, std::string_view block);
  void GiveWindow(int stream, std::size_t bytes);
  void End(int stream, const WireEnd& end);
  void Pump();
  bool PumpStream(int id, Stream& stream);
  void Flush();
  void Break();
  void Listen();

  WireLoop& loop_;
  const WireOptions options_;
  int fd_ = -1;
  unsigned listening_ = 0;  // epoll's events
  bool reads_ = true;
  bool settled_ = false;
  bool broken_ = false;
  bool pumping_ = false;
  int next_stream_ = 1;
  std::string in_;
  std::string out_;           // frames; kept short, so that streams take turns
  std::size_t out_at_ = 0;
  std::int64_t window_ = 65'535;         // that the broker gives the connection
  std::int64_t stream_window_ = 65'535;  // and each new stream
  std::size_t frame_max_ = 16'384;
  std::size_t taken_ = 0;                // bytes read since the last window update
  std::map<int, std::unique_ptr<Stream>> streams_;
  std::deque<int> sending_;              // have something to send, each once
};

}  // namespace cordwood::testing
