// SPDX-License-Identifier: Apache-2.0
// RFC 9113 as far as a client of one known server needs it.
#include "tests/load/wire_client.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <utility>

#include "storage/base/check.h"
#include "tests/support/raw_wire.h"

namespace cordwood::testing {
namespace {

constexpr int kSettingsFrame = 4, kPingFrame = 6, kGoAwayFrame = 7, kWindowFrame = 8;
constexpr int kAck = 1, kPadded = 8;
constexpr std::size_t kFrameHeaderBytes = 9, kMessageHeaderBytes = 5;
constexpr std::size_t kOutBytes = 256 * 1024;
constexpr std::size_t kGivenAtOnce = 1 << 20;   // window updates come in steps
constexpr std::uint32_t kWideWindow = 1 << 30;
constexpr int kPollMs = 5;

std::uint32_t Read32(std::string_view bytes) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4 && i < bytes.size(); ++i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

// No dynamic table, so that trailers come as literals; wide windows.
std::string Settings(const WireOptions& options) {
  std::string payload = std::string("\0\1", 2) + BigEndian32(0);
  if (options.gives_window) payload += std::string("\0\4", 2) + BigEndian32(kWideWindow);
  return Http2Frame(kSettingsFrame, 0, 0, payload);
}

// The text after a literal name of HPACK, both without Huffman's code.
int GrpcStatusIn(std::string_view block) {
  constexpr std::string_view kName = "grpc-status";
  const std::size_t at = block.find(kName);
  if (at == std::string_view::npos || at + kName.size() + 1 >= block.size()) return -1;
  const auto length = static_cast<std::size_t>(block[at + kName.size()]);
  return std::atoi(std::string(block.substr(at + kName.size() + 1, length)).c_str());
}

}  // namespace

struct WireConnection::Stream {
  WireHandlers handlers;
  std::deque<std::string> out;  // messages with their headers
  std::size_t out_at = 0;       // in the first
  std::size_t unsent = 0;
  bool last_given = false;
  bool queued = false;          // in sending_
  std::int64_t window = 0;
  std::string in;
  std::size_t taken = 0;
};

WireLoop::WireLoop() : epoll_(epoll_create1(EPOLL_CLOEXEC)) { CORDWOOD_CHECK(epoll_ >= 0); }
WireLoop::~WireLoop() { close(epoll_); }

void WireLoop::RunOnce() {
  epoll_event events[256];
  const int n = epoll_wait(epoll_, events, 256, kPollMs);
  for (int i = 0; i < n; ++i) static_cast<WireConnection*>(events[i].data.ptr)->OnEvents(events[i].events);
}

WireConnection::WireConnection(WireLoop& loop, const std::string& address, const WireOptions& options) : loop_(loop), options_(options) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  to.sin_port = htons(static_cast<std::uint16_t>(std::atoi(address.c_str() + address.rfind(':') + 1)));
  fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  CORDWOOD_CHECK(fd_ >= 0);
  const int on = 1;
  setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (options.receive_buffer > 0) setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &options.receive_buffer, sizeof options.receive_buffer);
  if (connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0 && errno != EINPROGRESS) broken_ = true;
  out_ = Http2Opening() + Settings(options);
  if (options.gives_window) out_ += Http2Frame(kWindowFrame, 0, 0, BigEndian32(kWideWindow));
  epoll_event event{};
  event.data.ptr = this;
  event.events = listening_ = EPOLLIN | EPOLLOUT;
  CORDWOOD_CHECK(epoll_ctl(loop_.epoll_, EPOLL_CTL_ADD, fd_, &event) == 0);
}

WireConnection::~WireConnection() { close(fd_); }

int WireConnection::Open(std::string_view path, WireHandlers handlers, absl::Duration timeout) {
  const int id = next_stream_;
  next_stream_ += 2;
  auto stream = std::make_unique<Stream>();
  stream->handlers = std::move(handlers);
  stream->window = stream_window_;
  streams_.emplace(id, std::move(stream));
  out_ += GrpcRequestHeaders(path, id, timeout > absl::ZeroDuration() ? std::to_string(absl::ToInt64Milliseconds(timeout)) + "m" : "");
  Flush();
  return id;
}

void WireConnection::Send(int id, std::string_view message, bool last) {
  const auto found = streams_.find(id);
  if (found == streams_.end() || broken_) return;
  Stream& stream = *found->second;
  std::string& framed = stream.out.emplace_back();
  framed.reserve(kMessageHeaderBytes + message.size());
  framed.push_back('\0');  // not compressed
  framed += BigEndian32(static_cast<std::uint32_t>(message.size()));
  framed += message;
  stream.unsent += framed.size();
  stream.last_given = last;
  if (!std::exchange(stream.queued, true)) sending_.push_back(id);
  Pump();
}

int WireConnection::Call(std::string_view path, std::string_view message, WireHandlers handlers, absl::Duration timeout) {
  const int stream = Open(path, std::move(handlers), timeout);
  Send(stream, message, true);
  return stream;
}

std::size_t WireConnection::unsent(int stream) const {
  const auto found = streams_.find(stream);
  return found == streams_.end() ? 0 : found->second->unsent;
}

void WireConnection::SendRaw(std::string_view bytes) {
  out_ += bytes;
  Flush();
}

void WireConnection::StopReading() {
  reads_ = false;
  Listen();
}

void WireConnection::Listen() {
  const unsigned wanted = broken_ ? 0 : (reads_ ? EPOLLIN : 0U) | (out_.empty() ? 0U : EPOLLOUT);
  if (wanted == listening_) return;
  epoll_event event{};
  event.data.ptr = this;
  event.events = listening_ = wanted;
  // With no events wanted epoll would still tell of a broken connection, over and over.
  epoll_ctl(loop_.epoll_, EPOLL_CTL_MOD, fd_, &event);
  if (broken_) epoll_ctl(loop_.epoll_, EPOLL_CTL_DEL, fd_, nullptr);
}

void WireConnection::OnEvents(unsigned events) {
  if (broken_) return;
  if ((events & EPOLLOUT) != 0) Flush();
  if (reads_ && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) ReadAll();
  if (!reads_ && (events & (EPOLLHUP | EPOLLERR)) != 0) Break();
  Pump();
}

void WireConnection::ReadAll() {
  static thread_local char buffer[256 * 1024];
  for (int i = 0; i < 4 && !broken_; ++i) {
    const ssize_t n = recv(fd_, buffer, sizeof buffer, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) break;
    if (n <= 0) {
      TakeFrames();
      return Break();
    }
    in_.append(buffer, static_cast<std::size_t>(n));
    TakeFrames();
    if (static_cast<std::size_t>(n) < sizeof buffer) break;
  }
}

void WireConnection::TakeFrames() {
  std::size_t at = 0;
  while (in_.size() - at >= kFrameHeaderBytes) {
    const std::string_view head = std::string_view(in_).substr(at, kFrameHeaderBytes);
    const std::size_t length = Read32(head) >> 8;
    if (in_.size() - at < kFrameHeaderBytes + length) break;
    const int stream = static_cast<int>(Read32(head.substr(5)) & 0x7fffffffU);
    OnFrame(head[3], static_cast<unsigned char>(head[4]), stream, std::string_view(in_).substr(at + kFrameHeaderBytes, length));
    at += kFrameHeaderBytes + length;
  }
  in_.erase(0, at);
}

void WireConnection::OnFrame(int type, int flags, int stream, std::string_view payload) {
  switch (type) {
    case kDataFrame:
      CORDWOOD_CHECK((flags & kPadded) == 0);  // gRPC does not
      GiveWindow(stream, payload.size());
      return OnBytes(stream, payload);
    case kHeadersFrame:
      return OnHeaders(stream, flags, payload);
    case kResetFrame:
      return End(stream, {});
    case kSettingsFrame:
      if ((flags & kAck) != 0) return;
      OnSettings(payload);
      out_ += Http2Frame(kSettingsFrame, kAck, 0, "");
      return;
    case kPingFrame:
      if ((flags & kAck) == 0) out_ += Http2Frame(kPingFrame, kAck, 0, payload);
      return;
    case kWindowFrame:
      if (stream == 0) {
        window_ += Read32(payload);
      } else if (const auto found = streams_.find(stream); found != streams_.end()) {
        found->second->window += Read32(payload);
        if (!found->second->out.empty() && !std::exchange(found->second->queued, true)) sending_.push_back(stream);
      }
      return;
    case kGoAwayFrame:
    default:
      return;
  }
}

void WireConnection::OnSettings(std::string_view payload) {
  settled_ = true;
  for (; payload.size() >= 6; payload.remove_prefix(6)) {
    const unsigned key = Read32(payload) >> 16;
    const std::uint32_t value = Read32(payload.substr(2));
    if (key == 5) frame_max_ = value;
    if (key != 4) continue;
    for (auto& [id, stream] : streams_) {
      stream->window += static_cast<std::int64_t>(value) - stream_window_;
      if (!stream->out.empty() && !std::exchange(stream->queued, true)) sending_.push_back(id);
    }
    stream_window_ = value;
  }
}

void WireConnection::OnBytes(int id, std::string_view bytes) {
  const auto found = streams_.find(id);
  if (found == streams_.end()) return;
  Stream& stream = *found->second;
  stream.in += bytes;
  std::size_t at = 0;
  while (stream.in.size() - at >= kMessageHeaderBytes) {
    const std::size_t length = Read32(std::string_view(stream.in).substr(at + 1));
    if (stream.in.size() - at < kMessageHeaderBytes + length) break;
    stream.handlers.on_message(std::string_view(stream.in).substr(at + kMessageHeaderBytes, length));
    at += kMessageHeaderBytes + length;
  }
  stream.in.erase(0, at);
}

void WireConnection::OnHeaders(int id, int flags, std::string_view block) {
  if ((flags & kEndStream) == 0) return;
  End(id, {GrpcStatusIn(block), std::string(block)});
}

void WireConnection::GiveWindow(int id, std::size_t bytes) {
  if (!options_.gives_window) return;
  taken_ += bytes;
  if (taken_ >= kGivenAtOnce) out_ += Http2Frame(kWindowFrame, 0, 0, BigEndian32(static_cast<std::uint32_t>(std::exchange(taken_, 0))));
  const auto found = streams_.find(id);
  if (found == streams_.end()) return;
  found->second->taken += bytes;
  if (found->second->taken < kGivenAtOnce) return;
  out_ += Http2Frame(kWindowFrame, 0, id, BigEndian32(static_cast<std::uint32_t>(std::exchange(found->second->taken, 0))));
}

void WireConnection::End(int id, const WireEnd& end) {
  const auto found = streams_.find(id);
  if (found == streams_.end()) return;
  const std::unique_ptr<Stream> stream = std::move(found->second);
  streams_.erase(found);
  stream->handlers.on_end(end);
}

// Streams take turns, a frame each.
void WireConnection::Pump() {
  if (std::exchange(pumping_, true)) return;
  Flush();
  while (!broken_ && !sending_.empty() && window_ > 0 && out_.size() - out_at_ < kOutBytes) {
    const int id = sending_.front();
    sending_.pop_front();
    const auto found = streams_.find(id);
    if (found == streams_.end()) continue;
    found->second->queued = PumpStream(id, *found->second);
    if (found->second->queued) sending_.push_back(id);
    if (out_.size() - out_at_ >= kOutBytes) Flush();
  }
  Flush();
  pumping_ = false;
}

// True: there is more to send, and window for it.
bool WireConnection::PumpStream(int id, Stream& stream) {
  if (stream.out.empty() || stream.window <= 0) return false;
  const std::string& message = stream.out.front();
  const std::size_t n = std::min({message.size() - stream.out_at, frame_max_, static_cast<std::size_t>(stream.window), static_cast<std::size_t>(window_)});
  const bool ends = stream.out_at + n == message.size();
  const bool last = ends && stream.out.size() == 1 && stream.last_given;
  out_ += Http2Frame(kDataFrame, last ? kEndStream : 0, id, std::string_view(message).substr(stream.out_at, n));
  stream.window -= static_cast<std::int64_t>(n);
  window_ -= static_cast<std::int64_t>(n);
  stream.unsent -= n;
  stream.out_at = ends ? 0 : stream.out_at + n;
  if (ends) stream.out.pop_front();
  return !stream.out.empty() && stream.window > 0;
}

void WireConnection::Flush() {
  while (!broken_ && out_at_ < out_.size()) {
    const ssize_t n = send(fd_, out_.data() + out_at_, out_.size() - out_at_, MSG_NOSIGNAL);
    if (n < 0 && (errno == EAGAIN || errno == ENOTCONN || errno == EINTR)) break;
    if (n <= 0) return Break();
    out_at_ += static_cast<std::size_t>(n);
  }
  if (out_at_ == out_.size() || out_at_ > kOutBytes) {
    out_.erase(0, out_at_);
    out_at_ = 0;
  }
  Listen();
}

void WireConnection::Break() {
  if (std::exchange(broken_, true)) return;
  Listen();
  std::map<int, std::unique_ptr<Stream>> streams;
  streams.swap(streams_);
  for (auto& [id, stream] : streams) stream->handlers.on_end({});
}

}  // namespace cordwood::testing
